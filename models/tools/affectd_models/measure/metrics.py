"""The metrics in the manifest and in the training log, on NumPy arrays."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from affectd_models.faces.ferplus import Faces

Figures = dict[str, float]


def softmax(logits: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n c"]:
    """Probabilities of each row."""
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    probability: Float[np.ndarray, "n c"] = exponentials / exponentials.sum(1, keepdims=True)
    return probability


def accuracy(predicted: Int[np.ndarray, " n"], label: Int[np.ndarray, " n"]) -> float:
    """Share of correct predictions."""
    return float((predicted == label).mean())


def macro_f1(predicted: Int[np.ndarray, " n"], label: Int[np.ndarray, " n"], classes: int) -> float:
    """Mean over the classes of 2 TP / (2 TP + FP + FN)."""
    scores = []
    for c in range(classes):
        hits = np.sum((predicted == c) & (label == c))
        scores.append(2 * hits / max(1, np.sum(predicted == c) + np.sum(label == c)))
    return float(np.mean(scores))


def ece(probability: Float[np.ndarray, "n c"], label: Int[np.ndarray, " n"], bins: int = 15) -> float:
    """Expected calibration error of the top prediction, over bins of equal width."""
    confidence = probability.max(1)
    correct: Bool[np.ndarray, " n"] = probability.argmax(1) == label
    bin_index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(correct[bin_index == b].mean() - confidence[bin_index == b].mean()) * np.mean(bin_index == b)
        for b in range(bins)
        if np.any(bin_index == b)
    ]
    return float(sum(gaps))


def soft_cross_entropy(probability: Float[np.ndarray, "n c"], target: Float[np.ndarray, "n c"]) -> float:
    """Mean cross-entropy of the predicted with the target distributions, in nats."""
    return float(-(target * np.log(probability + 1e-12)).sum(1).mean())


def rmse(predicted: Float[np.ndarray, "n 2"], target: Float[np.ndarray, "n 2"]) -> float:
    """Root mean square error over both axes."""
    return float(np.sqrt(((predicted - target) ** 2).mean()))


def ccc(predicted: Float[np.ndarray, " n"], target: Float[np.ndarray, " n"]) -> float:
    """Lin's concordance correlation coefficient."""
    covariance = ((predicted - predicted.mean()) * (target - target.mean())).mean()
    spread = predicted.var() + target.var() + (predicted.mean() - target.mean()) ** 2
    return float(2 * covariance / spread)


def ccc_of_axes(
    predicted: Float[np.ndarray, "n 2"], target: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, " 2"]:
    """The concordance correlation coefficients of valence and of arousal."""
    return np.array([ccc(predicted[:, axis], target[:, axis]) for axis in range(2)])


def summary(outputs: Float[np.ndarray, "n 10"], faces: Faces, temperature: float = 1.0) -> Figures:
    """All metrics of a network's outputs (logits, valence, arousal) on `faces`.

    Keys are the names in the manifest; `ece` is a share, `soft_ce` in nats, `n` the number of faces.
    """
    classes = faces.target.shape[1]
    probability = softmax(outputs[:, :classes] / temperature)
    predicted = probability.argmax(1)
    # The daemon clips valence and arousal to -1..1 too.
    va = outputs[:, classes:].clip(-1, 1)
    return {
        "accuracy": accuracy(predicted, faces.label),
        "macro_f1": macro_f1(predicted, faces.label, classes),
        "ece": ece(probability, faces.label),
        "soft_ce": soft_cross_entropy(probability, faces.target),
        "va_rmse": rmse(va, faces.va),
        "va_ccc": float(ccc_of_axes(va, faces.va).mean()),
        "n": len(faces),
    }


def fit_temperature(logits: Float[np.ndarray, "n c"], label: Int[np.ndarray, " n"]) -> float:
    """The temperature in 0.3..3 with the smallest negative log likelihood of `label`."""

    def loss(temperature: float) -> float:
        p = softmax(logits / temperature)
        return float(-np.log(p[np.arange(len(label)), label] + 1e-12).mean())

    return float(min(np.exp(np.linspace(np.log(0.3), np.log(3), 232)), key=loss))
