#!/usr/bin/env python3
"""Run the example flow in a real Node-RED with a broker and the daemon with the bundled clip.

    node_red.py NODE_RED AFFECTD

NODE_RED is the folder in which npm has installed it. Needs node and mosquitto. Exits with 1 and the logs if
the flow does not report a face that stays and a visit that has ended.
"""

import json
import os
import re
import sys
import tempfile
from pathlib import Path

import parts

FLOW = parts.REPOSITORY / "docs/examples/node-red.json"
EXPECTED = (
    r"affectd/lobby/event: somebody has stayed for [\d.]+ s",
    r"affectd/lobby/event: a visit of [\d.]+ s has ended",
)


def main() -> None:
    """Start the parts, wait for both lines, and stop the parts."""
    node_red, affectd = Path(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = parts.free_port()
        # The tab's description says to set the broker.
        flow = json.loads(FLOW.read_text())
        for node in flow:
            if node["type"] == "mqtt-broker":
                node["port"] = str(port)
        (folder / "flow.json").write_text(json.dumps(flow))
        program = str(node_red / "node_modules/node-red/red.js")
        red = ["node", program, "--userDir", name, "--port", str(parts.free_port()), "-D", "uiHost=127.0.0.1"]
        commands = {
            "mosquitto": parts.broker(folder, port),
            "node-red": [*red, "flow.json"],
            "affectd": parts.daemon(affectd, port),
        }
        with parts.running(folder, commands, dict(os.environ)):
            log = folder / "node-red.log"
            parts.wait_until(lambda: not missing(log))
        if lines := missing(log):
            print(parts.logs(folder, commands))
            sys.exit(f"FAILED: Node-RED did not print {lines}")
    print("ok  the flow tells of faces that stay and of visits")


def missing(log: Path) -> list[str]:
    """Return the expected lines that are missing from the log."""
    text = log.read_text()
    return [line for line in EXPECTED if not re.search(line, text)]


if __name__ == "__main__":
    main()
