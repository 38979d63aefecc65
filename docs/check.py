#!/usr/bin/env python3
"""Check the documentation: links between files, paths in backquotes, and the size of the README.

    docs/check.py

Links to other hosts are not followed. Exits with 1 and one line for each fault.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README_LIMIT = 8 * 1024
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# Paths of the source tree; a glob or a placeholder is not one.
SOURCE_PATH = re.compile(r"`((?:src|tests|models|cross|systemd|docs)/[\w./@-]+)`")
FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)


def main() -> None:
    """Check every tracked Markdown file."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    documents = [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).exists()]
    faults = [fault for document in documents for fault in check(document)]
    size = (ROOT / "README.md").stat().st_size
    if size > README_LIMIT:
        faults.append(f"README.md: {size} bytes; allowed: up to {README_LIMIT}")
    print("\n".join(faults) or f"{len(documents)} documents: all links and paths exist")
    sys.exit(1 if faults else 0)


def check(document: Path) -> Iterator[str]:
    """The faults of one document."""
    name = document.relative_to(ROOT)
    text = FENCE.sub("", document.read_text())
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists():
            yield f"{name}: the link {target} leads nowhere"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file):
            yield f"{name}: {file.relative_to(ROOT)} has no heading for #{anchor}"
    for path in SOURCE_PATH.findall(text):
        if not (ROOT / path).exists() and not (document.parent / path).exists():
            yield f"{name}: there is no {path}"


def anchors(file: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub generates them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", file.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


if __name__ == "__main__":
    main()
