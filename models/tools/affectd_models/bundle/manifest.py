"""Measure an ONNX file and write its manifest and golden vectors beside it.

affectd-models manifest --config configs/NAME.toml --data DIR --model models/NAME.onnx
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnxruntime

from affectd_models import config as configuration
from affectd_models.bundle import files, golden
from affectd_models.config import Config
from affectd_models.errors import InvalidInput
from affectd_models.faces import ferplus
from affectd_models.measure import evaluate
from affectd_models.training import inference

log = logging.getLogger(__name__)

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
va = {va}

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
{va_figures}n = {n}
"""

# Measured on the projection of the votes, so they say nothing about a fitted model.
VA_FIGURES = """\
va_rmse = {va_rmse:.4f}
va_ccc = {va_ccc:.4f}
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, then write NAME.golden and NAME.toml."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    args = parser.parse_args(argv)

    config = configuration.load(args.config)
    if missing := [key for key in ("version", "provenance") if key not in config]:
        raise InvalidInput(f"{args.config}: a manifest needs {' and '.join(missing)}")
    session = golden.session(args.model)
    predict = inference.onnx_predictor(session, config)
    figures, temperature = evaluate.measure(predict, config, args.data)
    vectors = args.model.with_suffix(".golden")
    data = config["data"]
    faces = golden.inputs(GOLDEN_COUNT, 1, config["model"]["size"], data["mean"], data["std"])
    files.write_golden(vectors, faces, golden.answers(session, faces))

    path = args.model.with_suffix(".toml")
    path.write_text(text(config, args.model, vectors, figures, temperature))
    log.info("%s", path)


def text(config: Config, model: Path, vectors: Path, figures: Mapping[str, float], temperature: float) -> str:
    """The manifest of the ONNX file `model` with the golden vectors `vectors`."""
    va = config.get("va", configuration.VA[0])
    return TEMPLATE.format(
        va=quoted(va),
        va_figures=VA_FIGURES.format(**figures) if va == "projected" else "",
        name=quoted(config["name"]),
        version=quoted(config["version"]),
        provenance=quoted(config["provenance"]),
        file=quoted(model.name),
        file_sha256=quoted(files.sha256(model)),
        size=config["model"]["size"],
        mean=config["data"]["mean"],
        std=config["data"]["std"],
        mirror=json.dumps(config["data"].get("mirror", False)),
        categories=json.dumps(ferplus.CATEGORIES),
        logits=list(range(len(ferplus.CATEGORIES))),
        temperature=temperature,
        golden=quoted(vectors.name),
        golden_sha256=quoted(files.sha256(vectors)),
        golden_count=GOLDEN_COUNT,
        runtime=onnxruntime.__version__,
        **figures,
    )


def quoted(words: str) -> str:
    """A TOML basic string; JSON's escapes are a subset of TOML's."""
    return json.dumps(words)
