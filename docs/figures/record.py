#!/usr/bin/env python3
"""Record the JSON that a measuring command prints, with the command, the commit and the machine.

    docs/figures/record.py bench -- affectd bench --json
    docs/figures/record.py state --topic state -- sh -c 'timeout -s KILL 6 affectd … run; true'

writes docs/figures/bench.json and so on, and renders the documentation (render.py). With --topic, the result
is the payload of the last message of that topic that `affectd run` prints. docs/figures/README.md lists the
commands. An absolute path in the command is recorded as its last component, so that records do not depend on
the folder of the checkout. RECORD_COMMIT names the measured commit if it is not the one checked out.
"""

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

FIGURES = Path(__file__).resolve().parent


def main() -> None:
    """Run the command and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name", help="name of the record")
    parser.add_argument("--topic", metavar="LEVEL", help="last level of a topic, e.g. state")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="after --")
    args = parser.parse_args()
    # Read before the run, because HEAD may move during a long measurement.
    origin = measured(args.command)
    ran = subprocess.run(args.command, check=False, stdout=subprocess.PIPE, text=True)
    if ran.returncode != 0:
        sys.exit(f"record.py: {args.command[0]} exited with {ran.returncode}; nothing was recorded")
    record = {"measured": origin, "result": result(ran.stdout, args.topic)}
    path = FIGURES / f"{args.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    print(path)
    subprocess.run([FIGURES / "render.py"], check=True)


def result(output: str, topic: str | None) -> Any:
    """The object that a command printed, or a payload of `affectd run`."""
    try:
        objects = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    except ValueError as error:
        sys.exit(f"record.py: the output is not JSON: {error}")
    if topic:
        objects = [message["payload"] for message in objects if message["topic"].endswith(f"/{topic}")]
    if not objects:
        sys.exit("record.py: the command printed no such JSON object")
    return objects[-1]


def measured(command: list[str]) -> dict[str, str]:
    """Where the result comes from."""
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=7", "--exclude=*"]
    commit = (
        os.environ.get("RECORD_COMMIT")
        or subprocess.run(describe, cwd=FIGURES, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    )
    return {
        "command": " ".join(Path(part).name if part.startswith("/") else part for part in command),
        "commit": commit,
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": machine(),
    }


# Extensions that decide which kernels run, as /proc/cpuinfo calls them, best first.
EXTENSIONS = {"avx512_vnni": "AVX-512 VNNI", "avx2": "AVX2", "asimddp": "dotprod", "asimd": "NEON"}


def machine() -> str:
    """The processor, its best extension and the number of cores."""
    fields: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    board = Path("/proc/device-tree/model")
    name = (
        board.read_text().strip("\0\n") if board.exists() else fields.get("model name", "unknown processor")
    )
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    extension = next((words for flag, words in EXTENSIONS.items() if flag in flags), "no known extension")
    return f"{name} with {extension}, {len(os.sched_getaffinity(0))} cores, {platform.machine()}"


if __name__ == "__main__":
    main()
