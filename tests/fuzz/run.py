#!/usr/bin/env python3
"""Run the fuzz targets, guided by coverage, and print what each reached.

    tests/fuzz/run.py --seconds 600 --work FOLDER [--json] [TARGET...]

Builds the program of tests/fuzz with coverage and runs each target for SECONDS of processor time, as many at
once as there are cores. The targets take turns of a minute, so an interrupted run (SIGINT, SIGTERM) has given
each about the same time; it still reports what was reached. What libFuzzer learns is kept in FOLDER/TARGET
for the next run, findings in FOLDER/findings. Exits with 1 if there is a finding.
"""

import argparse
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import threading
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
# The longest input in bytes; the largest files of the corpora have 14 KB. The same as in target.rs.
MAX_LENGTH = 16384
# Processor time of a turn. Every turn reads the corpus again.
TURN_S = 60
# libtest runs a test on its own thread; the daemon loads networks on a thread with this stack size.
STACK_BYTES = 8 << 20


INTERRUPTED = threading.Event()


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
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: INTERRUPTED.set())
    reached = take_turns(binary, args.targets or existing, args.seconds, args.work)
    findings = sum(each.findings for each in reached)
    if args.json:
        targets = [dataclasses.asdict(each) for each in reached]
        print(json.dumps({"seconds": args.seconds, "findings": findings, "targets": targets}))
    if findings:
        sys.exit(f"run.py: {findings} findings, in {args.work / 'findings'}")


def take_turns(binary: Path, targets: list[str], seconds: float, work: Path) -> list[Reached]:
    """Run the targets in turns; each core picks the one that has run for the shortest time."""
    everything = [Reached(target) for target in targets]
    waiting = list(everything)
    lock = threading.Lock()

    def take() -> None:
        while not INTERRUPTED.is_set():
            with lock:
                if not waiting:
                    return
                reached = min(waiting, key=lambda each: each.cpu_seconds)
                waiting.remove(reached)
            run(binary, reached, min(seconds, reached.cpu_seconds + TURN_S), work)
            if reached.cpu_seconds >= seconds or reached.findings:
                report(reached)
                continue
            with lock:
                waiting.append(reached)

    cores = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(cores) as pool:
        for worker in [pool.submit(take) for _ in range(cores)]:
            worker.result()
    return everything


def report(reached: Reached) -> None:
    """Print what a target reached to standard error."""
    print(
        f"{reached.target}: {reached.executions} executions in {reached.cpu_seconds:.0f} s, "
        f"{reached.edges} edges, {reached.inputs} inputs, {reached.timeouts} timeouts, "
        f"{reached.findings} findings",
        file=sys.stderr,
    )


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


def run(binary: Path, reached: Reached, seconds: float, work: Path) -> None:
    """Run a target until it has used this much processor time in total, or found something."""
    target = reached.target
    name = target.replace("::", "__")
    kept, findings, scratch = work / name, work / "findings" / name, work / "scratch" / name
    for folder in (kept, findings, scratch):
        folder.mkdir(parents=True, exist_ok=True)
    known = set(findings.iterdir())
    while reached.cpu_seconds < seconds and not INTERRUPTED.is_set():
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
        if code != 0 and not INTERRUPTED.is_set():
            reached.findings += 1
            (findings / "log").write_text(output)
            print(f"{target}: found something, see {findings}/log", file=sys.stderr)
            break


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
            # Keeps the signals that interrupt this program away from it.
            process_group=0,
        )
        ended = os.wait4(process.pid, os.WNOHANG)
        while ended[0] == 0:
            if INTERRUPTED.wait(0.2):
                # libFuzzer then ends and prints what it reached.
                process.terminate()
                ended = os.wait4(process.pid, 0)
            else:
                ended = os.wait4(process.pid, os.WNOHANG)
        _, status, usage = ended
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
