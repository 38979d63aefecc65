"""Make recordings of rooms with people, from the bundled portraits.

    python scenes.py FOLDER [--seconds 10]

writes one MJPEG recording of 640x480 pixels and 15 frames a second for each scene: `empty` and `still`, a lit room
in which nothing moves, without and with a face, and `one`, `two`, `four` and `eight`, with as many people who sway,
nod, and come in one after the other. The room has texture and the camera noise. Seeded: the same every time.
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "tests/data/pictures"
WIDTH, HEIGHT, RATE = 640, 480, 15
# Standard deviation of the camera's noise, in levels.
NOISE = 1.2
QUALITY = 75
# Where the heads of the portraits are: left, top, right, bottom, as fractions of the picture.
HEADS = {"astronaut.jpg": (0.19, 0.0, 0.67, 0.64), "grace_hopper.jpg": (0.16, 0.0, 0.83, 0.66)}
# Seconds in which a person comes in.
ENTRY = 1.0


@dataclass(frozen=True)
class Person:
    """A portrait, where it stands, and how it moves."""

    portrait: int
    x: float
    y: float
    height: float
    enters: float
    phase: float
    moves: bool = True


# The faces are about half as wide as a portrait.
SCENES = {
    "empty": [],
    "still": [Person(0, 320, 260, 300, 0, 0, moves=False)],
    "one": [Person(0, 320, 260, 300, 0.5, 0)],
    "two": [Person(0, 190, 270, 260, 0.5, 0), Person(1, 450, 270, 260, 1.5, 2)],
    "four": [Person(i % 2, 100 + 147 * i, 270 + 12 * (i % 2), 170, 0.4 + 0.5 * i, 1.3 * i) for i in range(4)],
    "eight": [
        Person(i % 2, 110 + 140 * (i % 4), 150 + 190 * (i // 4), 140, 0.3 + 0.25 * i, 0.9 * i) for i in range(8)
    ],
}


def main():
    """Write every recording."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for name, people in SCENES.items():
        record(args.folder / f"{name}.mjpeg", people, round(args.seconds * RATE))


def record(path, people, frames):
    """Write the recording of one scene."""
    portraits = [cut_out(PICTURES / name, box) for name, box in HEADS.items()]
    room, noise = wall(), np.random.default_rng(2026)
    with path.open("wb") as out:
        for index in range(frames):
            picture = room.copy()
            for person in people:
                place(picture, portraits[person.portrait], person, index / RATE)
            picture += noise.normal(0, NOISE, (HEIGHT, WIDTH, 1)).astype(np.float32)
            encoded = cv2.imencode(".jpg", picture.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
            out.write(encoded[1].tobytes())


def cut_out(path, box):
    """The head and shoulders in `box` with a soft edge: blue, green, red, and opacity from 0 to 1."""
    picture = cv2.imread(str(path)).astype(np.float32)
    height, width = picture.shape[:2]
    left, top, right, bottom = (round(part * size) for part, size in zip(box, (width, height) * 2, strict=True))
    person = picture[top:bottom, left:right]
    height, width = person.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    # A superellipse, feathered over its outer sixth.
    radius = (np.abs(2 * x / width - 1) ** 3 + np.abs(2 * y / height - 1) ** 3) ** (1 / 3)
    return np.dstack([person, ((1 - radius) / 0.16).clip(0, 1)])


def wall():
    """A wall with shelves, lit from above left."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    light = 150 - 50 * x / WIDTH - 40 * y / HEIGHT
    light -= 35 * ((y % 160 > 140) & (x > 60)) + 18 * np.sin(x / 23) * (y % 160 > 90)
    return np.dstack([light * 0.94, light, light * 1.02]).astype(np.float32)


def place(picture, portrait, person, seconds):
    """Draw a person at a time; nothing before it enters."""
    since = seconds - person.enters
    if since < 0:
        return
    x, y, roll, scale = person.x, person.y, 0.0, person.height / portrait.shape[0]
    if person.moves:
        side = WIDTH if person.x > WIDTH / 2 else -WIDTH
        x += side * max(0.0, 1 - since / ENTRY) ** 2
        turn = seconds + person.phase
        x += person.height * 0.05 * math.sin(turn * 1.1)
        y += person.height * 0.02 * math.sin(turn * 2.3)
        roll = 7 * math.sin(turn * 0.9)
        scale *= 1 + 0.05 * math.sin(turn * 0.6)
    height, width = portrait.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), roll, scale)
    matrix[:, 2] += (x - width / 2, y - height / 2)
    # Shrinking without blurring first would alias.
    softened = cv2.GaussianBlur(portrait, (0, 0), max(0.3, 0.4 / scale)) if scale < 1 else portrait
    drawn = cv2.warpAffine(softened, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    opacity = drawn[..., 3:]
    picture *= 1 - opacity
    picture += drawn[..., :3] * opacity


if __name__ == "__main__":
    main()
