"""Light, skin, pose and occlusion of a face, simulated on grey 48x48 faces.

They show where a model becomes unreliable, but do not replace pictures of people: a face is not a cylinder,
real masks and glasses differ, and skin is more than its brightness. Eyes, nose and mouth are located as in
the mean face of FER2013, so drawings on an individual face are off by a few pixels.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

from affectd_models.faces.ferplus import SIDE

Grey = Float[np.ndarray, "h w"]

# The eyes of the mean face, in pixels of 48.
EYES = ((15.5, 17.5), (32.5, 17.5))
# Drawings are enlarged and then reduced, so lines have soft edges.
OVERSAMPLING = 8
# Radius of the cylinder that models a head, as a share of half the side.
HEAD = 1.25


def as_grey(face: Image.Image) -> Grey:
    """Luma in 0..1."""
    return np.asarray(face, np.float64) / 255


def as_picture(grey: Grey) -> Image.Image:
    """The picture of a luma, clipped to 0..1."""
    return Image.fromarray(np.round(grey.clip(0, 1) * 255).astype(np.uint8))


def exposed(face: Image.Image, factor: float, noise: float = 0.0) -> Image.Image:
    """The face under `factor` times the light, clipped; `noise` is a standard deviation, of 255 steps."""
    grey = as_grey(face) * factor
    # The same noise for every face and in every run.
    grey = grey + np.random.default_rng(1).normal(0, noise / 255, grey.shape) if noise else grey
    return as_picture(grey)


def flat(face: Image.Image, contrast: float) -> Image.Image:
    """The face with a lower contrast, as in fog or behind a dirty lens."""
    grey = as_grey(face)
    return as_picture(grey.mean() + contrast * (grey - grey.mean()))


def side_light(face: Image.Image, darkest: float, from_left: bool) -> Image.Image:
    """Light from one side: it falls to the share `darkest` at the other side."""
    ramp = np.linspace(1, darkest, face.width)
    return as_picture(as_grey(face) * (ramp if from_left else ramp[::-1]))


def relit_skin(face: Image.Image, exponent: float) -> Image.Image:
    """Darker skin (an exponent above 1) or lighter skin (below 1) in an ellipse around the face.

    A power preserves white and black, so teeth, eyes and highlights change least.
    """
    grey = as_grey(face)
    y, x = (np.mgrid[: face.height, : face.width] + 0.5) / face.width * 2 - 1
    distance = np.hypot(x / 0.85, (y - 0.1) / 1.05)
    share = np.clip((1.1 - distance) / 0.2, 0, 1)
    return as_picture(grey + share * (grey**exponent - grey))


def turned(face: Image.Image, degrees: float, axis: int = 1) -> Image.Image:
    """The face on a cylinder that is turned to the side (axis 1) or nods (axis 0), seen from afar.

    The parts that the turn reveals are unknown, so the edge pixels are replicated.
    """
    angle = np.radians(degrees)
    grey = as_grey(face)
    grey = grey if axis == 1 else grey.T
    width = grey.shape[1]
    seen = (np.arange(width) + 0.5) / width * 2 - 1
    # A point at angle a of the cylinder is seen at HEAD sin(a + angle); the nose stays in the middle.
    sine = (seen / HEAD + np.sin(angle)).clip(-1, 1)
    source = HEAD * np.sin(np.arcsin(sine) - angle)
    column = ((source + 1) / 2 * width - 0.5).clip(0, width - 1)
    left = np.floor(column).astype(int)
    right = np.minimum(left + 1, width - 1)
    share = column - left
    changed = grey[:, left] * (1 - share) + grey[:, right] * share
    return as_picture(changed if axis == 1 else changed.T)


def with_glasses(face: Image.Image, tint: float) -> Image.Image:
    """Glasses with dark frames, whose lenses let 1 - `tint` of the light through."""
    lenses, frame = blank(), blank()
    for x, y in EYES:
        box = enlarged(x - 7, y - 5, x + 7, y + 5.5)
        ImageDraw.Draw(lenses).rounded_rectangle(box, 3 * OVERSAMPLING, fill=255)
        ImageDraw.Draw(frame).rounded_rectangle(box, 3 * OVERSAMPLING, outline=255, width=OVERSAMPLING)
    for start, end in ((22.5, 25.5), (0, 8.5), (39.5, SIDE)):
        line = enlarged(start, 16, end, 16)
        ImageDraw.Draw(frame).line(line, fill=255, width=OVERSAMPLING)
    grey = as_grey(face) * (1 - tint * reduced(lenses))
    covered = reduced(frame)
    return as_picture(grey * (1 - covered) + 0.1 * covered)


def with_mask(face: Image.Image, brightness: float) -> Image.Image:
    """A mask from the nose to the chin with two folds, and bands to the ears."""
    cloth, folds = blank(), blank()
    outline = [(24, 25), (38, 29), (41, 38), (36, SIDE), (12, SIDE), (7, 38), (10, 29)]
    ImageDraw.Draw(cloth).polygon([(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in outline], fill=255)
    for start, end in (((9, 29), (0, 24)), ((39, 29), (SIDE, 24))):
        ImageDraw.Draw(cloth).line(enlarged(*start, *end), fill=255, width=OVERSAMPLING)
    for y in (34, 40):
        ImageDraw.Draw(folds).line(enlarged(9, y, 39, y), fill=255, width=OVERSAMPLING)
    covered, fold = reduced(cloth), reduced(folds)
    return as_picture(as_grey(face) * (1 - covered) + brightness * (1 - 0.15 * fold) * covered)


def blank() -> Image.Image:
    """An enlarged picture to draw on."""
    return Image.new("L", (SIDE * OVERSAMPLING, SIDE * OVERSAMPLING))


def enlarged(*numbers: float) -> tuple[float, ...]:
    """Coordinates of the enlarged picture."""
    return tuple(number * OVERSAMPLING for number in numbers)


def reduced(drawn: Image.Image) -> Grey:
    """How much of each pixel was drawn on, 0 to 1."""
    return as_grey(drawn.resize((SIDE, SIDE), Image.Resampling.BOX))
