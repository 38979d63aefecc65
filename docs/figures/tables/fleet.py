"""Tables of docs/fleet.md."""

from tables.common import percent, record, source, table

# The fleet size of the extrapolation.
LARGE_FLEET = 100_000


TOPICS = ["state", "scene", "face", "event", "visits", "health"]


def fleet_traffic() -> str:
    """Messages and bytes of a device, and of many."""
    result, measured = record("fleet")
    part = result["one_broker"]
    messages, octets = part["messages_per_device_and_second"], part["bytes_per_device_and_second"]

    def row(name: str, topics: list[str]) -> list[str]:
        count, size = (sum(values.get(topic, 0) for topic in topics) for values in (messages, octets))
        many = [f"{LARGE_FLEET * count:,.0f}", f"{LARGE_FLEET * size * 8 / 1e6:,.0f} Mbit/s"]
        return [name, f"{count:.3f}", f"{size:,.0f}", f"{size * 86_400 / 1e6:,.1f} MB", *many]

    rows = [row(f"`{topic}`", [topic]) for topic in TOPICS]
    rows.append(row("all", TOPICS))
    head = [
        "topic",
        "messages/s",
        "bytes/s",
        "a day",
        f"{LARGE_FLEET:,} devices: messages/s",
        f"{LARGE_FLEET:,} devices",
    ]
    return table(head, rows) + "\n\n" + source(measured)


def fleet_load() -> str:
    """Processor time and memory, and recovery after the broker is killed."""
    result, measured = record("fleet")
    part = result["one_broker"]
    devices = part["devices"]
    broker = part["broker_cpu_share"]
    rows = [
        ["publishing, processor time of a device", percent(part["cpu_share_of_a_device"], 3) + " of a core"],
        [
            "publishing, memory of a device in the load generator",
            f"{part['fleet_rss_bytes'] / devices / 1024:.0f} KiB",
        ],
        [f"mosquitto with {devices:,} devices, processor time", percent(broker) + " of a core"],
        [f"mosquitto with {devices:,} devices, memory", f"{part['broker_rss_bytes'] / 2**20:.0f} MiB"],
        [
            f"the same for {LARGE_FLEET:,} devices, extrapolated",
            f"{broker / devices * LARGE_FLEET:.0f} cores",
        ],
        [
            f"broker killed, away for {part['broker_away_s']:.0f} s: until each device has published again",
            f"median {part['back_s']['median']} s, last {part['back_s']['last']} s",
        ],
    ]
    return table(["what", "measured"], rows) + "\n\n" + source(measured)


def fleet_cluster() -> str:
    """One node of three killed under load."""
    result, measured = record("fleet")
    part = result["cluster"]
    survivors, returned = part["retained_on_survivors"], part["retained_on_returned_node"]
    rows = [
        ["devices", f"{part['devices']:,}"],
        ["of these on the killed node", f"{part['connections_of_killed_node']:,}"],
        ["back on another node", f"{part['reconnected']:,}"],
        ["until `online` again", f"median {part['back_s']['median']} s, last {part['back_s']['last']} s"],
        ["devices silent 30 s later", str(part["silent_after_limit"])],
        [
            "retained states of 50 devices found on the surviving nodes; stale",
            f"{survivors['found']}; {survivors['stale']}",
        ],
        [
            "retained states of 50 devices found on the node that came back; stale",
            f"{returned['found']}; {returned['stale']}",
        ],
    ]
    return table(["what", "measured"], rows) + "\n\n" + source(measured)


def fleet_consumers() -> str:
    """The group of consumers that writes to PostgreSQL."""
    result, measured = record("fleet")
    part = result["consumers"]
    visits = part["rows_per_second"]
    rows = [
        ["devices; consumers in the group", f"{part['devices']:,}; {part['consumers']}"],
        ["visits published; rows", f"{part['visits_published']:,}; {part['rows']:,}"],
        ["visits per second", f"{visits:.1f}"],
        ["processor time of the group", percent(part["cpu_share_of_the_group"]) + " of a core"],
        ["PostgreSQL, bytes a row with index", f"{part['bytes_per_row']:,}"],
        [
            f"{LARGE_FLEET:,} devices with 500 visits a day",
            f"{LARGE_FLEET * 500 / 86_400:,.0f} rows/s, "
            f"{LARGE_FLEET * 500 * part['bytes_per_row'] / 1e9:,.1f} GB a day",
        ],
    ]
    return table(["what", "measured"], rows) + "\n\n" + source(measured)


TABLES = [fleet_traffic, fleet_load, fleet_cluster, fleet_consumers]
