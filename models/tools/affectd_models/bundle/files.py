"""Writing a bundle as the daemon reads it: NAME.onnx, NAME.golden and NAME.toml in one folder."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from jaxtyping import Float32

from affectd_models.errors import InvalidInput

# A golden input is 0.6 MB at 224 pixels.
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


def colour_input(size: int, normalization: Normalization) -> dict[str, Any]:
    """The [input] table of a square RGB network that takes whole faces."""
    return {
        "width": size,
        "height": size,
        "layout": "nchw",
        "colour": "rgb",
        "mean": normalization["mean"],
        "std": normalization["std"],
        "margin": 0.0,
        "align": "roll",
    }


def write_golden(
    path: Path,
    faces: Sequence[Float32[np.ndarray, "c h w"]] | Float32[np.ndarray, "n c h w"],
    answers: Sequence[Float32[np.ndarray, "1 outputs"]],
) -> None:
    """Write golden vectors, little endian: u32 count, then for each face its input and its output as f32."""
    with path.open("wb") as file:
        file.write(np.uint32(len(faces)).astype("<u4").tobytes())
        for face, answer in zip(faces, answers, strict=True):
            file.write(face.astype("<f4").tobytes() + answer.astype("<f4").tobytes())


def finish(
    folder: Path,
    manifest: Manifest,
    faces: Float32[np.ndarray, "n c h w"],
    answers: Sequence[Float32[np.ndarray, "1 outputs"]],
    tolerance: float,
) -> Path:
    """Write golden vectors and manifest beside `folder`/NAME.onnx; returns the manifest's path.

    The manifest is written last, so that an interrupted import leaves no model that looks complete.
    """
    name = manifest["name"]
    network, vectors = folder / f"{name}.onnx", folder / f"{name}.golden"
    write_golden(vectors, faces, answers)
    manifest["file"] = {"path": network.name, "sha256": sha256(network)}
    manifest["golden"] = {
        "path": vectors.name,
        "sha256": sha256(vectors),
        "count": len(faces),
        "tolerance": tolerance,
    }
    path = folder / f"{name}.toml"
    path.write_text(toml(manifest))
    return path


def toml(table: Mapping[str, Any]) -> str:
    """A dict of plain values and one level of tables; JSON writes these values as TOML does."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in plain.items()]
    for key, value in table.items():
        if isinstance(value, dict):
            lines += ["", f"[{key}]", *toml(value).splitlines()]
    return "\n".join(lines) + "\n"
