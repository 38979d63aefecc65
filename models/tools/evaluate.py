"""Figures on FER+ validation, for a checkpoint or for an ONNX file.

    python models/tools/evaluate.py --data DIR --checkpoint best.pt
    python models/tools/evaluate.py --data DIR --config configs/NAME.toml --model NAME.onnx

The temperature is fitted on the training faces that were kept back from training.
"""

import argparse
import tomllib
from pathlib import Path

import onnxruntime

import checkpoint
import ferplus
import metrics
import runner


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--checkpoint", type=Path, help="measure PyTorch's averaged weights")
    which.add_argument("--model", type=Path, help="measure an ONNX file; needs --config")
    parser.add_argument("--config", type=Path)
    args = parser.parse_args()
    if args.checkpoint:
        net, config = checkpoint.load(args.checkpoint)
        figures, temperature = measure(lambda x: runner.predict(net, x, config), config, args.data)
    else:
        config = tomllib.loads(args.config.read_text())
        session = onnxruntime.InferenceSession(args.model)
        figures, temperature = measure(lambda x: runner.predict_onnx(session, x, config), config, args.data)
    print(f"temperature {temperature:.3f}")
    for name, value in figures.items():
        print(f"{name} {value:.4f}" if name != "n" else f"n {value}")


def measure(predict, config, folder):
    """(figures on the validation split, temperature) of `predict`: u8 [N, 48, 48] -> f32 [N, 10]."""
    predict = runner.as_shown(predict, config["data"])
    _, held = ferplus.split_holdout(ferplus.load(folder, "train"), config["data"]["holdout"])
    logits = predict(held.images)[:, : len(ferplus.CATEGORIES)]
    temperature = metrics.fit_temperature(logits, held.label)
    valid = ferplus.load(folder, "valid")
    return metrics.summary(predict(valid.images), valid, temperature), temperature


if __name__ == "__main__":
    main()
