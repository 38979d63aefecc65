#!/usr/bin/env python3
"""The camera of `make test-soak`: writes endless MJPEG frames to standard output, as fast as they are read.

    tests/soak/camera.py CLIP TINY

Alternates between the pictures of CLIP (a recording with faces) and many copies of TINY, a JPEG without a
face. Each frame is padded to more than a pipe holds: the daemon reads a whole pipe full at a time and keeps
the newest frame in it.
"""

import os
import sys
import time
from pathlib import Path

# Linux gives a pipe 64 KiB. A comment in a JPEG file holds up to 65533 bytes (ITU-T T.81, B.2.4.5).
COMMENT = b"\xff\xfe\xff\xff" + bytes(0xFFFF - 2)
# Frames with faces, each long enough to be sensed, and frames without.
SECONDS_PER_FACE_FRAME = 0.03
TINY_FRAMES = 20_000


def main() -> None:
    """Write until the reader closes the pipe."""
    faces = [padded(picture) for picture in pictures(Path(sys.argv[1]).read_bytes())]
    tiny = padded(Path(sys.argv[2]).read_bytes())
    while True:
        for frame in faces:
            write(frame)
            time.sleep(SECONDS_PER_FACE_FRAME)
        for _ in range(TINY_FRAMES):
            write(tiny)


def pictures(clip: bytes) -> list[bytes]:
    """The pictures of a recording, which have neither thumbnails nor trailers."""
    return [b"\xff\xd8" + picture for picture in clip.split(b"\xff\xd8") if picture]


def padded(picture: bytes) -> bytes:
    """The picture with a comment after its SOI."""
    return picture[:2] + COMMENT + picture[2:]


def write(frame: bytes) -> None:
    """Write one frame; the pipe may take it in parts."""
    view = memoryview(frame)
    while view:
        view = view[os.write(sys.stdout.fileno(), view) :]


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        sys.exit(0)
