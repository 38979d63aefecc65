"""Measure how many rows Home Assistant's recorder writes and how many bytes reach the broker, with the bundled clip.

    traffic.py [--minutes MINUTES] [--json]

Measures once with the default settings, and once with settings that publish everything that is seen. Prints a
table, or JSON.
"""

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from parts import PORT, Broker, CheckError, Daemon, HomeAssistant, Program, until

MODES = {
    "defaults": (),
    # As before the dead band was introduced, and with everything about each face.
    "everything": ("mqtt.rate=2", "mqtt.scene_rate=2", "mqtt.face_rate=2", "mqtt.dead_band=0", "mqtt.faces=true"),
}
# Topics that are published again even without a change.
REFRESHED = ("state", "scene")
# Until the first visits have ended and the entities have reached their steady state.
WARM_UP_S = 60.0


class Subscriber(Program):
    """mosquitto_sub, which writes a line for each message: time, whether the broker had stored it, topic, payload."""

    def __init__(self) -> None:
        command = ["mosquitto_sub", "-V", "5", "-q", "1", "-p", str(PORT), "-t", "affectd/#", "-t", "homeassistant/device/#"]
        super().__init__("subscriber", [*command, "-F", "%U %r %t %p"])

    def messages(self, begin: float, end: float) -> list[tuple[float, str, str]]:
        """Return the messages that were published in this period: time, topic and payload."""
        found = []
        for line in self.log.read_text().splitlines():
            at, stored, topic, payload = line.split(" ", 3)
            if stored == "0" and begin <= float(at) < end:
                found.append((float(at), topic, payload))
        return found


async def measure(home: HomeAssistant, settings: tuple[str, ...], seconds: float) -> dict[str, Any]:
    """Run the daemon with these settings, and count for this long."""
    daemon, subscriber = Daemon(*settings), Subscriber()
    await subscriber.start()
    await daemon.start()
    try:
        await until("a face", lambda: home.state("binary_sensor.affectd_lobby_presence") == "on")
        await asyncio.sleep(WARM_UP_S)
        rows, begin = Counter(home.rows()), time.time()
        await asyncio.sleep(seconds)
        end = time.time()
        # The recorder writes once a second.
        await asyncio.sleep(2)
        rows = Counter(home.rows()) - rows
    finally:
        await daemon.stop()
        await subscriber.stop()
    messages = subscriber.messages(begin, end)
    return {"settings": list(settings), **counted(messages, begin, end), "rows_per_hour": per(rows, (end - begin) / 3600)}


def counted(messages: list[tuple[float, str, str]], begin: float, end: float) -> dict[str, Any]:
    """Return figures about the messages: their number, their size, and what was seen."""
    seconds = end - begin
    number: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for _, topic, payload in messages:
        name = topic.split("/")[2]
        number[name] += 1
        size[name] += len(topic.encode()) + len(payload.encode())
    silence = {}
    for name in REFRESHED:
        times = [begin, *(at for at, topic, _ in messages if topic.endswith(f"/{name}")), end]
        silence[name] = round(max(after - before for before, after in itertools.pairwise(times)), 2)
    states = [(at, json.loads(payload)) for at, topic, payload in messages if topic.endswith("/state")]
    health = [json.loads(payload) for _, topic, payload in messages if topic.endswith("/health")]
    if not states or not health:
        raise CheckError(f"no state or no health in {seconds:.0f} s")
    ends = [at for at, _ in states[1:]] + [end]
    with_face = sum(until - at for (at, state), until in zip(states, ends, strict=True) if state["faces"])
    return {
        "seconds": round(seconds),
        "share_with_face": round(with_face / (end - states[0][0]), 3),
        "fps": round(sum(message["fps"] for message in health) / len(health), 1),
        "refresh_s": states[0][1]["refresh"],
        "longest_silence_s": silence,
        "messages_per_hour": per(number, seconds / 3600),
        "bytes_per_day": per(size, seconds / 86400),
    }


def per(counts: Counter[str], unit: float) -> dict[str, int]:
    """Return counts per unit of time, the largest first."""
    return {name.removeprefix("sensor.affectd_lobby_"): round(count / unit) for name, count in counts.most_common()}


def words(name: str, mode: dict[str, Any]) -> str:
    """Describe one measurement."""
    rows, octets = mode["rows_per_hour"], mode["bytes_per_day"]
    lines = [
        f"{name}: a face in view for {mode['share_with_face']:.0%} of {mode['seconds']} s, {mode['fps']} frames/s",
        f"  recorder rows an hour: {sum(rows.values()):,} {rows}",
        f"  bytes a day: {sum(octets.values()):,} {octets}",
        f"  longest silence: {mode['longest_silence_s']}; refresh: {mode['refresh_s']} s",
    ]
    return "\n".join(lines)


async def main() -> None:
    """Start the parts, measure, and stop the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="how long each measurement takes")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    Path("/tmp/home").mkdir()
    broker, home = Broker(), HomeAssistant()
    try:
        await broker.start()
        await home.begin()
        modes = {name: await measure(home, settings, 60 * args.minutes) for name, settings in MODES.items()}
    except CheckError as error:
        sys.exit(f"FAILED: {error}")
    finally:
        for part in (home, broker):
            if part.process:
                await part.stop()
        await home.session.close()
    if args.json:
        print(json.dumps(modes))
    else:
        print("\n".join(words(name, mode) for name, mode in modes.items()))


if __name__ == "__main__":
    asyncio.run(main())
