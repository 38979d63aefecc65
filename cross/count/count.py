#!/usr/bin/env python3
"""Count the instructions of one inference on emulated arm64 processors, and print a table or JSON.

    count.py --plugin SO --root FOLDER --peer PROGRAM --onnx-runtime FOLDER [--json] MODEL.onnx …

Each engine runs a model once, and then four times (or as --inferences says), in one thread. A third of the
difference is one inference without start-up and loading. Loading varies from run to run by a few million
instructions, because hashes are randomly seeded, and sometimes by tens of millions; the smallest of three counts
is used. A count is a cost model, not a time: it ignores caches and instruction-level parallelism.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

# How the kernel of a board describes its processor: the part number, and the features of QEMU's model. ONNX Runtime
# reads them, and the build machine's own /proc and /sys describe another processor.
PROCESSORS = {
    "cortex-a53": ("d03", ""),
    "cortex-a72": ("d08", ""),
    "cortex-a76": ("d0b", "atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"),
}
FEATURES = "fp asimd evtstrm aes pmull sha1 sha2 crc32"
ENGINES = ["tract", "onnxruntime", "affectd-f32", "affectd-int8"]
# How often each length is counted.
REPEATS = 3


def main():
    """Count, and print Markdown or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--plugin", type=Path, required=True, help="compiled from instructions.c")
    parser.add_argument("--root", type=Path, required=True, help="an arm64 root with Python")
    parser.add_argument("--peer", type=Path, required=True, help="the program of tests/peers, for arm64")
    parser.add_argument("--onnx-runtime", type=Path, required=True, help="folder of its arm64 wheel and numpy's")
    parser.add_argument("--cpu", action="append", choices=PROCESSORS, help="default: cortex-a72 and cortex-a76")
    parser.add_argument("--engine", action="append", choices=ENGINES, help="default: all")
    inferences = "additional inferences of the longer run; 1 is enough for a large model"
    parser.add_argument("--inferences", type=int, default=3, help=inferences)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL")
    args = parser.parse_args()

    engines = args.engine or ENGINES
    counts = []
    if not args.json:
        print("| million instructions (ratio to tract) | " + " | ".join(engines) + " |")
        print("| --- |" + " --- |" * len(engines), flush=True)
    for model in args.models:
        for cpu in args.cpu or ["cortex-a72", "cortex-a76"]:
            row = {engine: inference(args, cpu, engine, model) for engine in engines}
            if args.json:
                entry = {"model": model.stem, "cpu": cpu}
                counts += [entry | {"engine": engine, "instructions": round(count)} for engine, count in row.items()]
                continue
            cells = [
                f"{count / 1e6:.1f}" + (f" ({count / row['tract']:.2f})" if "tract" in row else "")
                for count in row.values()
            ]
            print(f"| {model.stem}, {cpu} | " + " | ".join(cells) + " |", flush=True)
    if args.json:
        print(json.dumps({"inferences": args.inferences, "counts": counts}))


def inference(args, cpu, engine, model):
    """Instructions of one inference."""
    few, many = (
        min(instructions(args, cpu, engine, model, runs) for _ in range(REPEATS))
        for runs in (1, 1 + args.inferences)
    )
    return (many - few) / args.inferences


def instructions(args, cpu, engine, model, runs):
    """Instructions of a program that loads the model and runs it `runs` times."""
    width, height = size(model)
    if engine == "onnxruntime":
        python = args.root / "usr/bin/python3"
        command = [python, Path(__file__).with_name("onnxruntime_runs.py"), model, str(runs), width, height]
    else:
        command = [args.peer, engine, model, "1", "--runs", str(runs), "--size", f"{width}x{height}"]
    # A fixed seed: otherwise the layout of Python's hash tables differs from run to run.
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": str(args.onnx_runtime)}
    with described(args.root, cpu) as root:
        emulator = ["qemu-aarch64", "-cpu", cpu, "-L", root, "-plugin", args.plugin.resolve()]
        ran = subprocess.run(
            emulator + command, check=False, env=environment, capture_output=True, text=True, timeout=3600
        )
    counts = [line for line in ran.stderr.splitlines() if line.startswith("instructions: ")]
    if ran.returncode != 0 or len(counts) != 1:
        sys.exit(f"{engine} on {cpu} ended with {ran.returncode}:\n{ran.stderr}")
    return int(counts[0].split()[1])


def size(model):
    """Width and height of the input, from the manifest beside the model; a model without one has fixed sizes."""
    manifest = model.with_suffix(".toml")
    if not manifest.exists():
        return "0", "0"
    fields = tomllib.loads(manifest.read_text())["input"]
    return str(fields["width"]), str(fields["height"])


class described(tempfile.TemporaryDirectory):
    """A copy of a root, by symbolic links, that describes a processor in /proc and /sys."""

    def __init__(self, root, cpu):
        super().__init__()
        part, features = PROCESSORS[cpu]
        copy = Path(self.name)
        for entry in root.resolve().iterdir():
            if entry.name not in ("proc", "sys"):
                (copy / entry.name).symlink_to(entry)
        cpus = copy / "sys/devices/system/cpu"
        cpus.mkdir(parents=True)
        for name in ("possible", "present"):
            (cpus / name).write_text("0\n")
        (copy / "proc").mkdir()
        (copy / "proc/cpuinfo").write_text(
            f"processor\t: 0\nFeatures\t: {FEATURES} {features}\nCPU implementer\t: 0x41\n"
            f"CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0x{part}\nCPU revision\t: 0\n"
        )


if __name__ == "__main__":
    main()
