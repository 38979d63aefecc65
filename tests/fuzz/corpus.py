#!/usr/bin/env python3
"""Write the corpora of the fuzz targets: a few small inputs each, from the tests' data or generated here.

    tests/fuzz/corpus.py        needs Pillow, for WebP

Run it after a new target or format; what libFuzzer finds is not kept in the repository.
"""

import io
import struct
from pathlib import Path
from typing import Any

from PIL import Image

TESTS = Path(__file__).resolve().parents[1]
DATA = TESTS / "data"
# Tag 0x0112: the picture is stored on its side.
EXIF_LE = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
EXIF_BE = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"


def main() -> None:
    """Write all corpora."""
    frames = {path.stem: path.read_bytes() for path in sorted((DATA / "jpeg").glob("*.jpg"))}
    write("picture__jpeg", frames)
    write("picture__photograph", photographs())
    write("picture__exif", {"little-endian": EXIF_LE, "big-endian": EXIF_BE, "prefix": b"Exif\0\0" + EXIF_LE})
    write("picture__raw_frame", raw_frames())
    write("stream__frames", streams(frames["grey"]))
    write("model__onnx", {path.stem: path.read_bytes() for path in sorted((DATA / "models").glob("*.onnx"))})
    write(
        "model__manifest", {path.stem: path.read_bytes() for path in sorted((DATA / "models").glob("*.toml"))}
    )
    golden = struct.pack("<I6f", 2, 1, 2, 3, 4, 5, 6)
    write("model__golden_vectors", {"two": bytes([2, 2, 1]) + golden})
    settings = {path.stem: path.read_bytes() for path in sorted((DATA / "config").glob("*.toml"))}
    write("config__file", settings)
    write("config__environment", environment())
    write("config__credentials", {"password": b"secret\n", "authority": AUTHORITY})
    write("config__budgets", {"one": BUDGETS})
    write("broker__packets_v4", packets(properties=False))
    write("broker__packets_v5", packets(properties=True))
    write("broker__messages", COMMANDS)
    write("camera__driver_modes", driver_modes())
    write("camera__program_messages", {"ffmpeg": MESSAGES, "secrets": SECRETS})
    write("labels__csv", labels())
    write("board__readings", {"raspberry-pi": b"\xff".join(READINGS)})


def write(target: str, inputs: dict[str, bytes]) -> None:
    """Replace the corpus of a target."""
    folder = TESTS / "fuzz/__fuzz__" / target / "corpus"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, content in inputs.items():
        (folder / name).write_bytes(content)


def photographs() -> dict[str, bytes]:
    """A small picture in every format, with and without transparency and EXIF."""
    picture = Image.new("RGBA", (9, 7))
    picture.putdata([(30 * x, 40 * y, x * y, 255 - 20 * x) for y in range(7) for x in range(9)])
    opaque = picture.convert("RGB")
    ways: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "rgba.png": (picture, {"exif": EXIF_BE}),
        "grey.png": (opaque.convert("L"), {}),
        "palette.png": (opaque.quantize(4), {"transparency": 1}),
        "sixteen-bits.png": (opaque.convert("I;16"), {}),
        "lossless.webp": (picture, {"lossless": True, "exif": EXIF_LE}),
        "lossy.webp": (picture, {"quality": 50}),
        "rgb.bmp": (opaque, {}),
        "palette.bmp": (opaque.quantize(4), {}),
        "rgb.ppm": (opaque, {}),
        "grey.pgm": (opaque.convert("L"), {}),
        "bits.pbm": (opaque.convert("1"), {}),
        "turned.jpg": (opaque, {"exif": b"Exif\0\0" + EXIF_LE}),
        "progressive.jpg": (opaque, {"progressive": True}),
    }
    inputs = {}
    for name, (image, options) in ways.items():
        kind = {"jpg": "jpeg", "ppm": "ppm", "pgm": "ppm", "pbm": "ppm"}.get(name[-3:], name.split(".")[1])
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        inputs[name] = buffer.getvalue()
    inputs["ascii.pgm"] = b"P2 3 2 255\n1 2 3\n4 5 6\n"
    inputs["any.pam"] = b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\nabcdef"
    return inputs


def raw_frames() -> dict[str, bytes]:
    """One frame of each pixel format, 6x4; see `raw_frame` in picture.rs."""
    strides = [12, 6, 6, 6, 18, 18]
    return {
        f"format-{kind}": struct.pack("<BBHHHHHHH", kind, kind % 4, 6, 4, stride, 0, 0, 0, 0)
        + bytes(range(108))
        for kind, stride in enumerate(strides)
    }


def streams(jpeg: bytes) -> dict[str, bytes]:
    """Streams; the first byte is the format, the second how many bytes arrive at a time."""
    y4m = b"YUV4MPEG2 W6 H4 F15:1 Ip A1:1 C420jpeg XCOLORRANGE=FULL\n"
    body = b"FRAME\n" + bytes(range(36))
    other = b"YUV4MPEG2 W2 H2 Cmono\nFRAME\n" + bytes(4)
    return {
        "detected-mjpeg": bytes([0, 99]) + jpeg + b"\0\0" + jpeg,
        "mjpeg-without-end": bytes([1, 20]) + jpeg[:-2] + jpeg,
        "detected-y4m": bytes([0, 3]) + y4m + body + body,
        "two-sizes": bytes([2, 50]) + y4m + body + other,
        "yuyv": bytes([3, 7]) + bytes(range(100)),
        "nv12": bytes([4, 11]) + bytes(range(80)),
    }


def environment() -> dict[str, bytes]:
    """Variables without their prefix, and options."""
    return {
        "variables": b'MQTT__HOST=broker\nCAMERA__WIDTH=640\nCAMERA__COMMAND=["cat", "x"]\nDEVICE=lobby\n',
        "options": b"mqtt.host=broker\ncamera.width=640\ncamera.rate=7.5\nmqtt.tls=true\nmodels=/usr/share\n",
        "injected": b"PORT=tcp://10.0.0.1:1883\nSERVICE_HOST=10.0.0.1\n",
    }


def packets(*, properties: bool) -> dict[str, bytes]:
    """What a broker sends to a client after its CONNECT (MQTT 3.1.1 and 5, chapter 3)."""
    none = b"\0" if properties else b""
    topic = b"\0\x19affectd/lobby/privacy/set"
    publish = topic + b"\0\x07" + none + b"ON"
    acknowledged = b"\x90" + bytes([3 + len(none)]) + b"\0\1" + none + b"\1"
    inputs = {
        "session": b"\x20"
        + bytes([2 + len(none)])
        + b"\0\0"
        + none
        + acknowledged
        + b"\x33"
        + bytes([len(publish)])
        + publish
        + b"\x40\2\0\1"
        + b"\xd0\0",
        "exactly-once": b"\x50\2\0\1" + b"\x62\2\0\2" + b"\x70\2\0\1",
        "unsubscribed": b"\xb0" + bytes([2 + 2 * len(none)]) + b"\0\1" + none + none,
        "refused": b"\x20" + bytes([2 + len(none)]) + b"\0\x05" + none,
    }
    if properties:
        limits = b"\x21\0\x14\x27\0\1\0\0\x22\0\x05\x24\1\x25\1\x28\1\x29\1\x2a\1\x13\0\x1e\x12\0\4name"
        inputs["limits"] = b"\x20" + bytes([3 + len(limits)]) + b"\0\0" + bytes([len(limits)]) + limits
        reason = b"\x1f\0\4late\x26\0\1a\0\1b"
        inputs["disconnected"] = b"\xe0" + bytes([2 + len(reason)]) + b"\x8d" + bytes([len(reason)]) + reason
    return inputs


def driver_modes() -> dict[str, bytes]:
    """A webcam; see `driver_modes` in camera.rs."""
    start = bytes([0]) + struct.pack("<II", 640, 480) + bytes([14]) + struct.pack("<II", 1, 0x04000001)
    modes = b"".join(
        bytes([kind, 0]) + struct.pack("<II", 640, 480) + bytes([2]) + struct.pack("<ff", 30, 15)
        for kind in (0, 6)
    )
    stepwise = bytes([1, 1]) + struct.pack("<IIIIII", 16, 16, 4096, 2160, 2, 2) + bytes([0])
    return {"webcam": start + modes, "stepwise": start + stepwise}


def labels() -> dict[str, bytes]:
    """Labels with each kind of optional column."""
    choices = (
        "neutral",
        "happiness",
        "sadness",
        "surprise",
        "fear",
        "disgust",
        "anger",
        "contempt",
        "unknown",
        "no_face",
    )
    header = ",".join(f"votes_{name}" for name in choices)
    return {
        "plain.csv": b'path,category\na.png,fear\n"b, ""c"".png", anger\n',
        "share.csv": b"path,category,valence,arousal,share\na.png,fear,-0.5,1,0.7\nb.png,neutral,,,1\n",
        "votes.csv": f"path,category,{header}\na.png,neutral,9,0,0,0,0,0,0,1,0,0\n".encode(),
    }


COMMANDS = {
    "on": b"ON",
    "off": b"OFF",
    "online": b"online",
    "identify": b'{"id": "7", "command": "identify"}',
    "rate": b'{"id": 8, "command": "rate", "value": 0.5}',
}

MESSAGES = (
    b"[rtsp @ 0x55] method DESCRIBE failed: 401 Unauthorized\r\n"
    b"rtsp://admin:gartenzwerg7@192.0.2.7/stream1?token=abc: Server returned 401\nframe=  12 fps=0.0\r"
)

SECRETS = (
    b'> Authorization: Digest username="a", response="0123"\n{"user": "a", "password": "my \\"b"}\n'
    b"--password 'a b' -u a:b; wrong password for user a; \x1b[3mtoken\x1b[0m=a "
    b"rtsp%3A%2F%2Fa%3Ab%40c rtsp://a:b"
)

READINGS = [
    b"Name:\taffectd\nVmHWM:\t   4096 kB\nVmRSS:\t   2048 kB\n",
    b"processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n",
    b"Raspberry Pi 4 Model B Rev 1.4\0",
    b"48312\n",
    b"cpu-thermal\n",
    b"51000\n",
    b"50004\n",
    b"rpi_volt\n",
    b"1\n",
]

BUDGETS = b"""format = 1

[models]
detect = "centerface"
follow = "blazeface"
expression = "maxvit-ferplus-64"

[[board]]
name = "Raspberry Pi 3"
models = ["Raspberry Pi 3 Model"]
source = "estimate"
detect_ms = 490.0
follow_ms = 125.0
classify_ms = 251.0
frame_ms = 635.0
latency_ms = 1192.0
rss_mb = 125.0
sustained = 0.9
temperature_c = 80.0
"""

# Made with `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=fuzz`; the
# key was thrown away.
AUTHORITY = b"""-----BEGIN CERTIFICATE-----
MIIBcjCCARmgAwIBAgIUakgzSma1ZSkzg+dXgdfBraVKRrkwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEZnV6ejAeFw0yNjExMjYyMzIxMzJaFw0zNjExMjMyMzIxMzJa
MA8xDTALBgNVBAMMBGZ1enowWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAT0OlPi
TNpLtt6Rat/yHXGgsUgQs8Gjy258GfLB0piQowHvGDWNqF1DWkNn8zSGyz+M93r9
Hx0pYQ2xWl0CvKsko1MwUTAdBgNVHQ4EFgQUqLcXXItnsLVJJ2XFxLaDnCj4IE4w
HwYDVR0jBBgwFoAUqLcXXItnsLVJJ2XFxLaDnCj4IE4wDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNHADBEAiAVuW7PeuP7HFDLj+PYCc5f8BPXuGwuj/Wpe43i
hdYUAQIgS/v9eHGxzcVq1WTyXKAnv6UfZuMF3mHSkKzprxuyLHE=
-----END CERTIFICATE-----
"""

if __name__ == "__main__":
    main()
