#!/usr/bin/env python3
"""Run the example configuration in a real Telegraf with a broker and the daemon with the bundled clip.

    telegraf.py TELEGRAF AFFECTD

Telegraf writes to an HTTP server of this program instead of InfluxDB. Exits with 1, the logs and what was
written if a measurement, a field or a tag is missing, or if a time is not that of the message.
"""

import gzip
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import parts

CONFIG = parts.REPOSITORY / "docs/examples/telegraf.conf"
# Lines of InfluxDB's line protocol: measurement, tags and fields, each with what follows.
EXPECTED = (
    r"^scene,category=happiness,device=lobby\S* (\S*,)?attending=\d+",
    r"^scene,category=happiness,device=lobby\S* (\S*,)?faces=[12]",
    r"^scene,category=happiness,device=lobby\S* (\S*,)?occupied=true",
    r"^scene,category=happiness,device=lobby\S* (\S*,)?probabilities_happiness=0\.\d+",
    r"^scene,category=happiness,device=lobby\S* (\S*,)?valence=0\.\d+",
    r"^visits,device=lobby\S* (\S*,)?today_visits=[1-9]",
    r"^health,device=lobby\S* (\S*,)?fps=\d+",
)
# The maximum age of a point when it is written, in seconds; Telegraf collects for ten.
MAX_AGE_S = 120


class Database(BaseHTTPRequestHandler):
    """InfluxDB as far as Telegraf's output needs it."""

    lines: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        """Receive points."""
        body = b"".join(self.chunks())
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.lines.extend(body.decode().splitlines())
        self.send_response(204)
        self.end_headers()

    def chunks(self) -> Iterator[bytes]:
        """Read the body, which Telegraf sends in chunks (RFC 9112, 7.1)."""
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def log_message(self, *_: object) -> None:
        """Stay silent."""


def main() -> None:
    """Start the parts, wait for the points, and stop the parts."""
    telegraf, affectd = sys.argv[1:]
    database = HTTPServer(("127.0.0.1", 0), Database)
    threading.Thread(target=database.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = parts.free_port()
        config = CONFIG.read_text()
        for default, own in (("1883", port), ("8086", database.server_port)):
            if config.count(f"127.0.0.1:{default}") != 1:
                sys.exit(f"telegraf.py: {CONFIG} does not name 127.0.0.1:{default} once")
            config = config.replace(f"127.0.0.1:{default}", f"127.0.0.1:{own}")
        (folder / "telegraf.conf").write_text(config)
        commands = {
            "mosquitto": parts.broker(folder, port),
            "telegraf": [telegraf, "--config", f"{name}/telegraf.conf"],
            "affectd": parts.daemon(affectd, port),
        }
        with parts.running(folder, commands, {**os.environ, "INFLUX_TOKEN": "token"}):
            parts.wait_until(lambda: not missing())
        complaints = [line for line in (folder / "telegraf.log").read_text().splitlines() if " E! " in line]
        if missing() or late() or complaints:
            print(parts.logs(folder, commands))
            print("--- points", *Database.lines, sep="\n")
            sys.exit(f"FAILED: missing {missing()}; with another time {late()}; complaints {complaints}")
    print(f"ok  {len(Database.lines)} points with the fields, tags and times of the messages")


def missing() -> list[str]:
    """Return the expected patterns that no point matches."""
    return [point for point in EXPECTED if not any(re.search(point, line) for line in Database.lines)]


def late() -> list[str]:
    """Return the points whose time is not close to now."""
    now = time.time()
    return [line for line in Database.lines if abs(now - int(line.rsplit(" ", 1)[1]) / 1e9) > MAX_AGE_S]


if __name__ == "__main__":
    main()
