"""The program under test, its broker, and the console command, as child processes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
# Relative to the folder in which the daemon runs, as the page shows it.
CLIP = Path("src/measure/clip/two-portraits.mjpeg")

# Generous, because a shared machine may be slow; a passing test never waits this long.
PATIENCE = 240.0


def until(what: str, condition: Callable[[], object]) -> None:
    """Wait until the condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)


def free_port() -> int:
    """Find a free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def answers(port: int) -> bool:
    """Whether something listens at the port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def end(process: subprocess.Popen[Any]) -> None:
    """Terminate a child and wait for it."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    process.wait(PATIENCE)


class Broker:
    """A mosquitto on its own port, and a subscriber that records every message."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        configuration = folder / "mosquitto.conf"
        configuration.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
        self.process = subprocess.Popen(
            ["/usr/sbin/mosquitto", "-c", configuration], stderr=subprocess.DEVNULL
        )
        until("the broker listens", lambda: answers(self.port))
        self.record = (folder / "messages").open("w+")
        command = ["mosquitto_sub", "-p", str(self.port), "-t", "affectd/#", "-F", "%U %t %p"]
        self.subscriber = subprocess.Popen(command, stdout=self.record)

    def messages(self, pattern: str) -> Iterator[tuple[float, str, str]]:
        """Yield time, topic and payload of every message so far whose topic matches."""
        for line in Path(self.record.name).read_text().splitlines():
            moment, topic, payload = line.split(" ", 2)
            if re.fullmatch(pattern, topic):
                yield float(moment), topic, payload

    def last(self, topic: str) -> str:
        """Return the newest message on a topic, or nothing."""
        return ([payload for _, _, payload in self.messages(re.escape(topic))] or [""])[-1]

    def publish(self, topic: str, payload: str) -> None:
        """Publish one message."""
        command = ["mosquitto_pub", "-p", str(self.port), "-t", topic, "-m", payload]
        subprocess.run(command, check=True)

    def stop(self) -> None:
        """Stop both."""
        end(self.subscriber)
        end(self.process)


@dataclass
class Daemon:
    """An affectd that serves the live page; with a broker, it publishes there."""

    program: Path
    folder: Path
    broker: Broker | None = None
    pictures: Path = CLIP
    more: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        """Start it."""
        self.start()

    @property
    def url(self) -> str:
        """The address of its page."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def control(self) -> Path:
        """The path of its control socket."""
        return self.folder / "control"

    def start(self) -> None:
        """Start or restart it."""
        settings = {
            "device": "kiosk-7",
            "models": ROOT / "models",
            "camera.source": "files",
            "camera.path": self.pictures,
            "camera.repeat": "true",
            "camera.rate": "10",
            "http.listen": f"127.0.0.1:{self.port}",
        }
        if self.broker:
            settings |= {
                "mqtt.host": "127.0.0.1",
                "mqtt.port": self.broker.port,
                "mqtt.faces": "true",
                "mqtt.face_rate": "60",
            }
        words = [f"{key}={value}" for key, value in settings.items()]
        command = [
            str(self.program),
            *(part for word in [*words, *self.more] for part in ("--set", word)),
            "run",
        ]
        environment = {**os.environ, "RUNTIME_DIRECTORY": str(self.folder)}
        self.log = (self.folder / "log").open("a+")
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=self.log
        )
        until("the page is served", lambda: answers(self.port) or self.process.poll() is not None)

    def stop(self) -> None:
        """Stop it as systemd does."""
        end(self.process)

    def log_text(self) -> str:
        """Return what it logged so far."""
        return (self.folder / "log").read_text()

    def view(self) -> dict[str, Any]:
        """Return the first event that a page receives."""
        with urllib.request.urlopen(f"{self.url}events", timeout=PATIENCE) as events:
            for line in events:
                if line.startswith(b"data: "):
                    view: dict[str, Any] = json.loads(line[6:])
                    return view
        raise EOFError


class Console:
    """`affectd aim`, as run on the board's console."""

    def __init__(self, daemon: Daemon, *options: str) -> None:
        self.output = daemon.folder / "console"
        command = [str(daemon.program), "aim", "--socket", str(daemon.control), *options]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        until("the console shows a code", lambda: "#code=" in self.text() or self.process.poll() is not None)

    def text(self) -> str:
        """Return what it printed so far."""
        return self.output.read_text()

    def address(self) -> str:
        """Return the printed address with its code."""
        return self._find(r"http://127\.0\.0\.1:\d+/#code=[0-9A-Z-]+")

    def page(self) -> str:
        """Return the printed address without its code."""
        return self.address().partition("#")[0]

    def code(self) -> str:
        """Return the printed code."""
        return self.address().partition("=")[2]

    def _find(self, pattern: str) -> str:
        found = re.search(pattern, self.text())
        if found is None:
            raise ValueError(self.text())
        return found.group()

    def stop(self) -> None:
        """Stop it, as Ctrl-C does."""
        end(self.process)
