"""Makes two-portraits.mjpeg, the clip of `affectd demo` and of the end-to-end tests.

    python make_clip.py COLLINS HOPPER two-portraits.mjpeg     (needs pillow and numpy)

Two public-domain portraits (see README.md beside this file) move before a plain wall as people move before a
kiosk: they come in from the sides, come nearer, tilt their heads, the light changes, they leave. Seeded, so
that the same portraits give the same clip.
"""

import io
import math
import sys

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

WIDTH, HEIGHT, RATE, SECONDS = 640, 480, 10, 13


def cut_out(path, box):
    """The head and shoulders inside `box`, with a soft edge, as RGBA."""
    person = Image.open(path).convert("RGB").crop(box)
    width, height = person.size
    y, x = np.mgrid[0:height, 0:width]
    # A superellipse, feathered over its outer sixth.
    radius = (np.abs((x - width / 2) / (width / 2)) ** 3 + np.abs((y - height / 2) / (height / 2)) ** 3) ** (1 / 3)
    alpha = np.clip((1.0 - radius) / 0.16, 0, 1) * 255
    person.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    return person


def wall():
    """A plain wall, lit from above left."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    light = 150 - 50 * (x / WIDTH) - 40 * (y / HEIGHT)
    return np.stack([light * 1.02, light, light * 0.94], axis=-1)


def between(t, start, end, a, b):
    """Eases from a to b while t goes from start to end."""
    s = min(max((t - start) / (end - start), 0.0), 1.0)
    return a + (b - a) * (0.5 - 0.5 * math.cos(math.pi * s))


def place(picture, person, x, y, scale, roll):
    """Pastes `person` with its centre at (x, y)."""
    size = (round(person.width * scale), round(person.height * scale))
    drawn = person.resize(size, Image.LANCZOS).rotate(roll, Image.BICUBIC, expand=True)
    picture.paste(drawn, (round(x - drawn.width / 2), round(y - drawn.height / 2)), drawn)


def frame(t, collins, hopper, background, noise):
    """The picture at second t."""
    picture = Image.fromarray(background.astype(np.uint8))
    if t < 9.6:
        x = between(t, 1.0, 2.6, -150, 190) + between(t, 8.0, 9.6, 0, -340)
        roll = 12 * math.sin((t - 5.5) * math.pi / 1.5) if 5.5 < t < 8.5 else 0
        place(picture, collins, x, 290, between(t, 2.6, 4.0, 0.9, 1.15), roll)
    x = between(t, 3.4, 5.0, 790, 450) + between(t, 10.6, 11.6, 0, 340)
    place(picture, hopper, x, 280, between(t, 9.0, 10.4, 0.8, 1.05), 0)
    light = between(t, 5.6, 6.4, 1.0, 0.55) + between(t, 7.4, 8.2, 0.0, 0.45)
    picture = ImageEnhance.Brightness(picture).enhance(light).filter(ImageFilter.GaussianBlur(0.6))
    pixels = np.asarray(picture, np.float32) + noise.normal(0, 1.2, (HEIGHT, WIDTH, 1))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def main(collins_path, hopper_path, out_path):
    """Writes the clip as concatenated JPEG pictures."""
    collins = cut_out(collins_path, (95, 0, 345, 330))
    hopper = cut_out(hopper_path, (85, 0, 425, 400))
    background, noise = wall(), np.random.default_rng(2026)
    with open(out_path, "wb") as out:
        for index in range(RATE * SECONDS):
            jpeg = io.BytesIO()
            frame(index / RATE, collins, hopper, background, noise).save(jpeg, "JPEG", quality=50)
            out.write(jpeg.getvalue())


if __name__ == "__main__":
    main(*sys.argv[1:])
