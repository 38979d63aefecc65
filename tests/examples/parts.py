"""Shared by the tests of the examples: a broker, and the daemon with the bundled clip."""

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CLIP = REPOSITORY / "src/measure/clip/two-portraits.mjpeg"
# Generous, because a shared machine may be slow.
PATIENCE_S = 180


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def broker(folder: Path, port: int) -> list[str]:
    """Return the command of a broker at this port."""
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    return ["mosquitto", "-c", str(config)]


def daemon(affectd: str, port: int) -> list[str]:
    """Return the command of the daemon `lobby`, in front of which people come and go."""
    settings = [
        "device=lobby",
        f"models={REPOSITORY}/models",
        "mqtt.host=127.0.0.1",
        f"mqtt.port={port}",
        "camera.source=files",
        f"camera.path={CLIP}",
        "camera.rate=10",
        "camera.repeat=true",
        # The clip's faces stay for a few seconds only.
        "visit.present_s=2",
    ]
    return [affectd, "run", *(word for setting in settings for word in ("--set", setting))]


@contextlib.contextmanager
def running(folder: Path, commands: dict[str, list[str]], environment: dict[str, str]) -> Iterator[None]:
    """Run programs, each with its output in FOLDER/NAME.log, and terminate them at the end."""
    programs = []
    for name, command in commands.items():
        with (folder / f"{name}.log").open("wb") as log:
            programs.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))
    try:
        yield
    finally:
        for program in reversed(programs):
            program.send_signal(signal.SIGTERM)
            program.wait()


def wait_until(nothing_is_missing: Callable[[], bool]) -> None:
    """Wait until the condition holds or the time limit is reached."""
    deadline = time.monotonic() + PATIENCE_S
    while not nothing_is_missing() and time.monotonic() < deadline:
        time.sleep(0.2)


def logs(folder: Path, commands: dict[str, list[str]]) -> str:
    """Return what the programs printed."""
    return "\n".join(f"--- {name}\n{(folder / f'{name}.log').read_text()}" for name in commands)
