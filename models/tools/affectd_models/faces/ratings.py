"""People's ratings of the valence and arousal of faces."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from affectd_models.errors import InvalidInput

# Fewer cannot be divided into the folds of a cross-validation.
FEWEST = 10


class Ratings(NamedTuple):
    """Rated faces: their rows in a split, and valence and arousal in -1..1."""

    row: Int[np.ndarray, " n"]
    va: Float[np.ndarray, "n 2"]

    def of(self, usable: Bool[np.ndarray, " m"]) -> Float32[np.ndarray, "usable 2"]:
        """The ratings of the usable faces of the split; NaN for those that were not rated."""
        va = np.full((len(usable), 2), np.nan, np.float32)
        va[self.row] = self.va
        rated: Float32[np.ndarray, "usable 2"] = va[usable]
        return rated


def read(path: Path, faces: int) -> Ratings:
    """The ratings in a CSV file with the columns row (of all `faces` of the split), valence and arousal."""
    with path.open(newline="") as file:
        table = list(csv.DictReader(file))
    try:
        row = np.array([int(entry["row"]) for entry in table])
        va = np.array([[float(entry["valence"]), float(entry["arousal"])] for entry in table])
    except (KeyError, ValueError) as error:
        raise InvalidInput(f"{path}: row, valence and arousal are expected in each line ({error})") from error
    if len(row) < FEWEST or len(set(row.tolist())) < len(row) or not (abs(va) <= 1).all():
        raise InvalidInput(f"{path}: {FEWEST} or more different faces, rated in -1..1, are expected")
    if row.min() < 0 or row.max() >= faces:
        raise InvalidInput(f"{path}: rows {row.min()} to {row.max()}; the split has {faces} faces")
    return Ratings(row, va)
