#!/usr/bin/env python3
"""Run the example flow in a real Node-RED beside a broker and the daemon with the bundled clip.

    run.py NODE_RED AFFECTD

NODE_RED is the folder in which npm has installed it. Needs node and mosquitto. Exits with 1 and the logs if
the flow does not tell of a face that stays and of a visit that has ended.
"""

import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FLOW = REPOSITORY / "docs/examples/node-red.json"
CLIP = REPOSITORY / "src/measure/clip/two-portraits.mjpeg"
EXPECTED = (
    r"affectd/lobby/event: somebody has stayed for [\d.]+ s",
    r"affectd/lobby/event: a visit of [\d.]+ s has ended",
)
# Generous, because a shared machine may be slow.
PATIENCE_S = 180


def main() -> None:
    """Start the parts, wait for both lines, and end the parts."""
    node_red, affectd = Path(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = free_port()
        (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
        # What the tab's description asks for: set the broker.
        flow = json.loads(FLOW.read_text())
        for node in flow:
            if node["type"] == "mqtt-broker":
                node["port"] = str(port)
        (folder / "flow.json").write_text(json.dumps(flow))
        settings = [
            "device=lobby",
            f"models={REPOSITORY}/models",
            "mqtt.host=127.0.0.1",
            f"mqtt.port={port}",
            "camera.source=files",
            f"camera.path={CLIP}",
            "camera.rate=10",
            "camera.repeat=true",
            # The clip's faces stay for a few seconds only.
            "visit.present_s=2",
        ]
        red = [str(node_red / "node_modules/node-red/red.js"), "--userDir", name, "--port", str(free_port())]
        commands = {
            "mosquitto": ["mosquitto", "-c", f"{name}/mosquitto.conf"],
            "node-red": ["node", *red, "-D", "uiHost=127.0.0.1", "flow.json"],
            "affectd": [affectd, "run", *(word for setting in settings for word in ("--set", setting))],
        }
        programs = [start(folder, part, command) for part, command in commands.items()]
        try:
            missing = wait_for(folder / "node-red.log")
        finally:
            for program in reversed(programs):
                program.send_signal(signal.SIGTERM)
                program.wait()
        if missing:
            for part in commands:
                print(f"--- {part}\n{(folder / f'{part}.log').read_text()}")
            sys.exit(f"FAILED: Node-RED did not print {missing}")
    print("ok  the flow tells of faces that stay and of visits")


def start(folder: Path, name: str, command: list[str]) -> subprocess.Popen[bytes]:
    """Start a program with its output in a file."""
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def wait_for(log: Path) -> list[str]:
    """Wait until every expected line is there; what is missing in the end."""
    deadline = time.monotonic() + PATIENCE_S
    missing = list(EXPECTED)
    while missing and time.monotonic() < deadline:
        time.sleep(0.2)
        text = log.read_text()
        missing = [line for line in EXPECTED if not re.search(line, text)]
    return missing


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
