"""Print the requirements of the integrations that Home Assistant starts by itself, and of those named.

requirements.py mqtt recorder …
"""

import json
import sys
from pathlib import Path

import homeassistant
from homeassistant.bootstrap import DEFAULT_INTEGRATIONS

COMPONENTS = Path(homeassistant.__file__).parent / "components"


def main() -> None:
    """Print one requirement a line."""
    pending = [*DEFAULT_INTEGRATIONS, *sys.argv[1:]]
    requirements: set[str] = set()
    known: set[str] = set()
    while pending:
        name = pending.pop()
        if name in known:
            continue
        known.add(name)
        manifest = json.loads((COMPONENTS / name / "manifest.json").read_text())
        requirements.update(manifest.get("requirements", []))
        pending += manifest.get("dependencies", [])
    print("\n".join(sorted(requirements)))


if __name__ == "__main__":
    main()
