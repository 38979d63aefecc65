"""Writing a bundle as the daemon reads it: NAME.onnx, NAME.golden and NAME.toml in one folder."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import tomli_w
from jaxtyping import Float32

from affectd_models.errors import InvalidInput

log = logging.getLogger(__name__)

# Golden vectors of a bundle; an input is 0.6 MB at 224 pixels.
GOLDEN_COUNT = 2


class Normalization(TypedDict):
    """Mean and standard deviation of each channel, which a network's input is normalized by."""

    mean: list[float]
    std: list[float]


IMAGENET: Normalization = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}

Manifest = dict[str, Any]


def check_name(name: str) -> None:
    """Refuse a name that the daemon's configuration would not accept for a model."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        allowed = "1 to 64 letters, digits, - _ and dots, the first a letter or digit"
        raise InvalidInput(f"the name is {name!r}; allowed are {allowed}")


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def square_input(size: int, normalization: Normalization, colour: str = "rgb") -> dict[str, Any]:
    """The [input] table of a network that takes `size` x `size` pixels of a face, "rgb" or "gray"."""
    return {
        "width": size,
        "height": size,
        "layout": "nchw",
        "colour": colour,
        "mean": normalization["mean"],
        "std": normalization["std"],
        "margin": 0.0,
        "align": "roll",
    }


def file_table(path: Path) -> dict[str, Any]:
    """The path, relative to the manifest beside it, and the SHA-256 of a file."""
    return {"path": path.name, "sha256": sha256(path)}


def golden_table(vectors: Path, count: int, tolerance: float) -> dict[str, Any]:
    """The [golden] table; `tolerance` is the largest accepted difference of an output."""
    return {**file_table(vectors), "count": count, "tolerance": tolerance}


def write_golden(
    path: Path,
    inputs: Sequence[Float32[np.ndarray, "c h w"]] | Float32[np.ndarray, "n c h w"],
    outputs: Sequence[Float32[np.ndarray, "1 outputs"]],
) -> None:
    """Write golden vectors, little endian: u32 count, then each input and its output as f32."""
    with path.open("wb") as file:
        file.write(np.uint32(len(inputs)).astype("<u4").tobytes())
        for face, output in zip(inputs, outputs, strict=True):
            file.write(face.astype("<f4").tobytes() + output.astype("<f4").tobytes())


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest as TOML, which is UTF-8."""
    path.write_text(tomli_w.dumps(manifest), encoding="utf-8")


def finish(
    folder: Path,
    manifest: Manifest,
    inputs: Float32[np.ndarray, "n c h w"],
    outputs: Sequence[Float32[np.ndarray, "1 outputs"]],
    tolerance: float,
) -> Path:
    """Write golden vectors and manifest beside `folder`/NAME.onnx; returns the manifest's path.

    The manifest is written last, so that an interrupted import leaves no model that looks complete.
    """
    name = manifest["name"]
    vectors, path = folder / f"{name}.golden", folder / f"{name}.toml"
    write_golden(vectors, inputs, outputs)
    manifest["file"] = file_table(folder / f"{name}.onnx")
    manifest["golden"] = golden_table(vectors, len(inputs), tolerance)
    write_manifest(path, manifest)
    return path


def write_logged(path: Path, content: bytes) -> None:
    """Write a network's file, and log its size and SHA-256."""
    path.write_bytes(content)
    log.info("%s: %d bytes, sha256 %s", path, len(content), hashlib.sha256(content).hexdigest())
