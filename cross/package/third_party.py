#!/usr/bin/env python3
"""Print the licence texts of every crate that is linked into the program, as the licences require.

usage: third_party.py TARGET > FILE
"""

import json
import subprocess
import sys
from pathlib import Path

NAMES = ("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE")


def metadata(target: str) -> dict:
    command = ["cargo", "metadata", "--format-version=1", "--locked", f"--filter-platform={target}"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def linked(resolve: dict) -> set[str]:
    """All crates reachable through normal dependencies; build and test dependencies are not distributed."""
    nodes = {node["id"]: node for node in resolve["nodes"]}
    found: set[str] = set()
    waiting = [resolve["root"]]
    while waiting:
        node = nodes[waiting.pop()]
        for dependency in node["deps"]:
            normal = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if normal and dependency["pkg"] not in found:
                found.add(dependency["pkg"])
                waiting.append(dependency["pkg"])
    return found


def texts(folder: Path) -> list[str]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name.upper().startswith(NAMES))
    return [path.read_text(errors="replace").strip() for path in files]


def main() -> None:
    data = metadata(sys.argv[1])
    wanted = linked(data["resolve"])
    # A crate without a source is part of this project.
    crates = sorted((p for p in data["packages"] if p["id"] in wanted and p["source"]), key=lambda p: (p["name"], p["version"]))

    print("affectd contains these libraries, each under its licence; the texts follow.\n")
    users: dict[str, list[str]] = {}
    for crate in crates:
        name = f"{crate['name']} {crate['version']}"
        home = crate["repository"] or f"https://crates.io/crates/{crate['name']}"
        print(f"{name}: {crate['license'] or 'see below'}; {home}")
        for text in texts(Path(crate["manifest_path"]).parent):
            users.setdefault(text, []).append(name)
    for text, names in users.items():
        print(f"\n{'=' * 80}\n{', '.join(names)}\n{'-' * 80}\n{text}")


main()
