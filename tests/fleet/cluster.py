"""A fleet on three RabbitMQ nodes that every device knows; one node is killed under load and comes back."""

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from parts import STARTING_S, Fleet, Subscriber, listens, retained_states, running, until

NODES = [1, 2, 3]
PORT = 1883
# The node that is killed, and another one, to which a subscriber is connected.
KILLED, WATCHED = 1, 2
# Load before and after, in seconds: more than `mqtt.refresh_s`, so that every device publishes its state.
LOAD_S = 20.0
# Devices must be back within this time, according to the issue that asked for this test.
LIMIT_S = 30.0


def run(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Kill a node under load."""
    with contextlib.ExitStack() as stack:
        # The nodes' files.
        stack.callback(shutil.rmtree, f"{args.rabbitmq}{folder}")
        for number in NODES:
            stack.enter_context(node(args.rabbitmq, folder, number))
        starting_s = until(
            "three nodes listen", lambda: all(listens(PORT, address(each)) for each in NODES), STARTING_S
        )
        brokers = f"{','.join(map(address, NODES))}:{PORT}"
        fleet = stack.enter_context(Fleet(args.fleet, brokers, args.devices))
        accepted_s = fleet.wait_for_all()
        live: dict[str, tuple[float, int]] = {}
        back: dict[str, float] = {}
        killed_at = [float("inf")]

        def take(at: float, topic: str, _qos: int, _length: int, payload: str) -> None:
            device = topic.split("/")[1]
            if topic.endswith("/availability"):
                if at > killed_at[0] and payload == "online":
                    back.setdefault(device, at - killed_at[0])
            else:
                live[device] = (at, json.loads(payload)["seq"])

        topics = ["affectd/+/state", "affectd/+/availability"]
        stack.enter_context(Subscriber(PORT, topics, take, address(WATCHED)))
        time.sleep(LOAD_S)
        on_node = connections(KILLED)
        killed_at[0] = time.time()
        kill(KILLED)
        time.sleep(LIMIT_S)
        silent = [device for device, (at, _) in live.items() if at < killed_at[0] + 1]
        survivors = retained(live, [number for number in NODES if number != KILLED], args.devices)
        stack.enter_context(node(args.rabbitmq, folder, KILLED))
        rejoined_s = until("the node is back", lambda: listens(PORT, address(KILLED)), STARTING_S)
        time.sleep(LOAD_S)
        returned = retained(live, [KILLED], args.devices)
        fleet.stop()
    times = sorted(back.values())
    return {
        "starting_s": round(starting_s, 1),
        "accepted_s": round(accepted_s, 1),
        "connections_of_killed_node": on_node,
        "reconnected": len(back),
        "back_s": {"median": round(statistics.median(times), 1), "last": round(times[-1], 1)},
        "silent_after_limit": len(silent) + args.devices - len(live),
        "retained_on_survivors": survivors,
        "rejoined_s": round(rejoined_s, 1),
        "retained_on_returned_node": returned,
    }


def address(number: int) -> str:
    """The address that a node listens on."""
    return f"127.0.0.{number}"


@contextlib.contextmanager
def node(root: Path, folder: Path, number: int) -> Iterator[None]:
    """A node of the cluster; its files are below `root`."""
    script = Path(__file__).parent / "rabbitmq.sh"
    with running(script, root, folder, number, log=folder / f"rabbitmq{number}.log"):
        try:
            yield
        finally:
            kill(number)


def beam(number: int) -> int | None:
    """The process of a node."""
    name = f"RABBITMQ_NODENAME=rabbit{number}@localhost".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        # Processes may exit while they are inspected.
        with contextlib.suppress(OSError):
            is_beam = (entry / "comm").read_text() == "beam.smp\n"
            if is_beam and name in (entry / "environ").read_bytes().split(b"\0"):
                return int(entry.name)
    return None


def kill(number: int) -> None:
    """Kill a node without warning."""
    if pid := beam(number):
        os.kill(pid, signal.SIGKILL)


def connections(number: int) -> int:
    """Clients connected to a node: established connections to its port."""
    port = f"{number:02X}00007F:{PORT:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(1 for line in lines if line.split()[1] == port and line.split()[3] == "01")


def retained(live: dict[str, tuple[float, int]], nodes: list[int], devices: int) -> dict[str, int]:
    """Retained states of some devices on these nodes, and how many are older than the device's newest."""
    found = stale = 0
    for number in nodes:
        newest = {device: seq for device, (_, seq) in live.items()}
        for device, state in retained_states(address(number), PORT, devices).items():
            found += 1
            stale += state["seq"] < newest.get(device, 0)
    return {"found": found, "stale": stale}
