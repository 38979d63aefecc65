#!/usr/bin/env python3
"""Compare the whole pipeline of affectd, from a camera's bytes to the report, with Python scripts.

    bench.py --affectd PROGRAM --models FOLDER --recordings FOLDER [--yunet FILE] [--rounds 9] [--json] [SCENE …]

Every program plays every scene (see scenes.py) as fast as it can, on the clock of a camera with 15 frames a
second, in one thread. They take turns in random order within each round, so other load affects all of them
equally. A figure is the processor time of a frame, without loading and waiting. Ratios are those of one
round; medians and quartiles are over the rounds. `peer.py` describes the scripts.

affectd searches a static room less and less often. It therefore plays the recordings of `empty` and `still`
for a minute first, which is not counted. This makes no difference for the scripts, which do the same work for
every frame.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "peers"))

import machine  # noqa: E402 (it lies beside the other benchmark)

SCENES = ["empty", "still", "one", "two", "four", "eight"]
RESTING = {"empty", "still"}
REST_S, RATE = 60, 15
# A recording of ten seconds is too short for searches every fifteen seconds.
RESTING_PASSES = 6


def main():
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=f"default: {', '.join(SCENES)}")
    parser.add_argument("--affectd", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--recordings", type=Path, required=True, help="folder that scenes.py has written")
    parser.add_argument("--yunet", type=Path, help="YuNet at 320x320, for the plain script")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    args = parser.parse_args()
    if unknown := set(args.scenes) - set(SCENES):
        sys.exit(f"bench: the scene is {unknown.pop()}; allowed are {', '.join(SCENES)}")
    scenes = args.scenes or SCENES
    programs = {"affectd": affectd, "same": peer, "plain": peer}
    turns = [(scene, program) for scene in scenes for program in programs]
    results = {turn: [] for turn in turns}
    order = random.Random(0)
    for number in range(args.rounds):
        for scene, program in order.sample(turns, len(turns)):
            results[scene, program].append(programs[program](args, program, args.recordings / f"{scene}.mjpeg"))
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
    summary = {
        "machine": machine.describe(),
        "rounds": args.rounds,
        "detector_of_plain": "YuNet 320x320" if args.yunet else "CenterFace 320x256",
        "scenes": [
            {"scene": scene, "programs": [row(results, scene, program) for program in programs]} for scene in scenes
        ],
    }
    print(json.dumps(summary) if args.json else table(summary))


def affectd(args, _, recording):
    """Play a recording with affectd, once and from its beginning, as the scripts do, or after a rest."""
    frames = recording.read_bytes().count(b"\xff\xd8\xff")
    if recording.stem not in RESTING:
        return played(args, recording, frames)
    rest = played(args, recording, REST_S * RATE)
    both = played(args, recording, REST_S * RATE + RESTING_PASSES * frames)
    return both | {
        key: both[key] - rest[key] for key in ("frames", "cpu_seconds", "pictures")
    }


def played(args, recording, frames):
    """The figures of affectd for `frames` frames of a recording, which is repeated."""
    command = [args.affectd, "--set", f"models={args.models.resolve()}", "bench", "--json", "--threads", "1",
               "--format", "MJPG", "--frames", frames, "--recording", recording]
    (run,) = (result := output(command))["runs"]
    return {key: run[key] for key in ("frames", "cpu_seconds", "faces", "pictures")} | {
        "peak_bytes": result["peak_rss_bytes"]
    }


def peer(args, script, recording):
    """Play a recording with one of the scripts."""
    command = [sys.executable, HERE / "peer.py", script, recording, "--models", args.models]
    return output(command + (["--yunet", args.yunet] if args.yunet else []))


def output(command):
    """The JSON object that a command prints."""
    ran = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True)
    if ran.returncode != 0:
        sys.exit(f"bench: {command[0]} exited with {ran.returncode}:\n{ran.stderr}")
    return json.loads(ran.stdout)


def row(results, scene, program):
    """The figures of one program in one scene."""
    runs = results[scene, program]
    times = [per_frame(run) for run in runs]
    ratios = [time / per_frame(own) for time, own in zip(times, results[scene, "affectd"], strict=True)]
    return {
        "program": program,
        "ms": quartiles([1e3 * time for time in times]),
        "ratio": quartiles(ratios),
        "frames_per_core_second": 1 / statistics.median(times),
        "faces": statistics.mean(run["faces"] for run in runs),
        "peak_mb": statistics.median(run["peak_bytes"] for run in runs) / 1e6,
    } | ({"decoded": runs[0]["pictures"] / runs[0]["frames"]} if program == "affectd" else {})


def per_frame(run):
    """Processor time of a frame in seconds."""
    return run["cpu_seconds"] / run["frames"]


def quartiles(values):
    """First quartile, median and third quartile."""
    if len(values) < 2:
        return dict.fromkeys(("q1", "median", "q3"), values[0])
    low, middle, high = statistics.quantiles(values, n=4)
    return {"q1": low, "median": middle, "q3": high}


def table(summary):
    """A Markdown table."""
    lines = [summary["machine"], "", "| scene | program | ms a frame | times affectd | frames/core-second | faces | MB |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for scene in summary["scenes"]:
        for program in scene["programs"]:
            ratio = "{median:.2f} ({q1:.2f}-{q3:.2f})".format(**program["ratio"])
            cells = [scene["scene"], program["program"], f"{program['ms']['median']:.2f}", ratio,
                     f"{program['frames_per_core_second']:.0f}", f"{program['faces']:.2f}", f"{program['peak_mb']:.0f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
