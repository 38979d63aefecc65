#!/usr/bin/env python3
"""Print who is in front of a camera, without ever printing stale data.

    subscriber.py [--host HOST] [--port PORT] [--ca-file FILE] [--username NAME --password-file FILE]
        [--base affectd] DEVICE

Needs paho-mqtt 2: Debian's python3-paho-mqtt from release 13, or
`python3 -m venv venv && venv/bin/pip install paho-mqtt`.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode


class Scene:
    """The newest scene, as long as it is current."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.online = False
        self.scene: dict[str, Any] = {}
        self.arrived = 0.0

    def subscribe(self, client: mqtt.Client, _data: object, _flags: object, reason: ReasonCode, *_: object) -> None:
        """Subscribe on every connection; the broker then sends its retained messages."""
        if reason.is_failure:
            print(f"the broker refuses the connection: {reason}", flush=True)
            return
        client.subscribe([(f"{self.base}/availability", 1), (f"{self.base}/scene", 1)])

    def receive(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        """Handle a message."""
        if message.topic.endswith("/availability"):
            self.online = message.payload == b"online"
        else:
            self.scene = json.loads(message.payload)
            self.arrived = time.monotonic()

    def words(self) -> str:
        """Describe the scene."""
        if not self.online or not self.scene:
            return "the daemon is not connected"
        # An unchanged scene is published again within `refresh` seconds.
        if time.monotonic() - self.arrived > 2 * self.scene["refresh"]:
            return "nothing current is known"
        faces, valence = self.scene["faces"], self.scene["valence"]
        if faces is None:
            return "nobody looks: privacy, no camera, or too few faces"
        mood = "" if valence is None else f", valence {valence:+.2f}"
        return f"{faces} faces, {self.scene['attending']} attending, {self.scene['category']}{mood}"


def main() -> None:
    """Print a line whenever the scene changes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--host", default="localhost", help="the broker")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--ca-file", help="use TLS and trust these authorities")
    parser.add_argument("--username")
    parser.add_argument("--password-file", type=Path, help="its first line is the password")
    parser.add_argument("--base", default="affectd", help="mqtt.base of the daemon")
    parser.add_argument("device", metavar="DEVICE", help="name of the device")
    args = parser.parse_args()
    scene = Scene(f"{args.base}/{args.device}")
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    if args.ca_file:
        client.tls_set(args.ca_file)
    if args.username:
        password = args.password_file.read_text().splitlines()[0] if args.password_file else None
        client.username_pw_set(args.username, password)
    client.on_connect = scene.subscribe
    client.on_disconnect = lambda *_: setattr(scene, "online", False)
    client.on_message = scene.receive
    client.connect_async(args.host, args.port)
    client.loop_start()
    last = ""
    while True:
        if (words := scene.words()) != last:
            print(words, flush=True)
            last = words
        time.sleep(0.2)


if __name__ == "__main__":
    main()
