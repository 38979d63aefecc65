#!/usr/bin/env python3
"""Judges what a subscriber saw of the emulated board, scenario by scenario.

usage: check.py MESSAGES ANALYZED     (mosquitto_sub's lines of JSON; `affectd analyze` of the fed picture on this machine)
"""

import json
import sys

BASE = "affectd/board/"
# The board computes in floats or integers, and from a YUYV picture that was once a JPEG.
TOLERANCE = 0.1


def scenarios(path):
    """Messages by scenario, in order: each a topic below the base, its payload, and whether it was retained."""
    found, name = {}, None
    for line in open(path, encoding="utf-8"):
        message = json.loads(line)
        if message["topic"] == "scenario":
            name = message["payload"]
            found[name] = []
        elif message["topic"].startswith(BASE) and name:
            found[name].append((message["topic"][len(BASE) :], message.get("payload", "")))
    return found


def payloads(messages, topic):
    return [payload for found, payload in messages if found == topic]


def states(messages):
    return [json.loads(payload) for payload in payloads(messages, "state")]


def with_faces(messages, count):
    return [state for state in states(messages) if state["faces"] == count]


def nothing_before_enabled(messages, _analyzed):
    assert not messages, f"installing alone published {messages[:3]}"
    return "installing switches nothing on"


def the_same_faces(messages, analyzed):
    assert payloads(messages, "availability")[0] == "online"
    assert json.loads(payloads(messages, "camera")[-1])["status"] == "ok"
    seen = with_faces(messages, len(analyzed))
    assert seen, "no state with the faces that were fed"
    # The primary face is one of those in the picture; each has one nearest reading.
    state = seen[-1]
    furthest, nearest = min(
        (max(abs(value - face["probabilities"][name]) for name, value in state["raw"]["probabilities"].items()), face["category"])
        for face in analyzed
    )
    assert state["raw_category"] == nearest, (state["raw_category"], nearest)
    assert furthest <= TOLERANCE, f"the board's probabilities differ by {furthest}"
    return f"{state['faces']} faces, {state['raw_category']}; probabilities differ from this machine's by at most {furthest:.4f}"


def back_with_faces(messages, analyzed):
    availability = payloads(messages, "availability")
    assert availability[:2] == ["stopped", "online"], availability
    again = messages.index(("availability", "online"))
    assert with_faces(messages[again:], len(analyzed)), "no face after the restart"
    boots = {state["boot"] for state in states(messages[again:])}
    assert len(boots) == 1, boots
    return "stopped, online, and the faces again"


def stopped_without_faces(messages, _analyzed):
    assert payloads(messages, "availability")[-1] == "stopped", payloads(messages, "availability")
    last = states(messages)[-1]
    assert (last["category"], last["faces"]) == ("none", 0), last
    return "the last state has no face"


CHECKS = {
    "80-installed": nothing_before_enabled,
    "81-a-face-through-the-hardened-unit": the_same_faces,
    "82-read-only-root": back_with_faces,
    "83-upgraded-while-running": back_with_faces,
    "84-purged": stopped_without_faces,
}


def main(messages, analyzed):
    found = scenarios(messages)
    faces = [json.loads(line) for line in open(analyzed, encoding="utf-8")]
    assert faces, "no face in the picture that is fed"
    failed = False
    for name, check in CHECKS.items():
        try:
            assert name in found, "was not reached"
            print(f"ok {name}: {check(found[name], faces)}")
        except (AssertionError, IndexError, KeyError) as error:
            failed = True
            print(f"FAILED {name}: {error!r}")
    sys.exit(failed)


main(*sys.argv[1:])
