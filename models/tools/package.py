"""Writing a model as the daemon reads it: NAME.onnx, NAME.golden and NAME.toml in one folder."""

import hashlib
import json
import re

import golden

# Made-up inputs are 0.6 MB each at 224 pixels.
GOLDEN_COUNT = 2

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


class Refused(Exception):
    """What was found and what is allowed."""


def check_name(name):
    """Refuse what the configuration would not take as a model's name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        allowed = "1 to 64 letters, digits, - _ and dots, the first a letter or digit"
        raise Refused(f"the name is {name!r}; allowed are {allowed}")


def sha256(path):
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def colour_input(size, mean, std):
    """The [input] table of a square RGB network that takes whole faces."""
    return {
        "width": size,
        "height": size,
        "layout": "nchw",
        "colour": "rgb",
        "mean": mean,
        "std": std,
        "margin": 0.0,
        "align": "roll",
    }


def finish(folder, manifest, faces, answers, tolerance):
    """Write golden vectors and manifest beside `folder`/NAME.onnx; returns the manifest's path.

    The manifest comes last, so that an interrupted import leaves no model that only looks whole.
    """
    name = manifest["name"]
    network, vectors = folder / f"{name}.onnx", folder / f"{name}.golden"
    golden.write(vectors, faces, answers)
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


def toml(table):
    """A dict of plain values and one level of tables; JSON writes these values as TOML does."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in plain.items()]
    for key, value in table.items():
        if isinstance(value, dict):
            lines += ["", f"[{key}]", *toml(value).splitlines()]
    return "\n".join(lines) + "\n"
