"""Fit one offset for each category of an ONNX file, so that rare categories are found more often.

    affectd-models fit-prior --config configs/NAME.toml --data DIR --model NAME.f32.onnx --out NEW.onnx

The file is one of `affectd-models export`, before `quantize`.

A network that was trained on vote distributions predicts shares of votes. Few faces of a rare category have
most of their votes for it, so its output is seldom the largest. This command fits a temperature and eight
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
from affectd_models.bundle import last_layer
from affectd_models.faces import ferplus
from affectd_models.faces.ferplus import CLASSES
from affectd_models.measure import metrics
from affectd_models.training import inference

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
    logits, features = inference.logits_and_features(network, config, train.images, optimized=True)
    frequency = np.bincount(train.label, minlength=CLASSES).clip(1) / len(train)
    offsets = fit(logits, train.label, importance(frequency, args.balance, args.rare_balance))
    last_layer.add_offsets(network, features, offsets)
    onnx.save(network, args.out)
    held_logits = [
        inference.deployed_predictor(path, config)(held.images)[:, :CLASSES]
        for path in (args.model, args.out)
    ]
    sys.stdout.write(report(offsets, held.label, *held_logits) + "\n")


def report(
    offsets: Float[np.ndarray, " 8"],
    label: Int[np.ndarray, " n"],
    before: Float32[np.ndarray, "n 8"],
    after: Float32[np.ndarray, "n 8"],
) -> str:
    """The offsets, and a Markdown table of the figures of the logits before and after on held-out faces."""
    named = zip(ferplus.CATEGORIES, offsets, strict=True)
    return "\n".join(
        [
            f"offsets: {', '.join(f'{name} {value:+.2f}' for name, value in named)}",
            "",
            "| held-out faces | accuracy | macro F1 | recall of each category |",
            "| --- | --- | --- | --- |",
            f"| before | {cells(before, label)}",
            f"| after | {cells(after, label)}",
        ]
    )


def cells(logits: Float32[np.ndarray, "n 8"], label: Int[np.ndarray, " n"]) -> str:
    """The figures as the cells of a table's row."""
    predicted = logits.argmax(1)
    recalls = (f"{(predicted[label == c] == c).mean():.2f}" for c in range(CLASSES) if (label == c).any())
    accuracy = metrics.accuracy(predicted, label)
    return f"{accuracy:.4f} | {metrics.macro_f1(predicted, label, CLASSES):.3f} | {', '.join(recalls)} |"


def importance(
    frequency: Float[np.ndarray, " 8"], balance: float, rare_balance: float
) -> Float[np.ndarray, " 8"]:
    """The weight of a face of each category in the fit, from the categories' shares of the faces."""
    weights: Float[np.ndarray, " 8"] = frequency ** -np.where(frequency < RARE, rare_balance, balance)
    return weights


def fit(
    logits: Float32[np.ndarray, "n 8"], label: Int[np.ndarray, " n"], importance: Float[np.ndarray, " 8"]
) -> Float[np.ndarray, " 8"]:
    """The offsets of the logits, fitted together with a temperature that divides the sums."""
    x, target, weight = (torch.from_numpy(array) for array in (logits.astype(np.float64), label, importance))
    offset = torch.zeros(CLASSES, dtype=torch.float64, requires_grad=True)
    scale = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([offset, scale], max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy((x + offset) * scale.exp(), target, weight) + RIDGE * offset.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    offsets: Float[np.ndarray, " 8"] = offset.detach().numpy()
    return offsets
