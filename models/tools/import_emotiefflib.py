"""Make one of EmotiEffLib's `*_va_mtl.onnx` files a model for affectd.

    python models/tools/import_emotiefflib.py enet_b0_8_va_mtl.onnx --out DIR --name NAME

The network stays as it is; what it lacks is a manifest and golden vectors. The outputs are eight categories in
alphabetical order, valence and arousal. EmotiEffLib normalises by the network's family: MobileFaceNet takes
112 pixels from -1 to 1, the others 224 pixels by ImageNet's mean and deviation.
"""

import argparse
import shutil
import sys
from pathlib import Path


import golden
import package
from package import IMAGENET, Refused

CATEGORIES = ["anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]

NORMALISATION = {112: {"mean": [0.5] * 3, "std": [0.5] * 3}, 224: IMAGENET}

TOLERANCE = 0.001


def main():
    """Import one file and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder for NAME.onnx, NAME.golden, NAME.toml")
    parser.add_argument("--name", required=True, help="the model's name in affectd's configuration")
    args = parser.parse_args()
    try:
        print(convert(args.model, args.out, args.name))
    except (Refused, OSError) as error:
        sys.exit(f"import_emotiefflib: {error}")


def convert(model, folder, name):
    """Copy the network beside its golden vectors and manifest; returns the manifest's path."""
    package.check_name(name)
    try:
        session = golden.session(model)
    except Exception as error:  # ONNX Runtime's own exceptions share no base class.
        raise Refused(f"{model} is no ONNX network: {error}") from error
    size = side(session)
    faces = golden.inputs(package.GOLDEN_COUNT, 3, size, **NORMALISATION[size])

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.onnx"
    if not (path.exists() and path.samefile(model)):
        shutil.copyfile(model, path)
    manifest = {
        "format": 1,
        "kind": "expression",
        "name": name,
        "version": package.sha256(model)[:12],
        "licence": "Apache-2.0 by its authors; weights trained on AffectNet, for non-commercial research only",
        "provenance": f"EmotiEffLib (Savchenko), {model.name}. The version is the start of its SHA-256.",
        "task": "combined",
        "precision": "f32",
        "va": "annotated",
        "input": package.colour_input(size, **NORMALISATION[size]),
        "output": {
            "categories": CATEGORIES,
            "logits": list(range(8)),
            "valence": 8,
            "arousal": 9,
            "temperature": 1.0,
        },
    }
    return package.finish(folder, manifest, faces, golden.answers(session, faces), TOLERANCE)


def side(session):
    """The side of the square input, after comparing inputs and outputs with the layout."""
    shapes = [[put.shape for put in puts] for puts in (session.get_inputs(), session.get_outputs())]
    (taken, *more), (given, *others) = shapes
    fits = not more and not others and len(taken) == 4 and len(given) == 2
    if not (fits and taken[1] == 3 and taken[2] == taken[3] and taken[2] in NORMALISATION and given[1] == 10):
        raise Refused(
            f"it takes {shapes[0]} and gives {shapes[1]}; allowed are one input of [any, 3, S, S] with S one of "
            f"{', '.join(map(str, NORMALISATION))}, and one output of [any, 10]"
        )
    return taken[2]


if __name__ == "__main__":
    main()
