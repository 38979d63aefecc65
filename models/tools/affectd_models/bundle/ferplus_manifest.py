"""The manifest of an expression model that was trained on FER+ with a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from affectd_models import config as configuration
from affectd_models.bundle import files
from affectd_models.bundle.files import Manifest
from affectd_models.config import Config
from affectd_models.errors import InvalidInput
from affectd_models.faces import ferplus

# Largest accepted difference of an output from its golden vector.
TOLERANCE = 0.02


def check(config: Config, source: Path) -> None:
    """Refuse a configuration that lacks keys which only a manifest needs; `source` is its file."""
    if missing := [key for key in ("version", "provenance") if key not in config]:
        raise InvalidInput(f"{source}: a manifest needs {' and '.join(missing)}")


def tables(
    *,
    config: Config,
    model: Path,
    vectors: Path,
    golden_count: int,
    figures: Mapping[str, float],
    temperature: float,
    runtime: str,
) -> Manifest:
    """The tables of the manifest, in the order in which they are written.

    `model` is the int8 ONNX file, and `vectors` the file with its `golden_count` golden vectors. `figures`
    are its `metrics.summary` on the validation split, computed by `runtime` (name and version).
    """
    data = config["data"]
    va = config.get("va", configuration.VA[0])
    normalization: files.Normalization = {"mean": [data["mean"]], "std": [data["std"]]}
    # A fitted model does not predict the projection of the votes, which the errors are measured on.
    measured = ("accuracy", "macro_f1", "ece", *(("va_rmse", "va_ccc") if va == "projected" else ()))
    return {
        "format": 1,
        "kind": "expression",
        "name": config["name"],
        "version": config["version"],
        "licence": "MIT",
        "provenance": config["provenance"],
        "task": "combined",
        "precision": "int8-weights",
        "va": va,
        "file": files.file_table(model),
        "input": {
            **files.square_input(config["model"]["size"], normalization, "gray"),
            "mirror": data.get("mirror", False),
        },
        "output": {
            "categories": ferplus.CATEGORIES,
            "logits": list(range(ferplus.CLASSES)),
            "valence": ferplus.CLASSES,
            "arousal": ferplus.CLASSES + 1,
            "temperature": fixed(temperature, 3),
        },
        "golden": files.golden_table(vectors, golden_count, TOLERANCE),
        "measured": {
            "dataset": "FER+ validation",
            "runtime": runtime,
            **{name: fixed(figures[name], 4) for name in measured},
            "n": figures["n"],
        },
    }


def fixed(value: float, digits: int) -> Decimal:
    """The number rounded to `digits` decimals, which are all written."""
    return Decimal(f"{value:.{digits}f}")
