"""A fleet on one mosquitto: traffic and processor time, and the recovery after the broker is killed."""

import argparse
import collections
import time
from pathlib import Path

from parts import Fleet, Subscriber, cpu_seconds, mosquitto, rss_bytes, until

PORT = 1883
# How long traffic is counted, in seconds: three of the load generator's periods.
WINDOW_S = 60.0
# How long the broker stays down, in seconds.
AWAY_S = 5.0


def run(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Measure."""
    with mosquitto(PORT, folder) as broker, Fleet(args.fleet, f"127.0.0.1:{PORT}", args.devices) as fleet:
        accepted_s = fleet.wait_for_all()
        # Discovery and the first states are not part of a fleet's regular traffic.
        time.sleep(5)
        traffic = count_traffic(fleet, broker.pid)
        broker.kill()
        broker.wait()
        killed = time.time()
        time.sleep(AWAY_S)
        with mosquitto(PORT, folder):
            restarted = time.time()
            back = seconds_until_back(fleet)
        fleet.stop()
    return {
        "accepted_s": round(accepted_s, 1),
        **traffic,
        "broker_away_s": round(restarted - killed, 1),
        "back_s": {key: round(value, 1) for key, value in back.items()},
    }


def count_traffic(fleet: Fleet, broker: int) -> dict[str, object]:
    """Messages, bytes and processor time of each device, and of the broker, over `WINDOW_S`."""
    messages: collections.Counter[str] = collections.Counter()
    octets: collections.Counter[str] = collections.Counter()
    latest = [0.0]

    def take(at: float, topic: str, qos: int, length: int, _payload: str) -> None:
        kind = topic.split("/", 2)[2].split("/")[0]
        messages[kind] += 1
        octets[kind] += packet_bytes(topic, qos, length)
        latest[0] = at

    with Subscriber(PORT, ["affectd/+/#"], take):
        # The retained messages of all devices come first.
        time.sleep(3)
        messages.clear()
        octets.clear()
        before = (time.monotonic(), fleet.last["cpu_seconds"], cpu_seconds(broker))
        time.sleep(WINDOW_S)
        seconds = time.monotonic() - before[0]
        device_cpu = fleet.last["cpu_seconds"] - before[1]
        broker_cpu = cpu_seconds(broker) - before[2]
        counted, sizes = dict(messages), dict(octets)
    each = fleet.devices * seconds
    return {
        "seconds": round(seconds, 1),
        "messages_per_device_and_second": {
            kind: round(count / each, 4) for kind, count in sorted(counted.items())
        },
        "bytes_per_device_and_second": {kind: round(size / each, 2) for kind, size in sorted(sizes.items())},
        "cpu_share_of_a_device": round(device_cpu / each, 6),
        "broker_cpu_share": round(broker_cpu / seconds, 4),
        "broker_rss_bytes": rss_bytes(broker),
        "fleet_rss_bytes": int(fleet.last["rss_bytes"]),
    }


def packet_bytes(topic: str, qos: int, length: int) -> int:
    """Size of the PUBLISH packet (MQTT 3.1.1, 3.3): header, topic, packet identifier, payload."""
    remaining = 2 + len(topic) + (2 if qos else 0) + length
    return 1 + (1 if remaining < 128 else 2 if remaining < 16384 else 3) + remaining


def seconds_until_back(fleet: Fleet) -> dict[str, float]:
    """Seconds from now until a state of each device has arrived: median and last."""
    seen: dict[str, float] = {}
    started = time.time()

    def take(at: float, topic: str, _qos: int, _length: int, _payload: str) -> None:
        seen.setdefault(topic.split("/")[1], at - started)

    with Subscriber(PORT, ["affectd/+/state"], take):
        until("every device is back", lambda: len(seen) == fleet.devices)
    times = sorted(seen.values())
    return {"median": times[len(times) // 2], "last": times[-1]}
