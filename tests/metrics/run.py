#!/usr/bin/env python3
"""Checks the metrics with a real Prometheus: what it reads, every query of the dashboard, and the alerts.

Starts the daemon with a program as its camera, a broker, and a Prometheus that scrapes the daemon, all on
loopback. The camera and the broker are then taken away, and the alerts must fire.
"""

import argparse
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
EXAMPLES = ROOT / "systemd" / "examples"

# Generous, because a shared machine may be slow; a passing test never waits this long.
PATIENCE_S = 120

# Metrics that a machine without these sensors, or with its clock in order, does not have.
OPTIONAL = ("affectd_temperature_celsius", "affectd_undervoltage", "affectd_throttled")


def camera(clip: Path, unplugged: Path) -> None:
    """Writes the pictures of a clip in a loop, ten a second, until the file `unplugged` exists."""
    pictures = [b"\xff\xd8" + part for part in clip.read_bytes().split(b"\xff\xd8")[1:]]
    while True:
        for picture in pictures:
            if unplugged.exists():
                sys.exit("the camera was unplugged")
            sys.stdout.buffer.write(picture)
            sys.stdout.buffer.flush()
            time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        sys.exit(f"{name} is needed")
    return found


@contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def until(what: str, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            if condition():
                print(f"ok: {what}")
                return
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.5)
    raise AssertionError(f"waited in vain: {what}")


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


class Prometheus:
    """Queries the server on one port."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/api/v1"

    def query(self, expression: str) -> list[Any]:
        parameters = urllib.parse.urlencode({"query": expression})
        result: list[Any] = json.loads(read(f"{self.url}/query?{parameters}"))["data"]["result"]
        return result

    def value(self, expression: str) -> float | None:
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else None

    def fires(self, alert: str) -> bool:
        alerts = json.loads(read(f"{self.url}/alerts"))["data"]["alerts"]
        return any(found["labels"]["alertname"] == alert and found["state"] == "firing" for found in alerts)


def promtool(*arguments: str, text: str | None = None) -> None:
    """Runs promtool, which must not report any problem."""
    result = subprocess.run(
        [program("promtool"), *arguments], input=text, capture_output=True, text=True, check=False, cwd=HERE
    )
    complaints = result.stderr if text is not None else ""
    if result.returncode != 0 or complaints:
        sys.exit(f"promtool {' '.join(arguments)}:\n{result.stdout}{result.stderr}")
    print(f"ok: promtool {' '.join(arguments)}")


def dashboard_queries() -> Iterator[str]:
    """Every query of the dashboard, for all boards and with a short interval."""
    dashboard = json.loads((EXAMPLES / "grafana-dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$instance", ".*").replace("$__rate_interval", "10s")


def start(stack: ExitStack, folder: Path, affectd: str) -> tuple[str, Prometheus, subprocess.Popen[bytes]]:
    """Starts broker, daemon and Prometheus; returns the metrics' address, Prometheus and the broker."""
    broker_port, http_port, prometheus_port = free_port(), free_port(), free_port()
    (folder / "mosquitto.conf").write_text(f"listener {broker_port} 127.0.0.1\nallow_anonymous true\n")
    broker = stack.enter_context(
        running([program("mosquitto"), "-c", str(folder / "mosquitto.conf")], folder / "mosquitto.log")
    )
    clip = ROOT / "src/measure/clip/two-portraits.mjpeg"
    command = [sys.executable, str(Path(__file__)), "camera", str(clip), str(folder / "unplugged")]
    settings = {
        "device": "lobby",
        "models": str(ROOT / "models"),
        "camera.source": "pipe",
        "camera.command": json.dumps(command),
        "mqtt.host": "127.0.0.1",
        "mqtt.port": str(broker_port),
        "http.listen": f"127.0.0.1:{http_port}",
    }
    options = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    stack.enter_context(running([affectd, "run", *options], folder / "affectd.log"))
    # Shortens the minutes to seconds; promtool tests the minutes.
    rules = (EXAMPLES / "affectd-alerts.yml").read_text()
    (folder / "alerts.yml").write_text(re.sub(r"for: \d+[mh]", "for: 2s", rules))
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
        "rule_files: [alerts.yml]\n"
        "scrape_configs:\n"
        f"  - {{job_name: affectd, static_configs: [{{targets: ['127.0.0.1:{http_port}']}}]}}\n"
    )
    stack.enter_context(
        running(
            [
                program("prometheus"),
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{prometheus_port}",
            ],
            folder / "prometheus.log",
        )
    )
    return f"http://127.0.0.1:{http_port}/metrics", Prometheus(prometheus_port), broker


def check(folder: Path, affectd: str) -> None:
    promtool("check", "rules", str(EXAMPLES / "affectd-alerts.yml"))
    promtool("test", "rules", str(HERE / "alerts_test.yml"))
    promtool("check", "config", "--syntax-only", str(EXAMPLES / "prometheus.yml"))
    with ExitStack() as stack:
        metrics, prometheus, broker = start(stack, folder, affectd)
        until("the daemon answers", lambda: "affectd_build_info" in read(metrics))
        until("a face is scraped", lambda: (prometheus.value("affectd_faces") or 0) > 0)
        promtool("check", "metrics", text=read(metrics))

        until("stages are counted", lambda: (prometheus.value("affectd_stage_seconds_count") or 0) > 0)
        until("rates are known", lambda: bool(prometheus.query("rate(affectd_frames_total[10s]) > 0")))
        for query in dashboard_queries():
            found = prometheus.query(query)
            if not found and not any(name in query and name not in read(metrics) for name in OPTIONAL):
                raise AssertionError(f"the dashboard's query finds nothing: {query}")
        print(f"ok: {len(list(dashboard_queries()))} queries of the dashboard")
        for alert in ("AffectdCameraDown", "AffectdBrokerDown", "AffectdDown", "AffectdStuck"):
            assert not prometheus.fires(alert), alert

        (folder / "unplugged").touch()
        until("the alert for the camera fires", lambda: prometheus.fires("AffectdCameraDown"))
        (folder / "unplugged").unlink()
        until("the alert for the camera ends", lambda: not prometheus.fires("AffectdCameraDown"))
        broker.send_signal(signal.SIGTERM)
        until("the alert for the broker fires", lambda: prometheus.fires("AffectdBrokerDown"))


def main() -> None:
    if sys.argv[1:2] == ["camera"]:
        camera(Path(sys.argv[2]), Path(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("affectd", help="the program")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="affectd-metrics-") as name:
        folder = Path(name)
        try:
            check(folder, arguments.affectd)
        except AssertionError:
            for log in ("affectd.log", "prometheus.log", "mosquitto.log"):
                if (folder / log).exists():
                    print(f"--- {log}\n{(folder / log).read_text()[-3000:]}", file=sys.stderr)
            raise


if __name__ == "__main__":
    main()
