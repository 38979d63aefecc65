"""Tables and examples of docs/mqtt.md."""

import json

from tables.common import record, source


def state() -> str:
    """A state message of the bundled clip."""
    result, measured = record("state")
    # Members that are objects take one line.
    lines = []
    for key, value in result.items():
        lines.append(f"  {json.dumps(key)}: {json.dumps(value)}")
    return "```json\n{\n" + ",\n".join(lines) + "\n}\n```\n\n" + source(measured)


TABLES = [state]
