"""A linear map from category probabilities to valence and arousal that agrees with people's ratings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from affectd_models.faces.ferplus import CLASS_VA
from affectd_models.measure import metrics

FOLDS = 10
REPEATS = 20

# Largest factor by which ratings are stretched about their mean, and rounds to find it.
STRETCH = 2.0
STRETCH_ROUNDS = 10
DESCENT_ROUNDS = 1000


class Prior(NamedTuple):
    """How far a fitted map may deviate from AffectNet's class means."""

    # Weight of the distance from the means in the ridge regression.
    ridge: float
    # Largest distance from them of any category, in valence and in arousal.
    bounds: tuple[float, float]


# Arousal needs more room: with AffectNet's means, it does not agree with the ratings at all. With this much,
# no category that AffectNet calls excited becomes calm.
PRIOR = Prior(0.1, (0.2, 0.5))


def fit(
    probability: Float[np.ndarray, "n 8"], ratings: Float[np.ndarray, "n 2"], prior: Prior = PRIOR
) -> Float[np.ndarray, "8 2"]:
    """Valence and arousal of each category: ridge regression towards AffectNet's class means, within bounds.

    Some categories have few rated faces, and raters differ: without the bounds, a handful of ratings would
    determine such a category. A regression's predictions vary less than the ratings, which lowers the
    concordance. The ratings are therefore stretched about their mean until the predictions vary as much, at
    most by STRETCH.
    """
    return np.stack([fit_axis(probability, ratings, axis, prior) for axis in range(2)], 1)


def fit_axis(
    probability: Float[np.ndarray, "n 8"], ratings: Float[np.ndarray, "n 2"], axis: int, prior: Prior
) -> Float[np.ndarray, " 8"]:
    """`fit` for valence (0) or arousal (1)."""
    means, values = CLASS_VA[:, axis].astype(np.float64), ratings[:, axis]
    bound = prior.bounds[axis]
    low, high = np.maximum(means - bound, -1), np.minimum(means + bound, 1)
    strength = prior.ridge * len(probability) * probability.var(0).mean()
    gram = probability.T @ probability + strength * np.eye(len(means))
    stretch, fitted = 1.0, means
    for _ in range(STRETCH_ROUNDS):
        stretched = values.mean() + stretch * (values - values.mean())
        fitted = bounded(gram, probability.T @ stretched + strength * means, low, high, fitted)
        spread = (probability @ fitted).std()
        stretch = min(STRETCH, stretch * values.std() / max(spread, 1e-6))
    return fitted


def bounded(
    gram: Float[np.ndarray, "k k"],
    right: Float[np.ndarray, " k"],
    low: Float[np.ndarray, " k"],
    high: Float[np.ndarray, " k"],
    start: Float[np.ndarray, " k"],
) -> Float[np.ndarray, " k"]:
    """The minimum of x'Gx/2 - x'r between the bounds, by coordinate descent, as G is positive definite."""
    x = start.clip(low, high)
    for _ in range(DESCENT_ROUNDS):
        before = x.copy()
        for i in range(len(x)):
            x[i] = min(max(x[i] + (right[i] - gram[i] @ x) / gram[i, i], low[i]), high[i])
        if abs(x - before).max() < 1e-9:
            break
    return x


def cross_validated(
    probability: Float[np.ndarray, "n 8"], ratings: Float[np.ndarray, "n 2"], prior: Prior = PRIOR
) -> Float[np.ndarray, "repeats 2"]:
    """The concordance of valence and of arousal in each of REPEATS cross-validations with FOLDS folds."""
    scores = []
    for repeat in range(REPEATS):
        order = np.random.default_rng(repeat).permutation(len(ratings))
        predicted = np.zeros_like(ratings)
        for fold in range(FOLDS):
            test = order[fold::FOLDS]
            train = np.setdiff1d(order, test)
            predicted[test] = probability[test] @ fit(probability[train], ratings[train], prior)
        scores.append(metrics.ccc_of_axes(predicted.clip(-1, 1), ratings))
    return np.array(scores)


def fit_head(
    features: Float[np.ndarray, "n f"], target: Float[np.ndarray, "n 2"], ridge: float = 1e-4
) -> tuple[Float[np.ndarray, "f 2"], Float[np.ndarray, " 2"]]:
    """(weights of a linear layer without bias that predicts `target`, explained share of the variance)."""
    strength = ridge * len(features) * (features**2).mean()
    gram = features.T @ features + strength * np.eye(features.shape[1])
    weights: Float[np.ndarray, "f 2"] = np.linalg.solve(gram, features.T @ target)
    residual = features @ weights - target
    return weights, 1 - (residual**2).mean(0) / target.var(0)
