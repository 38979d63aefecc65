"""The example of docs/examples/fleet: consumers that share a subscription and write to PostgreSQL."""

import argparse
import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from parts import Fleet, Subscriber, cpu_seconds, mosquitto, running, until

PORT = 1883
EXAMPLE = Path(__file__).resolve().parents[2] / "docs/examples/fleet"
GROUP = 3
# Load before a consumer is killed, while it is away, and after, in seconds.
LOAD_S = 30.0


def run(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Check that every visit is in the database once, although a consumer is killed and restarted."""
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(postgresql(folder))
        stack.enter_context(mosquitto(PORT, folder))
        published = 0

        def take(_at: float, _topic: str, _qos: int, _length: int, payload: str) -> None:
            nonlocal published
            published += json.loads(payload)["event"] == "left"

        stack.enter_context(Subscriber(PORT, ["affectd/+/event"], take))
        group = [
            stack.enter_context(consumer(args.python, database, number, folder)) for number in range(GROUP)
        ]
        time.sleep(5)
        fleet = stack.enter_context(Fleet(args.fleet, f"127.0.0.1:{PORT}", args.devices))
        fleet.wait_for_all()
        time.sleep(LOAD_S)
        started, used = time.monotonic(), sum(cpu_seconds(each.pid) for each in group)
        time.sleep(LOAD_S)
        seconds, used = time.monotonic() - started, sum(cpu_seconds(each.pid) for each in group) - used
        group[0].send_signal(signal.SIGKILL)
        group[0].wait()
        time.sleep(LOAD_S)
        stack.enter_context(consumer(args.python, database, 0, folder))
        time.sleep(LOAD_S)
        fleet.stop()
        # Messages to the subscriber may still be in flight.
        time.sleep(2)
        rows = 0

        def all_written() -> bool:
            nonlocal rows
            rows = int(query(database, "select count(*) from visit"))
            return rows >= published

        until("every visit is in the database", all_written)
        devices = int(query(database, "select count(distinct device) from visit"))
        size = int(query(database, "select pg_total_relation_size('visit')"))
    return {
        "consumers": GROUP,
        "visits_published": published,
        "rows": rows,
        "devices": devices,
        "rows_per_second": round(published / (4 * LOAD_S), 1),
        "cpu_share_of_the_group": round(used / seconds, 4),
        "bytes_per_row": round(size / rows),
    }


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A PostgreSQL with the example's table; its connection string."""
    data, socket = folder / "postgresql", folder / "socket"
    socket.mkdir()
    bins = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    for path in (folder, socket):
        subprocess.run(["chown", "postgres", path], check=True)

    def as_postgres(*command: object) -> None:
        output = subprocess.DEVNULL
        subprocess.run(
            ["runuser", "-u", "postgres", "--", *map(str, command)], check=True, stdout=output, cwd=folder
        )

    as_postgres(bins / "initdb", "-D", data, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8")
    options = f"-c listen_addresses= -c unix_socket_directories={socket}"
    as_postgres(bins / "pg_ctl", "-D", data, "-w", "-o", options, "-l", folder / "postgresql.log", "start")
    database = f"host={socket} user=postgres dbname=postgres"
    try:
        subprocess.run(["psql", "--quiet", database, "-f", EXAMPLE / "schema.sql"], check=True)
        yield database
    finally:
        as_postgres(bins / "pg_ctl", "-D", data, "-m", "immediate", "stop")


def query(database: str, statement: str) -> str:
    """The only value of a query's result."""
    command = ["psql", "--no-align", "--tuples-only", database, "-c", statement]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@contextlib.contextmanager
def consumer(python: Path, database: str, number: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One consumer of the group."""
    options = f"--port {PORT} --name consumer-{number}".split()
    log = folder / f"consumer{number}.log"
    with running(python, EXAMPLE / "consumer.py", *options, "--database", database, log=log) as process:
        yield process
