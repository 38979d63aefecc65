"""Metrics on FER+ validation, of a checkpoint or of an ONNX file.

    affectd-models evaluate --data DIR --checkpoint best.pt
    affectd-models evaluate --data DIR --config configs/NAME.toml --model NAME.onnx

The temperature is fitted on the training faces that were held out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import onnxruntime

from affectd_models import config as configuration
from affectd_models.config import Config
from affectd_models.faces import ferplus
from affectd_models.measure import metrics
from affectd_models.training import checkpoint, inference
from affectd_models.training.inference import Predict


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--checkpoint", type=Path, help="measure PyTorch's averaged weights")
    source.add_argument("--model", type=Path, help="measure an ONNX file; needs --config")
    parser.add_argument("--config", type=Path)
    args = parser.parse_args(argv)
    if (args.config is None) == (args.model is not None):
        parser.error("--model needs --config, and --checkpoint takes none")
    if args.checkpoint:
        net, config = checkpoint.load(args.checkpoint)
        predict = inference.predictor(net, config)
    else:
        config = configuration.load(args.config)
        predict = inference.onnx_predictor(onnxruntime.InferenceSession(args.model), config)
    figures, temperature = measure(predict, config, args.data)
    lines = [f"temperature {temperature:.3f}"]
    lines += [f"{name} {value:.4f}" if name != "n" else f"n {value}" for name, value in figures.items()]
    sys.stdout.write("\n".join(lines) + "\n")


def measure(predict: Predict, config: Config, folder: Path) -> tuple[metrics.Figures, float]:
    """(metrics of `predict` on the validation split, temperature); `folder` is that of FER+."""
    predict = inference.as_deployed(predict, config["data"])
    _, held = ferplus.split_holdout(ferplus.load(folder, "train"), config["data"]["holdout"])
    logits = predict(held.images)[:, : ferplus.CLASSES]
    temperature = metrics.fit_temperature(logits, held.label)
    valid = ferplus.load(folder, "valid")
    return metrics.summary(predict(valid.images), valid, temperature), temperature
