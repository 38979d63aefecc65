"""Write a split's faces as a poor camera shows them, to measure a model's robustness.

    affectd-models degrade --data DIR --split valid --out FOLDER
    for csv in FOLDER/*/valid.csv; do echo $csv; affectd model eval NAME $csv --json; done

Each change gets a folder with pictures and a table as `affectd-models faces` writes them. Pixels outside a
face's picture are unknown, so the edge pixels are replicated.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from tqdm import tqdm

from affectd_models.errors import InvalidInput
from affectd_models.faces import conditions, ferplus, images

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
    parser.add_argument("--only", nargs="+", choices=(*CHANGES, MIXED), metavar="CHANGE", help="default: all")
    args = parser.parse_args(argv)
    if args.faces is not None and args.faces < 1:
        parser.error(f"--faces is {args.faces}; at least 1 is expected")

    faces = ferplus.load(args.data, args.split)
    if args.faces:
        faces = faces.take(ferplus.spread(len(faces), args.faces))
    for name in tqdm(args.only or CHANGES):
        changed = [change_of(name, index)(Image.fromarray(face)) for index, face in enumerate(faces.images)]
        images.write(args.out / name, args.split, changed, faces)


def change_of(name: str, index: int) -> Change:
    """The change of this name for the face at `index`; MIXED cycles through all changes, one per face."""
    return list(CHANGES.values())[index % len(CHANGES)] if name == MIXED else CHANGES[name]


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
    **{f"yaw-{degrees}": partial(conditions.turned, degrees=degrees) for degrees in (-40, -20, 20, 40)},
    **{f"pitch-{degrees}": partial(conditions.turned, degrees=degrees, axis=0) for degrees in (-20, 20)},
    "light-50": partial(conditions.exposed, factor=0.5, noise=3),
    "light-25": partial(conditions.exposed, factor=0.25, noise=3),
    "light-10": partial(conditions.exposed, factor=0.1, noise=3),
    "light-160": partial(conditions.exposed, factor=1.6),
    "contrast-40": partial(conditions.flat, contrast=0.4),
    "side-light-left": partial(conditions.side_light, darkest=0.2, from_left=True),
    "side-light-right": partial(conditions.side_light, darkest=0.2, from_left=False),
    "skin-lighter": partial(conditions.relit_skin, exponent=0.6),
    "skin-darker": partial(conditions.relit_skin, exponent=1.6),
    "skin-much-darker": partial(conditions.relit_skin, exponent=2.5),
    "glasses": partial(conditions.with_glasses, tint=0.1),
    "sunglasses": partial(conditions.with_glasses, tint=0.9),
    "mask": partial(conditions.with_mask, brightness=0.75),
}

# Every face with one of the changes, in turn: pictures of all qualities.
MIXED = "mixed"
