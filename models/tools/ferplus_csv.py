"""Write a split's faces as PNG files and a CSV path,category,valence,arousal beside them.

    python models/tools/ferplus_csv.py --data DIR --split valid --out DIR

A split NAME is what lies in ferplus_NAME.npz and ferplus_NAME_*.webp.
"""

import argparse
import csv
from pathlib import Path

from PIL import Image
from tqdm import tqdm

import ferplus


def main():
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="valid")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()

    faces = ferplus.load(args.data, args.split)
    write(args.out, args.split, map(Image.fromarray, faces.images), faces)


def write(folder, split, pictures, faces):
    """Write `pictures` of `faces`, one each, and the table `split`.csv into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{split}.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "category", "valence", "arousal"])
        for i, picture in enumerate(tqdm(pictures, total=len(faces), leave=False)):
            name = f"{i:05}.png"
            picture.save(folder / name)
            valence, arousal = faces.va[i]
            category = ferplus.CATEGORIES[faces.label[i]]
            table.writerow([name, category, f"{valence:.4f}", f"{arousal:.4f}"])


if __name__ == "__main__":
    main()
