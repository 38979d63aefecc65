"""Measure an ONNX file and write its manifest and golden vectors beside it.

affectd-models manifest --config configs/NAME.toml --data DIR --model models/NAME.onnx
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import onnxruntime

from affectd_models import config as configuration
from affectd_models.bundle import ferplus_manifest, files, golden
from affectd_models.bundle.files import GOLDEN_COUNT
from affectd_models.measure import evaluate
from affectd_models.training import inference

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, then write NAME.golden and NAME.toml."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    args = parser.parse_args(argv)

    config = configuration.load(args.config)
    ferplus_manifest.check(config, args.config)
    session = golden.session(args.model)
    predict = inference.onnx_predictor(session, config)
    figures, temperature = evaluate.measure(predict, config, args.data)
    data = config["data"]
    faces = golden.inputs(GOLDEN_COUNT, 1, config["model"]["size"], data["mean"], data["std"])
    vectors, path = args.model.with_suffix(".golden"), args.model.with_suffix(".toml")
    files.write_golden(vectors, faces, golden.outputs(session, faces))
    manifest = ferplus_manifest.tables(
        config=config,
        model=args.model,
        vectors=vectors,
        golden_count=GOLDEN_COUNT,
        figures=figures,
        temperature=temperature,
        runtime=f"ONNX Runtime {onnxruntime.__version__}",
    )
    files.write_manifest(path, manifest)
    log.info("%s", path)
