#!/usr/bin/env python3
"""Write the visits that a fleet of affectd devices publishes to PostgreSQL.

    consumer.py --host broker --database 'host=db dbname=fleet' --name consumer-1

Run several with different names: the broker hands each event to one of them (a shared subscription, MQTT 5,
section 4.8.2). A message is acknowledged once it is committed. A consumer that exits before that receives it
again after it reconnects under the same name, and the table's primary key keeps it from being counted twice.
Needs the packages of requirements.txt.
"""

import argparse
import json
import queue
import ssl
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import psycopg
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

# Every device's events. A group with another name than `visits` receives its own copy of all of them.
FILTER = "$share/visits/affectd/+/event"
# How long the broker queues messages for a consumer that is disconnected.
SESSION_S = 3600
# The most messages in one transaction.
BATCH = 500

INSERT = """
    insert into visit (device, boot, seq, ended, seconds, attended_s, smiled_s, shares, valence, arousal)
    values (%(device)s, %(boot)s, %(seq)s, %(time)s, %(seconds)s, %(attended_s)s, %(smiled_s)s, %(shares)s,
            %(valence)s, %(arousal)s)
    on conflict do nothing
"""


def main() -> None:
    """Consume until the process is killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--ca-file", help="use TLS and trust these authorities")
    parser.add_argument("--username")
    parser.add_argument("--password-file", type=Path, help="its first line is the password")
    parser.add_argument("--database", required=True, help="connection string")
    parser.add_argument("--name", required=True, help="client id, different for each consumer")
    args = parser.parse_args()
    arrived: queue.Queue[mqtt.MQTTMessage] = queue.Queue()
    client = subscriber(args, arrived)
    with psycopg.connect(args.database) as database:
        client.loop_start()
        while True:
            messages = next_batch(arrived)
            rows = [row for message in messages if (row := visit(message)) is not None]
            with database.transaction(), database.cursor() as cursor:
                cursor.executemany(INSERT, rows)
            for message in messages:
                client.ack(message.mid, message.qos)


def subscriber(args: argparse.Namespace, arrived: queue.Queue[mqtt.MQTTMessage]) -> mqtt.Client:
    """A client that subscribes on every connection and queues what arrives."""
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id=args.name, protocol=mqtt.MQTTv5, manual_ack=True
    )
    if args.ca_file:
        client.tls_set_context(ssl.create_default_context(cafile=args.ca_file))

    if args.username:
        password = args.password_file.read_text().splitlines()[0] if args.password_file else None
        client.username_pw_set(args.username, password)

    def connected(client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, *_: Any) -> None:
        if reason.is_failure:
            print(f"the broker refuses the connection: {reason}", flush=True)
            return
        client.subscribe(FILTER, qos=1)

    client.on_connect = connected
    client.on_message = lambda _client, _data, message: arrived.put(message)
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = SESSION_S
    client.connect(args.host, args.port, clean_start=False, properties=properties)
    return client


def next_batch(arrived: queue.Queue[mqtt.MQTTMessage]) -> list[mqtt.MQTTMessage]:
    """Wait for a message, then take any others that are already queued."""
    messages = [arrived.get()]
    while len(messages) < BATCH and not arrived.empty():
        messages.append(arrived.get())
    return messages


def visit(message: mqtt.MQTTMessage) -> dict[str, Any] | None:
    """The row of an event, if it is the end of a visit. Messages of other programs are skipped."""
    try:
        event = json.loads(message.payload)
        if event["event"] != "left":
            return None
        mean = {axis: event[axis] and event[axis]["mean"] for axis in ("valence", "arousal")}
        return {
            **{key: event[key] for key in ("boot", "seq", "time", "seconds", "attended_s", "smiled_s")},
            "device": message.topic.split("/")[1],
            "shares": json.dumps(event["shares"]),
            **mean,
        }
    except (ValueError, KeyError, TypeError) as error:
        print(f"{message.topic}: {error!r}", flush=True)
        return None


if __name__ == "__main__":
    main()
