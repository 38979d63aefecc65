"""Fit one offset for each category of an ONNX file, so that rare categories are found more often.

    affectd-models fit-prior --config configs/NAME.toml --data DIR --model NAME.f32.onnx --out NEW.onnx

The file is one of `affectd-models export`, before `quantize`.

A network that was trained on vote distributions predicts shares of votes. Few faces of a rare category have
most of their votes there, so its output is seldom the largest. This command fits a temperature and eight
offsets to the majority labels of training faces by logistic regression, in which the weight of a category is
its frequency to the power of minus `--balance`, or of minus `--rare-balance` if less than 1 % of the faces
show it. Such faces are so few that the network memorizes them: it finds them more often among the training
faces than among others. The offsets are added to the last layer's weights as the least-squares solution for
a constant; nothing else in the file changes, and the cost stays the same. It prints the figures before and
after on the held-out training faces, on which nothing was fitted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Int

from affectd_models import config as configuration
from affectd_models.faces import ferplus
from affectd_models.measure import fit_va, metrics

CLASSES = len(ferplus.CATEGORIES)
ROUNDS = 100
# Categories with a smaller share of the faces are rare.
RARE = 0.01
# Weight of the squared offsets.
RIDGE = 1e-3


def main(argv: Sequence[str] | None = None) -> None:
    """Fit, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--balance", type=float, default=0.3)
    parser.add_argument("--rare-balance", type=float, default=0.45)
    args = parser.parse_args(argv)
    for option, exponent in (("--balance", args.balance), ("--rare-balance", args.rare_balance)):
        if exponent < 0:
            parser.error(f"{option} is {exponent}; at least 0 is expected")

    config = configuration.load(args.config)
    train, held = ferplus.split_holdout(ferplus.load(args.data, "train"), config["data"]["holdout"])
    network = onnx.load(args.model)
    # All training faces, because few of them show a rare category.
    logits, features = fit_va.with_features(network, config, train.images, optimized=True)
    frequency = np.bincount(train.label, minlength=CLASSES).clip(1) / len(train)
    offsets = fit(logits, train.label, importance(frequency, args.balance, args.rare_balance))
    constant = np.linalg.lstsq(features.astype(np.float64), np.ones(len(features)), rcond=1e-6)[0]
    weights = fit_va.last_weights(network)
    fit_va.replace_outputs(
        network, (weights[:, :CLASSES] + np.outer(constant, offsets)).astype(np.float32), 0
    )
    onnx.checker.check_model(network, full_check=True)
    onnx.save(network, args.out)

    offset = ", ".join(
        f"{name} {value:+.2f}" for name, value in zip(ferplus.CATEGORIES, offsets, strict=True)
    )
    lines = [f"offsets: {offset}", ""]
    lines += [
        "| held-out faces | accuracy | macro F1 | recall of each category |",
        "| --- | --- | --- | --- |",
    ]
    for name, path in (("before", args.model), ("after", args.out)):
        outputs = fit_va.predictor(path, config)(held.images)[:, :CLASSES]
        lines.append(f"| {name} | {row(outputs, held.label)}")
    sys.stdout.write("\n".join(lines) + "\n")


def row(logits: Float32[np.ndarray, "n 8"], label: Int[np.ndarray, " n"]) -> str:
    """The cells of a table."""
    predicted = logits.argmax(1)
    recalls = (f"{(predicted[label == c] == c).mean():.2f}" for c in range(CLASSES) if (label == c).any())
    accuracy = metrics.accuracy(predicted, label)
    return f"{accuracy:.4f} | {metrics.macro_f1(predicted, label, CLASSES):.3f} | {', '.join(recalls)} |"


def importance(
    frequency: Float[np.ndarray, " 8"], balance: float, rare_balance: float
) -> Float[np.ndarray, " 8"]:
    """How much a face of each category counts."""
    weights: Float[np.ndarray, " 8"] = frequency ** -np.where(frequency < RARE, rare_balance, balance)
    return weights


def fit(
    logits: Float32[np.ndarray, "n 8"], label: Int[np.ndarray, " n"], importance: Float[np.ndarray, " 8"]
) -> Float[np.ndarray, " 8"]:
    """The offsets of the logits, fitted together with a temperature that divides the sums."""
    z, y, weight = torch.from_numpy(logits).double(), torch.from_numpy(label), torch.from_numpy(importance)
    offset = torch.zeros(CLASSES, dtype=torch.float64, requires_grad=True)
    scale = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([offset, scale], max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy((z + offset) * scale.exp(), y, weight) + RIDGE * offset.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    offsets: Float[np.ndarray, " 8"] = offset.detach().numpy()
    return offsets
