#!/usr/bin/env python3
"""Run a million frames through the whole daemon, with a broker, and compare the beginning with the end.

    tests/soak/run.py AFFECTD [--frames 1000000] [--json]

Prints memory, open files, threads and the age of the published states after the first thousand frames and at
the end. Exits with 1 if memory has grown by more than 1 MB, if files or threads are not equal, or if states
have become older. Needs mosquitto and mosquitto_sub.
"""

import argparse
import dataclasses
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CAMERA = [
    sys.executable,
    Path(__file__).resolve().parent / "camera.py",
    ROOT / "src/measure/clip/two-portraits.mjpeg",
    ROOT / "tests/data/jpeg/grey.jpg",
]
FIRST = 1000
MAX_GROWTH_KB = 1000
# The tenth percentile of the states' ages must not grow by more than this. A delay that accumulates raises
# every age; other work on the machine raises the median.
MAX_DRIFT_S = 0.05
# States at either end whose ages are compared.
STATES = 200
# Debian installs the broker outside the PATH of ordinary users.
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") or "mosquitto"


@dataclasses.dataclass
class Sample:
    """The daemon at one moment."""

    frames: int
    seconds: float
    rss_kb: int
    files: int
    threads: int


class Messages:
    """What a subscriber receives."""

    def __init__(self, port: int) -> None:
        self.frames = 0.0
        self.drops = 0
        self.ages: list[float] = []
        self.faces = 0
        self.uptime = 0
        command = ["mosquitto_sub", "-p", str(port), "-t", "affectd/soak/#", "-F", "%t %p"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        """Read messages until the subscriber exits."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            topic, _, payload = line.partition(" ")
            if topic.endswith("/health"):
                health = json.loads(payload)
                # Frames sensed a second over the last interval, whose length follows from the uptime.
                self.frames += health["fps"] * (health["uptime"] - self.uptime)
                self.uptime, self.drops = health["uptime"], health["drops"]
            elif topic.endswith("/state"):
                age = json.loads(payload)["age"]
                self.ages += [age] if age is not None else []
            elif topic.endswith("/event"):
                self.faces += json.loads(payload)["event"] == "appeared"


def main() -> None:
    """Run, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("affectd", type=Path)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        broker = subprocess.Popen([MOSQUITTO, "-p", str(port)], stderr=subprocess.DEVNULL)
        messages = Messages(wait_for(port))
        daemon = start(args.affectd, port, Path(folder) / "log")
        try:
            first, last, peak = watch(daemon, messages, args.frames)
        finally:
            daemon.send_signal(signal.SIGTERM)
            code = daemon.wait(timeout=30)
            messages.process.terminate()
            broker.terminate()
            broker.wait()
        log = (Path(folder) / "log").read_text()
    result = summary(first, last, peak, messages, log)
    print(json.dumps(result) if args.json else "\n".join(f"{key}: {value}" for key, value in result.items()))
    if faults := list(faults_of(first, last, result, code)):
        sys.exit("run.py: " + "; ".join(faults))


def start(affectd: Path, port: int, log: Path) -> subprocess.Popen[bytes]:
    """The daemon, with results over MQTT."""
    settings = {
        "device": "soak",
        "camera.source": "pipe",
        "camera.command": json.dumps([str(part) for part in CAMERA]),
        "mqtt.host": "127.0.0.1",
        "mqtt.port": port,
        "mqtt.health_s": 1,
    }
    options = [option for key, value in settings.items() for option in ("--set", f"{key}={value}")]
    with log.open("wb") as file:
        return subprocess.Popen([affectd, *options, "run"], stdout=file, stderr=file)


def watch(daemon: subprocess.Popen[bytes], messages: Messages, frames: int) -> tuple[Sample, Sample, int]:
    """Samples after the first thousand frames and after `frames`, and the largest memory between, in kB."""
    started = time.monotonic()
    first: Sample | None = None
    peak = 0
    while True:
        time.sleep(0.5)
        if daemon.poll() is not None:
            sys.exit(f"run.py: the daemon ended with {daemon.returncode} after {messages.frames:.0f} frames")
        if messages.frames < FIRST:
            continue
        sample = sample_of(daemon.pid, round(messages.frames), time.monotonic() - started)
        peak = max(peak, sample.rss_kb)
        if first is None:
            first = sample
        elif sample.frames >= frames:
            return first, sample, peak


def sample_of(pid: int, frames: int, seconds: float) -> Sample:
    """Read /proc."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return Sample(
        frames,
        seconds,
        int(status["VmRSS"].split()[0]),
        len(list(Path(f"/proc/{pid}/fd").iterdir())),
        int(status["Threads"]),
    )


def summary(first: Sample, last: Sample, peak: int, messages: Messages, log: str) -> dict[str, object]:
    """The figures of the report."""
    return {
        "frames": last.frames,
        "seconds": round(last.seconds),
        "faces_appeared": messages.faces,
        "frames_dropped": messages.drops,
        "states": len(messages.ages),
        "log_lines": len(log.splitlines()),
        "rss_kb": {"first": first.rss_kb, "last": last.rss_kb, "peak": peak},
        "files": {"first": first.files, "last": last.files},
        "threads": {"first": first.threads, "last": last.threads},
        "median_age_s": {
            "first": round(statistics.median(messages.ages[:STATES]), 3),
            "last": round(statistics.median(messages.ages[-STATES:]), 3),
        },
        "low_age_s": {
            "first": round(statistics.quantiles(messages.ages[:STATES], n=10)[0], 3),
            "last": round(statistics.quantiles(messages.ages[-STATES:], n=10)[0], 3),
        },
        "max_age_s": max(messages.ages),
    }


def faults_of(first: Sample, last: Sample, result: dict[str, object], code: int) -> list[str]:
    """The promises that were broken."""
    ages = result["low_age_s"]
    assert isinstance(ages, dict)
    checks = {
        f"memory grew from {first.rss_kb} to {last.rss_kb} kB": last.rss_kb - first.rss_kb > MAX_GROWTH_KB,
        f"{first.files} open files became {last.files}": first.files != last.files,
        f"{first.threads} threads became {last.threads}": first.threads != last.threads,
        f"states became older: {ages}": ages["last"] - ages["first"] > MAX_DRIFT_S,
        f"the daemon ended with {code}": code != 0,
    }
    return [words for words, is_fault in checks.items() if is_fault]


def free_port() -> int:
    """A free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(port: int) -> int:
    """Wait until a program listens on the port."""
    for _ in range(100):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return port
        time.sleep(0.1)
    sys.exit("run.py: mosquitto does not listen")


if __name__ == "__main__":
    main()
