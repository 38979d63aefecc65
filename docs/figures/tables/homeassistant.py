"""Tables of docs/home-assistant.md."""

from typing import Any

from tables.common import percent, record, source, table

# The entities that existed when the rows were first counted.
FIRST = ("valence", "arousal", "expression", "faces")
MODES = {"defaults": "default settings", "everything": "everything published"}


def recorder() -> str:
    """Rows that Home Assistant's recorder writes, and what reaches the broker."""
    result, measured = record("homeassistant")
    modes = [result[mode] for mode in MODES]
    entities = {name: None for mode in modes for name in mode["rows_per_hour"]}
    rows = [
        ["a face in view", *(percent(mode["share_with_face"], 0) for mode in modes)],
        ["**recorder rows an hour**", *(f"**{sum(mode['rows_per_hour'].values()):,}**" for mode in modes)],
        ["of these Valence, Arousal, Expression and Faces", *(f"{first(mode):,}" for mode in modes)],
        *([f"`{name}`", *(f"{mode['rows_per_hour'].get(name, 0):,}" for mode in modes)] for name in entities),
        ["messages an hour", *(f"{sum(mode['messages_per_hour'].values()):,}" for mode in modes)],
        [
            "traffic a day, topics and payloads",
            *(f"{sum(mode['bytes_per_day'].values()) / 1e6:,.1f} MB" for mode in modes),
        ],
        *(
            [
                f"longest time without a message on `…/{topic}`",
                *(f"{mode['longest_silence_s'][topic]:.1f} s" for mode in modes),
            ]
            for topic in modes[0]["longest_silence_s"]
        ),
    ]
    settings = ", ".join(f"`{setting}`" for setting in result["everything"]["settings"])
    seconds = modes[0]["seconds"]
    summary = (
        f"The bundled clip at {modes[0]['fps']:.0f} frames/s, {seconds / 60:.0f} minutes each. "
        f"Everything: {settings}."
    )
    return table(["", *MODES.values()], rows) + "\n\n" + summary + "\n\n" + source(measured)


def first(mode: dict[str, Any]) -> int:
    """Rows of the first entities."""
    return sum(mode["rows_per_hour"].get(name, 0) for name in FIRST)


TABLES = [recorder]
