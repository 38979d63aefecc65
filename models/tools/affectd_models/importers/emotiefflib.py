"""Make one of EmotiEffLib's `*_va_mtl.onnx` files a model for affectd.

    affectd-models import-emotiefflib enet_b0_8_va_mtl.onnx --out DIR --name NAME

The network is copied unchanged; the bundle adds a manifest and golden vectors. The outputs are eight
categories in alphabetical order, valence and arousal. EmotiEffLib's normalization depends on the network:
MobileFaceNet takes 112 pixels in -1..1, the others 224 pixels normalized by ImageNet's mean and standard
deviation.
"""

from __future__ import annotations

import argparse
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import onnxruntime

from affectd_models.bundle import files, golden
from affectd_models.bundle.files import IMAGENET, Manifest, Normalization
from affectd_models.errors import InvalidInput

log = logging.getLogger(__name__)

CATEGORIES = ["anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]

NORMALIZATION: dict[int, Normalization] = {112: {"mean": [0.5] * 3, "std": [0.5] * 3}, 224: IMAGENET}

TOLERANCE = 0.001

LICENCE = "Apache-2.0 by its authors; weights trained on AffectNet, for non-commercial research only"


def main(argv: Sequence[str] | None = None) -> None:
    """Import one file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for NAME.onnx, NAME.golden, NAME.toml"
    )
    parser.add_argument("--name", required=True, help="the model's name in affectd's configuration")
    args = parser.parse_args(argv)
    log.info("%s", convert(args.model, args.out, args.name))


def convert(model: Path, folder: Path, name: str) -> Path:
    """Write the bundle of the ONNX file `model` into `folder`; returns the manifest's path."""
    files.check_name(name)
    try:
        session = golden.session(model)
    except Exception as error:  # ONNX Runtime's own exceptions share no base class.
        raise InvalidInput(f"{model} is not an ONNX network: {error}") from error
    size = side(session)
    faces = golden.inputs(files.GOLDEN_COUNT, 3, size, **NORMALIZATION[size])

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.onnx"
    if not (path.exists() and path.samefile(model)):
        shutil.copyfile(model, path)
    manifest: Manifest = {
        "format": 1,
        "kind": "expression",
        "name": name,
        "version": files.sha256(model)[:12],
        "licence": LICENCE,
        "provenance": f"EmotiEffLib (Savchenko), {model.name}. The version is the start of its SHA-256.",
        "task": "combined",
        "precision": "f32",
        "va": "annotated",
        "input": files.square_input(size, NORMALIZATION[size]),
        "output": {
            "categories": CATEGORIES,
            "logits": list(range(8)),
            "valence": 8,
            "arousal": 9,
            "temperature": 1.0,
        },
    }
    return files.finish(folder, manifest, faces, golden.outputs(session, faces), TOLERANCE)


def side(session: onnxruntime.InferenceSession) -> int:
    """The side of the square input in pixels, after checking the shapes of inputs and outputs."""
    inputs = [value.shape for value in session.get_inputs()]
    outputs = [value.shape for value in session.get_outputs()]
    for size in NORMALIZATION:
        if [shape[1:] for shape in inputs] == [[3, size, size]] and [shape[1:] for shape in outputs] == [
            [10]
        ]:
            return size
    raise InvalidInput(
        f"its inputs are {inputs} and its outputs {outputs}; allowed are one input of [any, 3, S, S] "
        f"with S one of {', '.join(map(str, NORMALIZATION))}, and one output of [any, 10]"
    )
