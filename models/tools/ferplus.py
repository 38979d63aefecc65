"""FER+ faces and votes, and the targets made from them."""

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 48
PER_ROW = 100

# The order of the logits; names as the daemon publishes them.
CATEGORIES = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]

# Mean (valence, arousal) of each category over AffectNet's validation labels.
CLASS_VA = np.array(
    [
        [-0.03, -0.02], [0.67, 0.08], [-0.63, -0.27], [0.18, 0.70],
        [-0.12, 0.76], [-0.68, 0.45], [-0.43, 0.55], [-0.51, 0.58],
    ],
    np.float32,
)


class Faces:
    """One split: `images` u8 [N, 48, 48], `target` f32 [N, 8], `va` f32 [N, 2], `label` i64 [N]."""

    def __init__(self, images, target):
        self.images = images
        self.target = target
        self.va = target @ CLASS_VA
        self.label = target.argmax(1)

    def __len__(self):
        return len(self.images)

    def take(self, chosen):
        """The faces that the mask or index array `chosen` names."""
        return Faces(self.images[chosen], self.target[chosen])


def load(folder, split):
    """The `split` ("train", "valid" or another name) of the FER+ sheets in `folder`, unusable faces left out.

    As in Barsoum et al. 2016, a single vote is taken for a slip and removed, and a face is left out
    when most annotators found it unknown or no face at all.
    """
    archive = np.load(Path(folder) / f"ferplus_{split}.npz")
    columns = [str(name).lower() for name in archive["columns"]]
    votes = archive["votes"].astype(np.float32)
    images = read_sheets(folder, split, len(votes))

    majority = votes.argmax(1)
    usable = majority < len(CATEGORIES)
    votes[votes <= 1] = 0
    votes = votes[:, [columns.index(name) for name in CATEGORIES]]
    total = votes.sum(1, keepdims=True)
    usable &= total[:, 0] > 0
    return Faces(images[usable], votes[usable] / total[usable])


def read_sheets(folder, split, count):
    """u8 [count, 48, 48] from the sheets of 100 faces a row."""
    parts = []
    for path in sorted(Path(folder).glob(f"ferplus_{split}_*.webp")):
        sheet = np.asarray(Image.open(path).convert("L"))
        rows = sheet.shape[0] // SIDE
        parts.append(sheet.reshape(rows, SIDE, PER_ROW, SIDE).swapaxes(1, 2).reshape(-1, SIDE, SIDE))
    return np.concatenate(parts)[:count]


def split_holdout(faces, count):
    """(rest, holdout): `count` faces spread evenly over `faces` are kept from training."""
    held = np.zeros(len(faces), bool)
    held[np.linspace(0, len(faces) - 1, count).astype(int)] = True
    return faces.take(~held), faces.take(held)
