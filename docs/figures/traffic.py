#!/usr/bin/env python3
"""Count what `affectd run` publishes about the bundled clip, and what Home Assistant would record of it.

    docs/figures/traffic.py AFFECTD [--seconds 260]

Runs the daemon twice, with its defaults and with those of version 0.1 (SETTINGS_0_1), and prints one JSON object. A row is
a change of an entity's state or of its attributes, as Home Assistant's recorder stores it; entities that are disabled by
default are not recorded. Bytes are those of MQTT's PUBLISH packets, without TCP and TLS. Needs Python 3.11 or later.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLIP = ["device=lobby", "camera.source=files", "camera.path=src/measure/clip/two-portraits.mjpeg", "camera.rate=10", "camera.repeat=true"]
SETTINGS_0_1 = ["mqtt.rate=2", "mqtt.scene_rate=2", "mqtt.face_rate=2", "mqtt.faces=true", "mqtt.dead_band=0"]

# The entities that are enabled by default: the last level of the topic, and what is recorded of a message.
ENTITIES = {
    "Presence": ("state", lambda p: None if p["faces"] is None else p["faces"] > 0),
    "Expression": ("state", lambda p: p["category"]),
    "Valence": ("state", lambda p: p["valence"]),
    "Arousal": ("state", lambda p: p["arousal"]),
    "Faces": ("state", lambda p: p["faces"]),
    "Mood": ("scene", lambda p: p["valence"]),
    "Attending": ("scene", lambda p: p["attending"]),
    "Visits today": ("visits", lambda p: p["today"]["visits"]),
    "Smiles today": ("visits", lambda p: p["today"]["smiled"]),
    "Mean visit": ("visits", lambda p: p["today"]["mean_s"]),
    # Every event is a state of its own.
    "Face": ("event", lambda p: p["seq"]),
    "Camera": ("camera", lambda p: (p["status"], p["reason"])),
    "Load shed": ("health", lambda p: (p["shed"], p["shed_reason"])),
    "Temperature": ("health", lambda p: p["temperature"]),
}


def main():
    """Run both, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("affectd", help="the program")
    parser.add_argument("--seconds", type=float, default=260, help="length of each run; the clip has 13 seconds")
    args = parser.parse_args()
    result = {
        "seconds": args.seconds,
        "version_0_1": count(args.affectd, args.seconds, SETTINGS_0_1),
        "defaults": count(args.affectd, args.seconds, []),
    }
    print(json.dumps(result))


def count(affectd, seconds, settings):
    """The rows and bytes of one run, per hour and per day."""
    command = [affectd, "--log-level", "warn"]
    for setting in CLIP + settings:
        command += ["--set", setting]
    with tempfile.NamedTemporaryFile() as output:
        file = Path(output.name)
        daemon = subprocess.Popen([*command, "run"], cwd=ROOT, stdout=output)
        try:
            # Loading the models takes seconds.
            while b'"age":0' not in file.read_bytes():
                if daemon.poll() is not None:
                    sys.exit(f"traffic.py: {affectd} has ended")
                time.sleep(0.1)
            begin = file.stat().st_size
            time.sleep(seconds)
            text = file.read_bytes()[begin:]
        finally:
            daemon.terminate()
            daemon.wait()
    # The first and the last line may be incomplete.
    messages = [json.loads(line) for line in text.splitlines()[1:-1]]
    rows = recorded(messages)
    size = sum(packet_size(message) for message in messages)
    return {
        "rows_per_hour": {name: round(number * 3600 / seconds) for name, number in rows.items()},
        "all_rows_per_hour": round(sum(rows.values()) * 3600 / seconds),
        "messages_per_second": round(len(messages) / seconds, 2),
        "megabytes_per_day": round(size / seconds * 86400 / 1e6, 1),
        "longest_silence_s": longest_silence(messages),
    }


def recorded(messages):
    """How often each entity changes."""
    last, rows = {}, Counter()
    for message in messages:
        level = message["topic"].rsplit("/", 1)[-1]
        for name, (topic, value) in ENTITIES.items():
            if topic == level:
                now = value(message["payload"])
                rows[name] += name not in last or last[name] != now
                last[name] = now
    return rows


def packet_size(message):
    """Bytes of an MQTT 3.1.1 PUBLISH packet with QoS 1: header, topic, packet identifier and payload."""
    payload = message["payload"]
    size = len(payload) if isinstance(payload, str) else len(json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode())
    return 3 + 2 + len(message["topic"]) + 2 + size


def longest_silence(messages):
    """The longest time between two state messages, in seconds."""
    states = [message["payload"]["time"] for message in messages if message["topic"].endswith("/state")]
    times = [seconds_of_day(text) for text in states]
    return round(max((later - earlier) % 86400 for earlier, later in zip(times, times[1:])), 2)


def seconds_of_day(text):
    """Of a time such as 2026-03-01T09:30:00.250Z."""
    hours, minutes, seconds = text[11:-1].split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


if __name__ == "__main__":
    main()
