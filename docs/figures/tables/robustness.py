"""Tables of docs/faults.md and docs/robustness.md."""

from tables.common import record, source, table

KEPT = {"kept": "yes", "broken": "no"}


def faults() -> str:
    """Every fault that is caused with the program alone, and what was measured."""
    result, measured = record("faults")
    rows = [
        [
            str(scenario["number"]),
            scenario["group"],
            scenario["fault"],
            scenario["promise"],
            scenario["measured"].replace("|", "\\|").replace("\n", " "),
            KEPT.get(scenario["verdict"], scenario["verdict"]),
        ]
        for scenario in result["scenarios"]
    ]
    head = ["#", "group", "fault", "promise", "measured", "promise kept"]
    return table(head, rows) + "\n\n" + source(measured)


def board_faults() -> str:
    """Every scenario of the emulated boards; a run that fails is not recorded."""
    result, measured = record("board-faults")
    rows = [
        [scenario["board"], str(scenario["number"]), scenario["scenario"], f"{scenario['seconds']:.0f} s"]
        for scenario in result["scenarios"]
    ]
    return table(["board", "#", "scenario", "it took"], rows) + "\n\n" + source(measured)


def fuzz() -> str:
    """What each fuzz target reached."""
    result, measured = record("fuzz")
    rows = [
        [
            f"`{target['target']}`",
            f"{target['executions']:,}",
            f"{target['cpu_seconds']:.0f} s",
            f"{target['edges']:,}",
            f"{target['inputs']:,}",
            str(target["timeouts"]),
            str(target["findings"]),
        ]
        for target in result["targets"]
    ]
    head = ["target", "executions", "processor time", "edges", "inputs kept", "timeouts", "findings"]
    return table(head, rows) + "\n\n" + source(measured)


def soak() -> str:
    """The first thousand frames and the last."""
    result, measured = record("soak")
    rows = [
        ["resident memory", *(f"{result['rss_kb'][end]:,} kB" for end in ("first", "last"))],
        ["open files", *(str(result["files"][end]) for end in ("first", "last"))],
        ["threads", *(str(result["threads"][end]) for end in ("first", "last"))],
        ["age of a state, median", *(f"{result['median_age_s'][end]:.3f} s" for end in ("first", "last"))],
    ]
    head = ["", "after the first thousand frames", f"after {result['frames']:,} frames"]
    summary = (
        f"The run took {result['seconds'] / 60:.0f} minutes; "
        f"{result['faces_appeared']:,} faces came and went, "
        f"{result['states']:,} states were published and {result['log_lines']} lines logged. "
        f"Memory was never above {result['rss_kb']['peak']:,} kB, "
        f"no state older than {result['max_age_s']:.2f} s."
    )
    return "\n\n".join([table(head, rows), summary, source(measured)])


TABLES = [faults, board_faults, fuzz, soak]
