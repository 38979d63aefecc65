"""The figures of the manifest, from plain arrays."""

import numpy as np


def softmax(logits):
    """f32 [N, C] -> [N, C]"""
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def accuracy(predicted, label):
    """Share of right answers."""
    return float((predicted == label).mean())


def macro_f1(predicted, label, classes):
    """Mean over the classes of 2 TP / (2 TP + FP + FN)."""
    scores = []
    for c in range(classes):
        hit = np.sum((predicted == c) & (label == c))
        scores.append(2 * hit / max(1, np.sum(predicted == c) + np.sum(label == c)))
    return float(np.mean(scores))


def ece(probability, label, bins=15):
    """Expected calibration error of the top answer over equally wide bins of confidence."""
    confidence = probability.max(1)
    right = probability.argmax(1) == label
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(right[which == b].mean() - confidence[which == b].mean()) * np.mean(which == b)
        for b in range(bins)
        if np.any(which == b)
    ]
    return float(sum(gaps))


def rmse(predicted, target):
    """Root of the mean square error over both axes, [N, 2]."""
    return float(np.sqrt(((predicted - target) ** 2).mean()))


def ccc(predicted, target):
    """Lin's concordance, mean of the two axes, [N, 2]."""
    scores = []
    for p, t in zip(predicted.T, target.T):
        covariance = ((p - p.mean()) * (t - t.mean())).mean()
        scores.append(2 * covariance / (p.var() + t.var() + (p.mean() - t.mean()) ** 2))
    return float(np.mean(scores))


def summary(outputs, faces, temperature=1.0):
    """All figures of `outputs` f32 [N, 10] on `faces`."""
    classes = faces.target.shape[1]
    probability = softmax(outputs[:, :classes] / temperature)
    predicted = probability.argmax(1)
    # The daemon clips as well: valence and arousal live in -1..1.
    va = outputs[:, classes:].clip(-1, 1)
    return {
        "accuracy": accuracy(predicted, faces.label),
        "macro_f1": macro_f1(predicted, faces.label, classes),
        "ece": ece(probability, faces.label),
        "va_rmse": rmse(va, faces.va),
        "va_ccc": ccc(va, faces.va),
        "n": len(faces),
    }


def fit_temperature(logits, label):
    """The temperature in 0.3..3 with the least negative log likelihood of `label`."""

    def loss(temperature):
        p = softmax(logits / temperature)
        return -np.log(p[np.arange(len(label)), label] + 1e-12).mean()

    return float(min(np.exp(np.linspace(np.log(0.3), np.log(3), 232)), key=loss))
