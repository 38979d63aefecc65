#!/usr/bin/env python3
"""Run the fuzz targets, guided by coverage, and print what each reached.

    tests/fuzz/run.py --seconds 600 --work FOLDER [--json] [TARGET...]

Builds the program of tests/fuzz with coverage and runs each target for SECONDS of processor time, as many at
once as there are cores. What libFuzzer learns is kept in FOLDER/TARGET for the next run, findings in
FOLDER/findings. Exits with 1 if there is a finding.
"""

import argparse
import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPORA = HERE / "__fuzz__"
# tract does not end on some malformed networks; the daemon then gives up loading (src/model/load.rs).
MAY_TIME_OUT = {"model::onnx"}
TIMED_OUT = 70
# An input that takes longer is a finding.
TIMEOUT_S = 20
# Decoding the largest photograph that is allowed takes 740 MB.
MEMORY_MB = 2048
# Of an input, in bytes: the largest files of the corpora have 14 KB. The same as in target.rs.
MAX_LENGTH = 16384
# libtest runs a test on a thread of its own; networks are loaded on one with a stack of this size.
STACK_BYTES = 8 << 20


@dataclasses.dataclass
class Reached:
    """What one target reached."""

    target: str
    executions: int = 0
    cpu_seconds: float = 0.0
    edges: int = 0
    inputs: int = 0
    timeouts: int = 0
    findings: int = 0


def main() -> None:
    """Run the targets and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all by default")
    parser.add_argument("--seconds", type=float, required=True, help="processor time of each target")
    parser.add_argument("--work", type=Path, required=True, help="folder without spaces in its path")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    binary = build()
    existing = list(listed(binary))
    if unknown := set(args.targets) - set(existing):
        sys.exit(f"run.py: found the target {min(unknown)}; there are: {', '.join(existing)}")
    cores = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(cores) as pool:
        runs = [
            pool.submit(run, binary, target, args.seconds, args.work) for target in args.targets or existing
        ]
        reached = [run.result() for run in runs]
    findings = sum(each.findings for each in reached)
    if args.json:
        targets = [dataclasses.asdict(each) for each in reached]
        print(json.dumps({"seconds": args.seconds, "findings": findings, "targets": targets}))
    if findings:
        sys.exit(f"run.py: {findings} findings, in {args.work / 'findings'}")


def build() -> Path:
    """The program of the targets, compiled with coverage."""
    cargo = ["cargo", "test", "--release", "--no-run", "--test", "fuzz", "--config", str(HERE / "cargo.toml")]
    built = subprocess.run(
        [*cargo, "--message-format=json-render-diagnostics"],
        check=False,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"RUSTC_WRAPPER": str(HERE / "rustc.sh")},
    )
    messages = map(json.loads, built.stdout.splitlines())
    targets = [message for message in messages if message.get("target", {}).get("name") == "fuzz"]
    if built.returncode != 0 or not targets:
        sys.exit("run.py: the targets cannot be built; see above")
    return Path(targets[-1]["executable"])


def listed(binary: Path) -> Iterator[str]:
    """The names of the targets."""
    output = subprocess.run([binary, "--list"], check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in output.splitlines():
        if line.endswith(": test"):
            yield line.removesuffix(": test")


def run(binary: Path, target: str, seconds: float, work: Path) -> Reached:
    """Run one target until it has used its processor time or found something."""
    reached = Reached(target)
    name = target.replace("::", "__")
    kept, findings, scratch = work / name, work / "findings" / name, work / "scratch" / name
    for folder in (kept, findings, scratch):
        folder.mkdir(parents=True, exist_ok=True)
    known = set(findings.iterdir())
    while reached.cpu_seconds < seconds:
        left = max(1, round(seconds - reached.cpu_seconds))
        arguments = [
            kept,
            CORPORA / name / "corpus",
            f"-artifact_prefix={findings}/",
            f"-max_total_time={left}",
            f"-timeout={TIMEOUT_S}",
            f"-timeout_exitcode={TIMED_OUT}",
            f"-rss_limit_mb={MEMORY_MB}",
            f"-max_len={MAX_LENGTH}",
            "-print_final_stats=1",
        ]
        code, output = execute(binary, target, " ".join(map(str, arguments)), scratch, reached)
        account(output, reached)
        if code == TIMED_OUT and target in MAY_TIME_OUT:
            reached.timeouts += 1
            for artifact in set(findings.iterdir()) - known:
                artifact.unlink()
            continue
        if code != 0:
            reached.findings += 1
            (findings / "log").write_text(output)
            print(f"{target}: found something, see {findings}/log", file=sys.stderr)
            break
    print(
        f"{target}: {reached.executions} executions in {reached.cpu_seconds:.0f} s, {reached.edges} edges, "
        f"{reached.inputs} inputs, {reached.timeouts} timeouts, {reached.findings} findings",
        file=sys.stderr,
    )
    return reached


def execute(binary: Path, target: str, arguments: str, scratch: Path, reached: Reached) -> tuple[int, str]:
    """Run libFuzzer once; its exit code and output. Adds the processor time to `reached`."""
    environment = os.environ | {
        "BOLERO_LIBFUZZER_ARGS": arguments,
        "RUST_MIN_STACK": str(STACK_BYTES),
        "TMPDIR": str(scratch),
    }
    log = scratch / "output"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [binary, "--exact", target, "--nocapture", "--test-threads=1"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    reached.cpu_seconds += usage.ru_utime + usage.ru_stime
    return process.returncode, log.read_text(errors="replace")


def account(output: str, reached: Reached) -> None:
    """Add what libFuzzer printed: `stat::number_of_executed_units: 7`, `#7 DONE cov: 5 ft: 9 corp: 3/8b`."""
    for count in re.findall(r"^stat::number_of_executed_units:\s*(\d+)", output, re.MULTILINE):
        reached.executions += int(count)
    for edges, inputs in re.findall(r"cov: (\d+) ft: \d+ corp: (\d+)/", output):
        reached.edges, reached.inputs = max(reached.edges, int(edges)), int(inputs)


if __name__ == "__main__":
    main()
