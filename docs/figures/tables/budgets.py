"""The estimates of models/budgets.toml, from counted instructions."""

import re
from dataclasses import dataclass

from tables.common import record

# The networks of a frame, by the field of their times.
NETWORKS = {"detect_ms": "centerface", "follow_ms": "blazeface", "classify_ms": "maxvit-ferplus-64"}
# The faces in a frame.
FACES = 2
# A factor on the networks' times, for cropping and resampling.
RESAMPLING = 9 / 8
# A safety factor, so a missed budget is significant.
MARGIN = 1.5
# The frame interval of a camera, in ms.
FRAME_MS = 67


@dataclass(frozen=True)
class Core:
    """A processor: the one whose instructions are counted, instructions per ns, and decoding time in ms."""

    counted: str
    speed: float
    decode_ms: float


# Clock frequency in GHz times instructions per cycle. Cortex-A53 and Cortex-A72 have the same instruction
# set, and so do Cortex-A76 and Cortex-A78AE.
CORES = {
    "Raspberry Pi 3": Core("cortex-a72", 1.2 * 0.7, 8),
    "Raspberry Pi 4": Core("cortex-a72", 1.5 * 1.2, 4),
    "Raspberry Pi 5": Core("cortex-a76", 2.4 * 2.0, 1.5),
    "Jetson Orin Nano": Core("cortex-a76", 1.5 * 2.2, 2),
}


def estimates(core: Core, counts: dict[tuple[str, str], int]) -> dict[str, float]:
    """The times of a board, as the comment in the file explains them."""
    run = {
        field: counts[network, core.counted] / core.speed / 1e6 * RESAMPLING
        for field, network in NETWORKS.items()
    }
    frame = FACES * (run["follow_ms"] + run["classify_ms"]) + core.decode_ms
    times = {
        "detect_ms": run["detect_ms"],
        "follow_ms": FACES * run["follow_ms"],
        "classify_ms": run["classify_ms"],
        "frame_ms": frame,
    }
    times = {field: float(f"{time * MARGIN:.2g}") for field, time in times.items()}
    return times | {"latency_ms": times["detect_ms"] + times["frame_ms"] + FRAME_MS}


def rendered(text: str) -> str:
    """The file with its estimates recomputed; measured budgets are kept."""
    result, _ = record("instructions")
    counts: dict[tuple[str, str], int] = {}
    for count in result["counts"]:
        network = (count["model"], count["cpu"])
        # A detector's layers with few channels are computed in f32 where that takes fewer instructions.
        if count["engine"] == "affectd-int8" or (
            count["engine"] == "affectd-f32" and count["model"] != NETWORKS["classify_ms"]
        ):
            counts[network] = min(count["instructions"], counts.get(network, count["instructions"]))
    head, *boards = re.split(r"(?m)^(?=\[\[board\]\])", text)
    for index, board in enumerate(boards):
        match = re.search(r'(?m)^name = "(.*)"$', board)
        if match and 'source = "estimate"' in board:
            for field, time in estimates(CORES[match[1]], counts).items():
                board = re.sub(rf"(?m)^{field} = .*$", f"{field} = {time:.1f}", board)
        boards[index] = board
    return head + "".join(boards)
