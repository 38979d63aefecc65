"""FER+ faces and votes, and the training targets computed from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8
from PIL import Image

from affectd_models.errors import InvalidInput

SIDE = 48
PER_ROW = 100

# The order of the logits; names as the daemon publishes them.
CATEGORIES = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]

CLASSES = len(CATEGORIES)
OUTPUTS = CLASSES + 2  # of a network: logits, valence, arousal

# The choices of an annotator; names as in ferplus_*.npz, in lower case.
CHOICES = [*CATEGORIES, "unknown", "nf"]

# Mean (valence, arousal) of each category over AffectNet's validation labels.
CLASS_VA = np.array(
    [
        [-0.03, -0.02],
        [0.67, 0.08],
        [-0.63, -0.27],
        [0.18, 0.70],
        [-0.12, 0.76],
        [-0.68, 0.45],
        [-0.43, 0.55],
        [-0.51, 0.58],
    ],
    np.float32,
)


@dataclass
class Faces:
    """One split: grey faces, vote distributions, and valence and arousal in -1..1."""

    images: UInt8[np.ndarray, "n 48 48"]
    target: Float32[np.ndarray, "n 8"]
    va: Float32[np.ndarray, "n 2"]
    # The votes for each of CHOICES as they were given; None where faces do not come from annotators.
    votes: UInt8[np.ndarray, "n 10"] | None = None

    @classmethod
    def from_votes(cls, images: UInt8[np.ndarray, "n 48 48"], target: Float32[np.ndarray, "n 8"]) -> Faces:
        """Faces whose valence and arousal are the projection of the votes on AffectNet's class means."""
        va: Float32[np.ndarray, "n 2"] = target @ CLASS_VA
        return cls(images, target, va)

    @property
    def label(self) -> Int[np.ndarray, " n"]:
        """The majority category of each face; a tie goes to the first in the order of `CATEGORIES`."""
        label: Int[np.ndarray, " n"] = self.target.argmax(1)
        return label

    def __len__(self) -> int:
        return len(self.images)

    def take(self, chosen: Bool[np.ndarray, " n"] | Int[np.ndarray, " m"]) -> Faces:
        """The faces that a mask or an index array selects."""
        votes = None if self.votes is None else self.votes[chosen]
        return Faces(self.images[chosen], self.target[chosen], self.va[chosen], votes)


def load(folder: Path, split: str) -> Faces:
    """The usable faces of `split` ("train", "valid" or another name) in `folder`.

    As in Barsoum et al. 2016, a single vote is removed as an outlier, and a face is left out if most
    annotators marked it as unknown or as no face.
    """
    votes = read_votes(folder, split)
    images = read_sheets(folder, split, len(votes.given))
    counts = votes.counts[votes.usable]
    faces = Faces.from_votes(images[votes.usable], counts / counts.sum(1, keepdims=True))
    faces.votes = votes.given[votes.usable]
    return faces


def usable_rows(folder: Path, split: str) -> Bool[np.ndarray, " n"]:
    """Which of all faces of a split `load` keeps."""
    return read_votes(folder, split).usable


class Votes(NamedTuple):
    """The votes of all faces of a split, and which of the faces `load` keeps."""

    # For each of CATEGORIES, without single votes.
    counts: Float32[np.ndarray, "n 8"]
    usable: Bool[np.ndarray, " n"]
    # For each of CHOICES as they were given.
    given: UInt8[np.ndarray, "n 10"]


def read_votes(folder: Path, split: str) -> Votes:
    """The votes in `ferplus_SPLIT.npz`."""
    with np.load(folder / f"ferplus_{split}.npz") as archive:
        columns = [str(name).lower() for name in archive["columns"]]
        votes = archive["votes"]
    if missing := [name for name in CHOICES if name not in columns]:
        raise InvalidInput(f"{folder}/ferplus_{split}.npz: no votes for {', '.join(missing)}")
    given = votes[:, [columns.index(name) for name in CHOICES]]
    counts = given[:, :CLASSES].astype(np.float32)
    counts[counts <= 1] = 0
    usable = (given.argmax(1) < CLASSES) & (counts.sum(1) > 0)
    return Votes(counts, usable, given)


def read_sheets(folder: Path, split: str, count: int) -> UInt8[np.ndarray, "n 48 48"]:
    """The first `count` faces of the sheets `ferplus_SPLIT_*.webp`, 100 faces a row."""
    sheets = []
    for path in sorted(folder.glob(f"ferplus_{split}_*.webp")):
        sheet = np.asarray(Image.open(path).convert("L"))
        rows = sheet.shape[0] // SIDE
        sheets.append(sheet.reshape(rows, SIDE, PER_ROW, SIDE).swapaxes(1, 2).reshape(-1, SIDE, SIDE))
    found = sum(map(len, sheets))
    if found < count:
        raise InvalidInput(f"{folder}: the sheets of {split} hold {found} faces; the votes are for {count}")
    return np.concatenate(sheets)[:count]


def split_holdout(faces: Faces, count: int) -> tuple[Faces, Faces]:
    """(rest, holdout): `count` faces, spread evenly over `faces`, are excluded from training."""
    held = np.zeros(len(faces), bool)
    held[spread(len(faces), count)] = True
    return faces.take(~held), faces.take(held)


def spread(total: int, count: int) -> Int[np.ndarray, " count"]:
    """`count` indices, spread evenly over 0..`total`."""
    return np.linspace(0, total - 1, count).astype(int)
