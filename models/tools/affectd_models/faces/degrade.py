"""Write a split's faces as a poor camera shows them, to measure a model's robustness.

    affectd-models degrade --data DIR --split valid --out FOLDER
    for csv in FOLDER/*/valid.csv; do echo $csv; affectd model eval NAME $csv --json; done

Each change gets a folder with pictures and a table as `affectd-models faces` writes them. Pixels beyond a
face's own picture are not known: the edge pixels are replicated.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from tqdm import tqdm

from affectd_models.errors import InvalidInput
from affectd_models.faces import ferplus, images

Change = Callable[[Image.Image], Image.Image]


def main(argv: Sequence[str] | None = None) -> None:
    """Write the folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="valid")
    parser.add_argument(
        "--faces", type=int, help="number of faces, spread evenly over the split; default: all"
    )
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    if args.faces is not None and args.faces < 1:
        parser.error(f"--faces is {args.faces}; at least 1 is expected")

    faces = ferplus.load(args.data, args.split)
    if args.faces:
        faces = faces.take(np.linspace(0, len(faces) - 1, args.faces).astype(int))
    for name, change in tqdm(CHANGES.items()):
        changed = [change(Image.fromarray(face)) for face in faces.images]
        images.write(args.out / name, args.split, changed, faces)


def unchanged(face: Image.Image) -> Image.Image:
    """The face as it is."""
    return face


def margin(face: Image.Image, share: float) -> Image.Image:
    """The face in a crop that is larger by `share` of its side, or smaller if that is negative."""
    side = face.width
    if share <= -1:
        raise InvalidInput(f"a margin of {share} leaves nothing of the face")
    if share < 0:
        cut = round(-share / 2 * side)
        return face.crop((cut, cut, side - cut, side - cut))
    return Image.fromarray(np.pad(np.asarray(face), round(share / 2 * side), mode="edge"))


def blurred(face: Image.Image, sigma: float) -> Image.Image:
    """The face behind a Gaussian filter of `sigma` pixels."""
    return face.filter(ImageFilter.GaussianBlur(sigma))


def reduced(face: Image.Image, side: int) -> Image.Image:
    """The face in `side` pixels a side; the daemon enlarges it again."""
    return face.resize((side, side), Image.Resampling.BOX)


def rolled(face: Image.Image, degrees: float) -> Image.Image:
    """The face rotated about its centre."""
    side = face.width
    padded = Image.fromarray(np.pad(np.asarray(face), side, mode="edge"))
    turned = padded.rotate(degrees, Image.Resampling.BILINEAR)
    return turned.crop((side, side, 2 * side, 2 * side))


CHANGES: dict[str, Change] = {
    "as-it-is": unchanged,
    "crop-10-tighter": partial(margin, share=-0.1),
    **{f"margin-{percent}": partial(margin, share=percent / 100) for percent in (10, 20, 30, 40)},
    **{f"blur-{sigma}": partial(blurred, sigma=sigma) for sigma in (1, 2)},
    **{f"pixels-{side}": partial(reduced, side=side) for side in (24, 16)},
    **{f"roll-{degrees}": partial(rolled, degrees=degrees) for degrees in (-20, -10, 10, 20)},
}
