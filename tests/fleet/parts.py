"""The parts of a load test: programs, the load generator, and what a subscriber sees."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE_S = 120.0
# For servers to start, and for a fleet to connect.
STARTING_S = 300.0
LOOPBACK = "127.0.0.1"


def until(what: str, condition: Callable[[], bool], patience: float = PATIENCE_S) -> float:
    """Wait for a condition; returns the seconds that it took."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > patience:
            sys.exit(f"fleet: waited {patience:.0f} s in vain: {what}")
        time.sleep(0.1)
    return time.monotonic() - started


def listens(port: int, host: str = LOOPBACK) -> bool:
    """Whether a program listens on a port of this namespace."""
    with socket.socket() as client:
        return client.connect_ex((host, port)) == 0


def program(name: str) -> str:
    """The path of a program; Debian installs servers outside the PATH of ordinary users."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        sys.exit(f"fleet: {name} is not installed")
    return path


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def running(*command: object, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is killed at the end. If the test fails, the end of the program's log is printed."""
    with log.open("ab") as file:
        process = subprocess.Popen([str(part) for part in command], stdout=file, stderr=file)
    try:
        yield process
    except BaseException:
        print(f"{log.name}: {log.read_text(errors='replace')[-2000:]}", file=sys.stderr)
        raise
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def mosquitto(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A mosquitto for a fleet."""
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n"
        "max_queued_messages 0\npersistence false\n"
    )
    with running(program("mosquitto"), "-c", config, log=folder / "mosquitto.log") as process:
        until("mosquitto listens", lambda: listens(port))
        yield process


class Fleet:
    """The load generator, and what it printed last."""

    def __init__(self, binary: Path, broker: str, devices: int, *settings: str) -> None:
        self.devices = devices
        self.last: dict[str, float] = {}
        self.process = subprocess.Popen(
            [binary, broker, str(devices), *settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        """Read its lines."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.last = json.loads(line)

    def wait_for_all(self) -> float:
        """Wait until the broker has accepted every device."""
        try:
            return until("every device is accepted", self.is_accepted, STARTING_S)
        except SystemExit:
            print(f"fleet: {self.last}", file=sys.stderr)
            raise

    def is_accepted(self) -> bool:
        """Whether the broker has accepted every device."""
        return self.last.get("accepted") == self.devices

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Let the devices disconnect cleanly."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        if self.process.wait(timeout=60) != 0:
            sys.exit(f"fleet: the load generator ended with {self.process.returncode}")


class Subscriber:
    """Messages as mosquitto_sub receives them, each handed to `take` with its time, topic and length."""

    def __init__(
        self,
        port: int,
        topics: list[str],
        take: Callable[[float, str, int, int, str], None],
        host: str = LOOPBACK,
    ) -> None:
        self.take = take
        filters = [part for topic in topics for part in ("-t", topic)]
        command = ["mosquitto_sub", "-h", host, "-p", str(port), "-q", "1", "-F", "%U %q %l %t %p", *filters]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace")
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self) -> None:
        """Read messages until the subscriber exits."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            at, qos, length, topic, payload = line.rstrip("\n").split(" ", 4)
            self.take(float(at), topic, int(qos), int(length), payload)

    def __enter__(self) -> "Subscriber":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
        self.thread.join()


# Devices whose retained states are requested, and the number of subscribers that do so.
SAMPLE = 50
SUBSCRIBERS = 5


def retained_states(host: str, port: int, devices: int) -> dict[str, dict[str, Any]]:
    """The retained states of some devices as new subscribers receive them from a broker.

    They subscribe to each topic by name: RabbitMQ sends no retained messages for filters with wildcards, and
    takes seconds for tens of filters on a busy machine.
    """
    step = max(1, devices // SAMPLE)
    topics = [f"affectd/device-{number:05}/state" for number in range(0, devices, step)][:SAMPLE]
    asking = []
    for start in range(SUBSCRIBERS):
        mine = topics[start::SUBSCRIBERS]
        options = f"-h {host} -p {port} -q 0 --retained-only -C {len(mine)} -W 20 -F".split()
        filters = [part for topic in mine for part in ("-t", topic)]
        command = ["mosquitto_sub", *options, "%t %p", *filters]
        # It exits with a timeout if there is no message, which is not a failure.
        asking.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
    states: dict[str, dict[str, Any]] = {}
    for process in asking:
        for line in process.communicate()[0].splitlines():
            topic, _, payload = line.partition(" ")
            states[topic.split("/")[1]] = json.loads(payload)
    return states
