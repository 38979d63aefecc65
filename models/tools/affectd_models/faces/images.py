"""Write a split's faces as PNG files and a CSV table path,category,valence,arousal and the votes.

    affectd-models faces --data DIR --split valid --out DIR [--ratings FILE]

The split NAME is read from ferplus_NAME.npz and ferplus_NAME_*.webp. Valence and arousal are the
projection of the votes on AffectNet's class means, or people's ratings, which are empty for unrated faces.
"""

import argparse
import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from affectd_models.faces import ferplus, ratings

# Columns of votes in the order of `ferplus.CHOICES`, as `affectd model eval` reads them.
VOTES = [*(f"votes_{name}" for name in ferplus.CATEGORIES), "votes_unknown", "votes_no_face"]


def main(argv: Sequence[str] | None = None) -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="valid")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ratings", type=Path, help="CSV: row in the split, valence, arousal")
    args = parser.parse_args(argv)

    faces = ferplus.load(args.data, args.split)
    if args.ratings:
        usable = ferplus.usable_rows(args.data, args.split)
        faces.va = ratings.read(args.ratings, len(usable)).of(usable)
    write(args.out, args.split, map(Image.fromarray, faces.images), faces)


def write(folder: Path, split: str, pictures: Iterable[Image.Image], faces: ferplus.Faces) -> None:
    """Write one picture for each of `faces`, and the table `split`.csv, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{split}.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "category", "valence", "arousal", *([] if faces.votes is None else VOTES)])
        labels = faces.label
        for i, picture in enumerate(tqdm(pictures, total=len(faces), leave=False)):
            name = f"{i:05}.png"
            picture.save(folder / name)
            va = ["" if np.isnan(value) else f"{value:.4f}" for value in faces.va[i]]
            votes = [] if faces.votes is None else faces.votes[i].tolist()
            table.writerow([name, ferplus.CATEGORIES[labels[i]], *va, *votes])
