"""The table of CONTRIBUTING.md."""

from tables.common import record, source, table


def ci() -> str:
    """How long each part of .ci/run takes with nothing cached."""
    result, measured = record("ci")
    parts = [(part["part"], part["minutes"], part["processor_minutes"]) for part in result["parts"]]
    sums = ("all", sum(wall for _, wall, _ in parts), sum(processor for _, _, processor in parts))
    rows = [[name, f"{wall:.1f}", f"{processor:.1f}"] for name, wall, processor in [*parts, sums]]
    return table(["part", "minutes", "processor minutes"], rows) + "\n\n" + source(measured)


TABLES = [ci]
