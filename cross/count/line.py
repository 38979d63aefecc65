#!/usr/bin/env python3
"""Count the instructions of one second of video on emulated arm64 processors, and print a table or JSON.

    line.py --plugin SO --root FOLDER --affectd PROGRAM --models FOLDER [--json] RECORDING.mjpeg …

`affectd bench` plays the first seconds of a recording, 15 frames a second, through decoding, sensing and the report,
in one thread: once a short part, once a longer one. The difference, divided by its length, is one second without
start-up and loading. Without a recording the bundled clip is played. A count is a cost model, not a time: it ignores
caches and instruction-level parallelism.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from count import PROCESSORS, described

RATE = 15
# Recordings in which nothing moves, the seconds played before counting, and the seconds counted: twice the
# interval between two searches.
RESTING, REST_S, COUNTED_S = {"empty", "still"}, 60.0, 30.0


def main():
    """Count, and print Markdown or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--plugin", type=Path, required=True, help="compiled from instructions.c")
    parser.add_argument("--root", type=Path, required=True, help="an arm64 root")
    parser.add_argument("--affectd", type=Path, required=True, help="the program, for arm64")
    parser.add_argument("--models", type=Path, required=True, help="folder of the manifests")
    parser.add_argument("--cpu", action="append", choices=PROCESSORS, help="default: all")
    parser.add_argument("--from", dest="start", type=float, default=2.0, help="seconds that are not counted")
    parser.add_argument("--seconds", type=float, default=8.0, help="seconds that are counted")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("recordings", nargs="*", type=Path, metavar="RECORDING")
    args = parser.parse_args()
    cpus = args.cpu or list(PROCESSORS)
    counts = []
    if not args.json:
        print("| million instructions a second | " + " | ".join(cpus) + " |")
        print("| --- |" + " --- |" * len(cpus), flush=True)
    for recording in [None, *args.recordings]:
        name = recording.stem if recording else "the bundled clip"
        row = {cpu: second(args, cpu, recording) for cpu in cpus}
        counts += [{"scene": name, "cpu": cpu, "instructions": round(count)} for cpu, count in row.items()]
        if not args.json:
            print(f"| {name} | " + " | ".join(f"{count / 1e6:.0f}" for count in row.values()) + " |", flush=True)
    if args.json:
        print(json.dumps({"from": args.start, "seconds": args.seconds, "counts": counts}))


def second(args, cpu, recording):
    """Instructions of one second."""
    is_resting = recording and recording.stem in RESTING
    start, seconds = (REST_S, COUNTED_S) if is_resting else (args.start, args.seconds)
    frames = [round(part * RATE) for part in (start, start + seconds)]
    few, many = (instructions(args, cpu, recording, count) for count in frames)
    return (many - few) / seconds


def instructions(args, cpu, recording, frames):
    """Instructions of a program that loads the networks and plays this many frames."""
    command = [args.affectd, "--set", f"models={args.models.resolve()}", "bench", "--json", "--threads", "1",
               "--format", "MJPG", "--frames", str(frames)]
    if recording:
        command += ["--recording", recording.resolve()]
    with described(args.root, cpu) as root:
        emulator = ["qemu-aarch64", "-cpu", cpu, "-L", root, "-plugin", args.plugin.resolve()]
        ran = subprocess.run(emulator + command, check=False, capture_output=True, text=True, timeout=3600)
    counts = [line for line in ran.stderr.splitlines() if line.startswith("instructions: ")]
    if ran.returncode != 0 or len(counts) != 1:
        sys.exit(f"{recording or 'the bundled clip'} on {cpu} ended with {ran.returncode}:\n{ran.stderr}")
    return int(counts[0].split()[1])


if __name__ == "__main__":
    main()
