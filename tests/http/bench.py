#!/usr/bin/env python3
"""Measure the cost of the HTTP server: memory, processor time, and how much its abuse slows sensing.

    tests/http/bench.py AFFECTD [--rounds 3] [--seconds 8] [--json]

A daemon without a broker senses one face as fast as it can on its own core; its HTTP thread and all clients
share another core, as on a board with several. Each kind of load alternates with idle periods. The rate of
sensed frames, and the processor time of each frame, are compared within the run. The rates need an otherwise
idle machine. Needs two cores.
"""

import argparse
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Every frame of a still picture is the same work.
PICTURE = ROOT / "tests/data/pictures/astronaut.jpg"

# Frames until buffers have their final size.
WARM_FRAMES = 300
MALFORMED = 10_000
IDLE_S = 30


class Daemon:
    """A daemon that senses as fast as it can, with or without the HTTP server."""

    def __init__(self, affectd: Path, folder: Path, *, with_http: bool) -> None:
        self.port = free_port()
        settings = {
            "device": "bench",
            "models": ROOT / "models",
            "camera.source": "files",
            "camera.path": PICTURE,
            "camera.repeat": "true",
            "camera.rate": 240,
            # Prevents load shedding, so the rate is the full one.
            "health.dwell_s": 3600,
            "mqtt.health_s": 1,
        }
        if with_http:
            settings["http.listen"] = f"127.0.0.1:{self.port}"
        options = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        self.rates: list[float] = []
        self.frames = 0.0
        with (folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [affectd, *options, "run"], stdout=subprocess.PIPE, stderr=log, text=True
            )
        threading.Thread(target=self.read, daemon=True).start()
        until("frames are sensed", lambda: self.frames >= WARM_FRAMES or self.process.poll() is not None)
        self.separate()

    def read(self) -> None:
        """Read the number of frames sensed in each second."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            if message["topic"].endswith("/health"):
                self.rates.append(message["payload"]["fps"])
                self.frames += self.rates[-1]

    def threads(self) -> Iterator[tuple[int, str]]:
        """Number and name of each thread."""
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            yield int(task.name), (task / "comm").read_text().strip()

    def separate(self) -> None:
        """Give the HTTP thread and this program one core, and everything else the other."""
        sensing, asking = sorted(CORES)[:2]
        for thread, name in self.threads():
            os.sched_setaffinity(thread, {asking if name == "http" else sensing})
        os.sched_setaffinity(0, {asking})

    def rate(self, seconds: float) -> tuple[float, float]:
        """Frames sensed a second over the next seconds, and processor time of sensing for each of them."""
        # The current second began before this measurement.
        before = len(self.rates) + 1
        until("a second begins", lambda: len(self.rates) >= before)
        spent = self.seconds_of(lambda name: name != "http")
        time.sleep(seconds)
        spent = self.seconds_of(lambda name: name != "http") - spent
        rate = statistics.mean(self.rates[before:])
        return rate, spent / (rate * seconds)

    def seconds_of(self, is_counted: Callable[[str], bool]) -> float:
        """Processor time of these threads so far."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        threads = [number for number, name in self.threads() if is_counted(name)]
        return sum(int((tasks / f"{number}/schedstat").read_text().split()[0]) for number in threads) / 1e9

    def rss_mb(self) -> float:
        """Resident memory in megabytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024 / 1e6

    def connect(self) -> socket.socket:
        """Connect to the server."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def ask(self, path: str) -> socket.socket:
        """Send a request; its response is not read."""
        stream = self.connect()
        stream.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return stream

    def get(self, path: str) -> bytes:
        """Send a request, and return the whole response."""
        with self.ask(path) as stream:
            return b"".join(iter(lambda: stream.recv(65536), b""))

    def stop(self) -> None:
        """Stop it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        os.sched_setaffinity(0, CORES)


CORES = os.sched_getaffinity(0)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("affectd", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8, help="of each load, and of each quiet time")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    if len(CORES) < 2:
        sys.exit("bench.py: two cores are needed")
    with tempfile.TemporaryDirectory() as folder:
        idle = [memory(args.affectd, Path(folder)) for _ in range(args.rounds)]
        daemon = Daemon(args.affectd, Path(folder), with_http=True)
        try:
            processor = processor_time(daemon)
            rates = {
                name: compare(daemon, load, args.rounds, args.seconds)
                for name, load in (
                    ("malformed", malformed),
                    ("slow", slow_readers),
                    ("connections", connections),
                    ("pages", pages),
                )
            }
            after = daemon.rss_mb()
        finally:
            daemon.stop()
    result = {
        "processor": processor,
        "memory_mb": {
            "without": statistics.median(without for without, _ in idle),
            "listening": statistics.median(listening for _, listening in idle),
            "after": after,
        },
        "rates": rates,
    }
    print(json.dumps(result) if args.json else json.dumps(result, indent=1))


def memory(affectd: Path, folder: Path) -> tuple[float, float]:
    """Resident memory without the server, and with an idle one, in megabytes."""
    found = []
    for with_http in (False, True):
        daemon = Daemon(affectd, folder, with_http=with_http)
        found.append(daemon.rss_mb())
        daemon.stop()
    return found[0], found[1]


def processor_time(daemon: Daemon) -> dict[str, float]:
    """Processor time of the HTTP thread: idle, with one page, per scrape, per malformed request."""

    def spent(work: Callable[[], object]) -> float:
        before = daemon.seconds_of(lambda name: name == "http")
        work()
        return daemon.seconds_of(lambda name: name == "http") - before

    nobody = spent(lambda: time.sleep(IDLE_S))
    with reading(daemon, 1):
        page = spent(lambda: time.sleep(IDLE_S))
    scrapes = spent(lambda: [daemon.get("/metrics") for _ in range(100)])
    refused = spent(lambda: send_malformed(daemon, random.Random(1), MALFORMED))
    return {
        "nobody_percent": 100 * nobody / IDLE_S,
        "page_percent": 100 * page / IDLE_S,
        "scrape_ms": 1e3 * scrapes / 100,
        "malformed_us": 1e6 * refused / MALFORMED,
    }


def compare(
    daemon: Daemon, load: Callable[[Daemon, threading.Event], object], rounds: int, seconds: float
) -> dict[str, float]:
    """The rate and the cost of sensing with and without a load; the medians of the rounds."""
    pairs = []
    requests = 0
    largest = 0.0
    for _ in range(rounds):
        quiet = daemon.rate(seconds)
        stop = threading.Event()
        counted: list[object] = []
        thread = threading.Thread(target=lambda: counted.append(load(daemon, stop)))  # noqa: B023
        thread.start()
        pairs.append((quiet, daemon.rate(seconds)))
        largest = max(largest, daemon.rss_mb())
        stop.set()
        thread.join()
        requests += sum(count for count in counted if isinstance(count, int))
    return {
        "quiet_fps": statistics.median(quiet for (quiet, _), _ in pairs),
        "fps": statistics.median(loaded for _, (loaded, _) in pairs),
        "ratio": statistics.median(loaded / quiet for (quiet, _), (loaded, _) in pairs),
        "cost_ratio": statistics.median(loaded / quiet for (_, quiet), (_, loaded) in pairs),
        "requests": requests,
        "rss_mb": largest,
    }


def malformed(daemon: Daemon, stop: threading.Event) -> int:
    """Malformed requests, one after the other, as fast as the core permits."""
    numbers = random.Random(1)
    count = 0
    while not stop.is_set():
        send_malformed(daemon, numbers, 100)
        count += 100
    return count


def send_malformed(daemon: Daemon, numbers: random.Random, count: int) -> None:
    """Send malformed requests and read the responses."""
    for _ in range(count):
        kind = numbers.randrange(4)
        request = (
            numbers.randbytes(64),
            b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
            b"POST /privacy HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 300 + b"\r\n",
        )[kind]
        with daemon.connect() as stream:
            try:
                stream.sendall(request)
                stream.shutdown(socket.SHUT_WR)
                while stream.recv(4096):
                    pass
            except OSError:
                pass  # it may answer and close before it has read everything


def slow_readers(daemon: Daemon, stop: threading.Event) -> int:
    """Connections that ask for the events and never read, and others that send one byte at a time."""
    silent = [daemon.ask("/events") for _ in range(8)]
    slow = [daemon.connect() for _ in range(16)]
    while not stop.is_set():
        for stream in slow:
            try:
                stream.send(b"G")
            except OSError:
                slow[slow.index(stream)] = daemon.connect()
        time.sleep(0.05)
    close(silent + slow)
    return len(silent) + len(slow)


def connections(daemon: Daemon, stop: threading.Event) -> int:
    """Two hundred connections at a time, each of which is reopened when it is closed."""
    opened: list[socket.socket] = []
    count = 0
    while not stop.is_set():
        while len(opened) < 200:
            opened.append(daemon.connect())
            count += 1
        time.sleep(0.5)
        opened = [stream for stream in opened if is_open(stream)]
    close(opened)
    return count


def is_open(stream: socket.socket) -> bool:
    """Whether the server has kept it open; received data is discarded."""
    stream.setblocking(False)
    try:
        return stream.recv(4096) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def pages(daemon: Daemon, stop: threading.Event) -> int:
    """As many pages as the server lets follow the events."""
    with reading(daemon, 8):
        stop.wait()
    return 8


@contextmanager
def reading(daemon: Daemon, count: int) -> Iterator[None]:
    """Read the events of `count` pages."""
    streams = [daemon.ask("/events") for _ in range(count)]

    def read(stream: socket.socket) -> None:
        try:
            while stream.recv(65536):
                pass
        except OSError:
            pass  # closed below

    threads = [threading.Thread(target=read, args=(stream,)) for stream in streams]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        close(streams)
        for thread in threads:
            thread.join()


def close(streams: list[socket.socket]) -> None:
    """Close connections, also those that another thread reads."""
    for stream in streams:
        # The server may have closed it first.
        with suppress(OSError):
            stream.shutdown(socket.SHUT_RDWR)
        stream.close()


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(what: str, condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    end = time.monotonic() + 120
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"bench.py: waited in vain until {what}")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
