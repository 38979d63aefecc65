#!/usr/bin/env python3
"""Cuts a picture out of the bundled clip and makes of it what a camera would deliver: YUYV, BT.601 limited range.

usage: frame.py CLIP NUMBER FRAME.jpg FRAME.yuyv     (needs djpeg)
"""

import re
import subprocess
import sys


def cut(clip, number):
    """A JPEG picture starts with an SOI and another marker, which nothing inside one repeats."""
    starts = [found.start() for found in re.finditer(rb"\xff\xd8\xff", clip)] + [len(clip)]
    return clip[starts[number] : starts[number + 1]]


def pixels(jpeg):
    """Red, green and blue of each pixel, by rows of an even width."""
    ppm = subprocess.run(["djpeg", "-pnm"], input=jpeg, stdout=subprocess.PIPE, check=True).stdout
    head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", ppm)
    assert int(head[1]) % 2 == 0, head
    return ppm[head.end() :]


def luma(r, g, b):
    return 16 + round(0.257 * r + 0.504 * g + 0.098 * b)


def yuyv(rgb):
    out = bytearray()
    for i in range(0, len(rgb), 6):
        left, right = rgb[i : i + 3], rgb[i + 3 : i + 6]
        r, g, b = ((a + b) / 2 for a, b in zip(left, right))
        u = 128 + round(-0.148 * r - 0.291 * g + 0.439 * b)
        v = 128 + round(0.439 * r - 0.368 * g - 0.071 * b)
        out += bytes((luma(*left), u, luma(*right), v))
    return out


def main(clip, number, jpeg_path, yuyv_path):
    with open(clip, "rb") as file:
        jpeg = cut(file.read(), int(number))
    with open(jpeg_path, "wb") as file:
        file.write(jpeg)
    with open(yuyv_path, "wb") as file:
        file.write(yuyv(pixels(jpeg)))


main(*sys.argv[1:])
