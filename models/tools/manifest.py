"""Measure a shipped ONNX file and write its manifest and golden vectors beside it.

    python models/tools/manifest.py --config configs/NAME.toml --data DIR --model models/NAME.onnx
"""

import argparse
import json
import tomllib
from pathlib import Path

import onnxruntime

import evaluate
import ferplus
import golden
import package
import runner

GOLDEN_COUNT = 2

TEMPLATE = """\
format = 1
kind = "expression"
name = {name}
version = {version}
licence = "MIT"
provenance = {provenance}
task = "combined"
precision = "int8-weights"
va = "projected"

[file]
path = {file}
sha256 = {file_sha256}

[input]
width = {size}
height = {size}
layout = "nchw"
colour = "gray"
mean = [{mean}]
std = [{std}]
margin = 0.0
align = "roll"
mirror = {mirror}

[output]
categories = {categories}
logits = {logits}
valence = 8
arousal = 9
temperature = {temperature:.3f}

[golden]
path = {golden}
sha256 = {golden_sha256}
count = {golden_count}
tolerance = 0.02

[measured]
dataset = "FER+ validation"
runtime = "ONNX Runtime {runtime}"
accuracy = {accuracy:.4f}
macro_f1 = {macro_f1:.4f}
ece = {ece:.4f}
va_rmse = {va_rmse:.4f}
va_ccc = {va_ccc:.4f}
n = {n}
"""


def main():
    """Measure, then write NAME.golden and NAME.toml."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    args = parser.parse_args()

    config = tomllib.loads(args.config.read_text())
    session = golden.session(args.model)
    figures, temperature = evaluate.measure(
        lambda images: runner.predict_onnx(session, images, config), config, args.data
    )
    vectors = args.model.with_suffix(".golden")
    data = config["data"]
    faces = golden.inputs(GOLDEN_COUNT, 1, config["model"]["size"], data["mean"], data["std"])
    golden.write(vectors, faces, golden.answers(session, faces))

    text = TEMPLATE.format(
        name=quoted(config["name"]),
        version=quoted(config["version"]),
        provenance=quoted(config["provenance"]),
        file=quoted(args.model.name),
        file_sha256=quoted(package.sha256(args.model)),
        size=config["model"]["size"],
        mean=config["data"]["mean"],
        std=config["data"]["std"],
        mirror=json.dumps(config["data"].get("mirror", False)),
        categories=json.dumps(ferplus.CATEGORIES),
        logits=list(range(len(ferplus.CATEGORIES))),
        temperature=temperature,
        golden=quoted(vectors.name),
        golden_sha256=quoted(package.sha256(vectors)),
        golden_count=GOLDEN_COUNT,
        runtime=onnxruntime.__version__,
        **figures,
    )
    args.model.with_suffix(".toml").write_text(text)
    print(text)


def quoted(text):
    """A TOML basic string; JSON's escapes are a subset of TOML's."""
    return json.dumps(text)


if __name__ == "__main__":
    main()
