"""Write a split's faces as PNG files and a CSV table path,category,valence,arousal and the votes.

    affectd-models faces --data DIR --split valid --out DIR

The split NAME is read from ferplus_NAME.npz and ferplus_NAME_*.webp.
"""

import argparse
import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from affectd_models.faces import ferplus

# Columns of votes in the order of `ferplus.CHOICES`, as `affectd model eval` reads them.
VOTES = [*(f"votes_{name}" for name in ferplus.CATEGORIES), "votes_unknown", "votes_no_face"]


def main(argv: Sequence[str] | None = None) -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="valid")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)

    faces = ferplus.load(args.data, args.split)
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
            valence, arousal = faces.va[i]
            votes = [] if faces.votes is None else faces.votes[i].tolist()
            table.writerow([name, ferplus.CATEGORIES[labels[i]], f"{valence:.4f}", f"{arousal:.4f}", *votes])
