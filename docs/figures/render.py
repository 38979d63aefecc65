#!/usr/bin/env python3
"""Write the tables of the documentation and the estimated budgets from docs/figures/*.json and the manifests.

    docs/figures/render.py           rewrites every block between <!-- figures: NAME --> and <!-- /figures -->
                                     and the estimates of models/budgets.toml
    docs/figures/render.py --check   exits with 1 and a diff if a document differs from what would be written

NAME is a function of a module in tables. docs/figures/record.py writes the JSON files. Needs Python 3.11 or
later.
"""

import difflib
import re
import sys

from tables import budgets, ci, fleet, homeassistant, http, models, mqtt, performance, robustness
from tables.common import ROOT

DOCUMENTS = [
    "CONTRIBUTING.md",
    "docs/faults.md",
    "docs/fleet.md",
    "docs/home-assistant.md",
    "docs/http.md",
    "docs/mqtt.md",
    "docs/models.md",
    "docs/performance.md",
    "docs/robustness.md",
    "models/maxvit-ferplus-64.md",
    "models/tools/README.md",
]
BUDGETS = "models/budgets.toml"
BLOCK = re.compile(r"<!-- figures: (\w+) -->\n(.*?)<!-- /figures -->\n", re.DOTALL)

MODULES = (ci, fleet, homeassistant, http, models, mqtt, performance, robustness)
TABLES = [table for module in MODULES for table in module.TABLES]
BLOCKS = {table.__name__: table for table in TABLES}


def main() -> None:
    """Render, or compare."""
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    differs = bool(models.stale_manifest())
    for document in [*DOCUMENTS, BUDGETS]:
        path = ROOT / document
        text = path.read_text()
        new = budgets.rendered(text) if document == BUDGETS else rendered(text, document)
        if new == text:
            continue
        if check:
            differs = True
            lines = difflib.unified_diff(
                text.splitlines(True), new.splitlines(True), document, "make figures"
            )
            sys.stdout.writelines(lines)
        else:
            path.write_text(new)
            print(f"wrote {document}")
    if check and differs:
        sys.exit("the documentation differs from docs/figures; run `make figures`")


def rendered(text: str, document: str) -> str:
    """The text with every block regenerated."""
    if text.count("<!-- figures:") != len(BLOCK.findall(text)):
        sys.exit(f"{document}: a block without <!-- /figures -->, or with a malformed name")

    def block(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in BLOCKS:
            sys.exit(f"{document}: found the block {name}; there are: {', '.join(BLOCKS)}")
        return f"<!-- figures: {name} -->\n{BLOCKS[name]()}\n<!-- /figures -->\n"

    return BLOCK.sub(block, text)


if __name__ == "__main__":
    main()
