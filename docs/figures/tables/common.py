"""Shared by all tables: reading measurements, and Markdown."""

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]


FIGURES = ROOT / "docs/figures"


def record(name: str) -> tuple[Any, dict[str, str]]:
    """One measurement: what the command printed, and where it comes from."""
    path = FIGURES / f"{name}.json"
    try:
        content = json.loads(path.read_text())
        return content["result"], content["measured"]
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"{path}: {error!r}")


def manifests() -> dict[str, dict[str, Any]]:
    """Every manifest by its name."""
    found = {path.stem: tomllib.loads(path.read_text()) for path in sorted((ROOT / "models").glob("*.toml"))}
    return {name: manifest for name, manifest in found.items() if "kind" in manifest}


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table of texts."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def source(measured: dict[str, str]) -> str:
    """A sentence that says where figures come from."""
    return (
        f"*`{measured['command']}`, commit {measured['commit']}, {measured['date']}; {measured['machine']}.*"
    )


def percent(share: float, digits: int = 1) -> str:
    """A share as a percentage."""
    return f"{100 * share:.{digits}f} %"
