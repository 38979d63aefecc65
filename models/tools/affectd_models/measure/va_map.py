"""A linear map from category probabilities to valence and arousal that agrees with people's ratings."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from affectd_models.errors import InvalidInput
from affectd_models.faces.ferplus import CLASS_VA
from affectd_models.measure import metrics

FOLDS = 10
REPEATS = 20


class Ratings(NamedTuple):
    """Rated faces: their places in a split, and valence and arousal in -1..1."""

    row: Int[np.ndarray, " n"]
    va: Float[np.ndarray, "n 2"]


def read_ratings(path: Path) -> Ratings:
    """The ratings in a CSV file with the columns row (counting unusable faces too), valence and arousal."""
    with path.open(newline="") as file:
        table = list(csv.DictReader(file))
    try:
        row = np.array([int(entry["row"]) for entry in table])
        va = np.array([[float(entry["valence"]), float(entry["arousal"])] for entry in table])
    except (KeyError, ValueError) as error:
        raise InvalidInput(f"{path}: row, valence and arousal are expected in each line ({error})") from error
    if len(row) < FOLDS or len(set(row.tolist())) < len(row) or abs(va).max() > 1:
        raise InvalidInput(f"{path}: {FOLDS} or more different faces, rated in -1..1, are expected")
    return Ratings(row, va)


def fit(
    probability: Float[np.ndarray, "n 8"], ratings: Float[np.ndarray, "n 2"], ridge: float
) -> Float[np.ndarray, "8 2"]:
    """Valence and arousal of each category, by ridge regression towards AffectNet's class means.

    A regression's predictions vary less than the ratings, which lowers the concordance. The map is scaled
    such that both have the same mean and standard deviation.
    """
    prior = CLASS_VA.astype(np.float64)
    strength = ridge * len(probability) * probability.var(0).mean()
    gram = probability.T @ probability + strength * np.eye(probability.shape[1])
    fitted = prior + np.linalg.solve(gram, probability.T @ (ratings - probability @ prior))
    predicted = probability @ fitted
    # Probabilities add up to one, so an offset of the predictions is one of every category.
    scaled: Float[np.ndarray, "8 2"] = (fitted - predicted.mean(0)) * (ratings.std(0) / predicted.std(0))
    scaled += ratings.mean(0)
    return scaled


def cross_validated(
    probability: Float[np.ndarray, "n 8"], ratings: Float[np.ndarray, "n 2"], ridge: float
) -> Float[np.ndarray, "repeats 2"]:
    """The concordance of valence and of arousal in each of REPEATS cross-validations with FOLDS folds."""
    scores = []
    for repeat in range(REPEATS):
        order = np.random.default_rng(repeat).permutation(len(ratings))
        predicted = np.zeros_like(ratings)
        for fold in range(FOLDS):
            test = order[fold::FOLDS]
            train = np.setdiff1d(order, test)
            predicted[test] = probability[test] @ fit(probability[train], ratings[train], ridge)
        clipped = predicted.clip(-1, 1)
        scores.append([metrics.ccc(clipped[:, axis], ratings[:, axis]) for axis in range(2)])
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
