"""Write a split's faces as a bad camera shows them, to measure how much a model minds.

    python models/tools/degrade.py --data DIR --split valid --out FOLDER
    for csv in FOLDER/*/valid.csv; do echo $csv; affectd model eval NAME $csv --json; done

One folder for each change, each with pictures and a table as of ferplus_csv.py. What lies beyond a face's own
picture is unknown: its edges are repeated.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from tqdm import tqdm

import ferplus
import ferplus_csv


def main():
    """Write the folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="valid")
    parser.add_argument("--faces", type=int, help="how many, spread evenly over the split; default: all")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()

    faces = ferplus.load(args.data, args.split)
    if args.faces:
        faces = faces.take(np.linspace(0, len(faces) - 1, args.faces).astype(int))
    for name, change in tqdm(CHANGES.items()):
        changed = [change(Image.fromarray(face)) for face in faces.images]
        ferplus_csv.write(args.out / name, args.split, changed, faces)


def wider(face, share):
    """The face in a crop that is larger by `share` of its side, or smaller where that is negative."""
    side = face.width
    if share < 0:
        cut = round(-share / 2 * side)
        return face.crop((cut, cut, side - cut, side - cut))
    return Image.fromarray(np.pad(np.asarray(face), round(share / 2 * side), mode="edge"))


def rolled(face, degrees):
    """The face turned about its middle."""
    side = face.width
    room = Image.fromarray(np.pad(np.asarray(face), side, mode="edge"))
    turned = room.rotate(degrees, Image.Resampling.BILINEAR)
    return turned.crop((side, side, 2 * side, 2 * side))


CHANGES = {
    "as-it-is": lambda face: face,
    "crop-10-tighter": lambda face: wider(face, -0.1),
    **{f"margin-{percent}": lambda face, percent=percent: wider(face, percent / 100) for percent in (10, 20, 30, 40)},
    **{f"blur-{sigma}": lambda face, sigma=sigma: face.filter(ImageFilter.GaussianBlur(sigma)) for sigma in (1, 2)},
    # The daemon enlarges them again.
    **{f"pixels-{side}": lambda face, side=side: face.resize((side, side), Image.Resampling.BOX) for side in (24, 16)},
    **{f"roll-{degrees}": lambda face, degrees=degrees: rolled(face, degrees) for degrees in (-20, -10, 10, 20)},
}


if __name__ == "__main__":
    main()
