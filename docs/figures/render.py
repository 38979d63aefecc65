#!/usr/bin/env python3
"""Write the tables of the documentation from the measurements in docs/figures/*.json and from the manifests.

    docs/figures/render.py           rewrites every block between <!-- figures: NAME --> and <!-- /figures -->
    docs/figures/render.py --check   exits with 1 and a diff if a document differs from what would be written

NAME is a function of this file. docs/figures/record.py writes the JSON files. Needs Python 3.11 or later.
"""

import difflib
import json
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "docs/figures"
DOCUMENTS = [
    "docs/faults.md",
    "docs/fleet.md",
    "docs/http.md",
    "docs/mqtt.md",
    "docs/models.md",
    "docs/performance.md",
    "docs/robustness.md",
    "models/maxvit-ferplus-64.md",
    "models/tools/README.md",
]
BLOCK = re.compile(r"<!-- figures: (\w+) -->\n(.*?)<!-- /figures -->\n", re.DOTALL)
CATEGORIES = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]


def main():
    """Render, or compare."""
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    differs = bool(stale_manifest())
    for document in DOCUMENTS:
        path = ROOT / document
        text = path.read_text()
        new = rendered(text, document)
        if new == text:
            continue
        if check:
            differs = True
            lines = difflib.unified_diff(text.splitlines(True), new.splitlines(True), document, "make figures")
            sys.stdout.writelines(lines)
        else:
            path.write_text(new)
            print(f"wrote {document}")
    if check and differs:
        sys.exit("the documentation differs from docs/figures; run `make figures`")


def rendered(text, document):
    """The text with every block written again."""
    if text.count("<!-- figures:") != len(BLOCK.findall(text)):
        sys.exit(f"{document}: a block without <!-- /figures -->, or with a malformed name")

    def block(match):
        name = match.group(1)
        if name not in BLOCKS:
            sys.exit(f"{document}: found the block {name}; there are: {', '.join(BLOCKS)}")
        return f"<!-- figures: {name} -->\n{BLOCKS[name]()}\n<!-- /figures -->\n"

    return BLOCK.sub(block, text)


def record(name):
    """One measurement: what the command printed, and where it comes from."""
    path = FIGURES / f"{name}.json"
    try:
        content = json.loads(path.read_text())
        return content["result"], content["measured"]
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"{path}: {error!r}")


def manifests():
    """Every manifest by its name."""
    found = {path.stem: tomllib.loads(path.read_text()) for path in sorted((ROOT / "models").glob("*.toml"))}
    return {name: manifest for name, manifest in found.items() if "kind" in manifest}


def stale_manifest():
    """A line for each figure of the default model's manifest that is not the recorded one, also printed."""
    result, _ = record("expression/as-it-is")
    manifest = manifests()["maxvit-ferplus-64"]["measured"]
    faults = [
        f"models/maxvit-ferplus-64.toml: {key} = {manifest.get(key)}; measured: {round(result[key], 4)}"
        for key in ("accuracy", "macro_f1", "ece", "n")
        if manifest.get(key) != round(result[key], 4)
    ]
    print(*faults, sep="\n", end="\n" if faults else "")
    return faults


def table(head, rows):
    """A Markdown table of texts."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def source(measured):
    """A sentence that says where figures come from."""
    return (
        f"*`{measured['command']}`, commit {measured['commit']}, {measured['date']}; {measured['machine']}.*"
    )


def percent(share, digits=1):
    """A share as a percentage."""
    return f"{100 * share:.{digits}f} %"


def state():
    """A state message of the bundled clip."""
    result, measured = record("state")
    # Objects without members that are objects themselves take one line.
    lines = []
    for key, value in result.items():
        lines.append(f"  {json.dumps(key)}: {json.dumps(value)}")
    return "```json\n{\n" + ",\n".join(lines) + "\n}\n```\n\n" + source(measured)


def models():
    """The bundled models."""
    purposes = {"centerface": "full-frame detection", "blazeface": "detection in search regions"}
    rows = []
    for name, manifest in manifests().items():
        size = (ROOT / "models" / manifest["file"]["path"]).stat().st_size
        purpose = "expression" if manifest["kind"] == "expression" else purposes.get(name, "detection")
        shape = f"{manifest['input']['width']}x{manifest['input']['height']} {manifest['input']['colour']}"
        licence = manifest["licence"].split(";")[0]
        rows.append([name, manifest["version"], purpose, shape, f"{size / 1e6:.1f} MB", licence])
    return table(["model", "version", "purpose", "input", "size", "licence"], rows)


def expression():
    """Accuracy of the default expression model."""
    result, measured = record("expression/as-it-is")
    intervals = result["intervals"]

    def shares(key):
        low, high = intervals["metrics"][key]
        return [percent(result[key]), f"{percent(low)} to {percent(high)}"]

    def numbers(key):
        low, high = intervals["metrics"][key]
        return [f"{result[key]:.3f}", f"{low:.3f} to {high:.3f}"]

    ceiling = result["ceiling"]
    rows = [
        ["accuracy", *shares("accuracy")],
        [f"accuracy, {result['n_majority']:,} faces where more than half agree", *shares("accuracy_majority")],
        ["accuracy, any label with the most votes counts", *shares("accuracy_any_tied")],
        [f"ceiling: ten votes drawn anew, {ceiling['rounds']} draws", percent(ceiling["accuracy"]), ""],
        ["macro F1", *numbers("macro_f1")],
        ["expected calibration error (15 bins)", *numbers("ece")],
        ["the same without the manifest's temperature", *numbers("ece_unscaled")],
    ]
    head = [f"FER+ validation, 8 categories, {result['n']:,} faces", "", f"{intervals['level']:.0%} interval"]
    return table(head, rows) + "\n\n" + source(measured)


def confusion():
    """Labelled by predicted category."""
    result, measured = record("expression/as-it-is")
    rows = []
    for category in result["categories"]:
        counts = [str(count) for count in category["predicted"]]
        measures = [f"{category[measure]:.2f}" for measure in ("recall", "precision")]
        rows.append([category["category"], *counts, *measures])
    return table(["", *CATEGORIES, "recall", "precision"], rows) + "\n\n" + source(measured)


DEGRADED = {
    "as-it-is": "unchanged",
    "crop-10-tighter": "crop 10 % tighter",
    "margin-10": "margin of 10 %",
    "margin-20": "margin of 20 %",
    "margin-30": "margin of 30 %",
    "margin-40": "margin of 40 %",
    "blur-1": "blur, sigma 1 pixel of 48",
    "blur-2": "blur, sigma 2 pixels of 48",
    "pixels-24": "resolution of 24 pixels",
    "pixels-16": "resolution of 16 pixels",
    "roll--20": "roll of -20°",
    "roll--10": "roll of -10°",
    "roll-10": "roll of 10°",
    "roll-20": "roll of 20°",
}


def degraded():
    """Accuracy of the default expression model on faces as cameras deliver them."""
    rows = []
    for name, words in DEGRADED.items():
        result, measured = record(f"expression/{name}")
        rows.append([
            words,
            percent(result["accuracy"]),
            f"{result['macro_f1']:.3f}",
            f"{result['ece']:.3f}",
        ])
    return table(["face", "accuracy", "macro F1", "calibration error"], rows) + "\n\n" + source(measured)


CONCORDANCES = {
    "before": "before the fit, the projection of the votes",
    "cross_validated": "the map, ten-fold cross-validated",
    "after": "this file, on the faces that the map was fitted to",
}


def concordance():
    """How far valence and arousal agree with people's ratings."""
    result, measured = record("ratings")
    shown = {key: words for key, words in CONCORDANCES.items() if key in result["ccc"]}
    rows = [[words, *(f"{value:.2f}" for value in result["ccc"][key])] for key, words in shown.items()]
    head = [f"CCC with the ratings of {result['rated_faces']} faces", "valence", "arousal"]
    return table(head, rows) + "\n\n" + source(measured)


def va_map():
    """What each category means in valence and arousal."""
    result, measured = record("ratings")
    rows = [[name, *(f"{value:+.2f}" for value in values)] for name, values in result["map"].items()]
    return table(["category", "valence", "arousal"], rows) + "\n\n" + source(measured)


def family():
    """Larger networks of the family, with random weights."""
    result, measured = record("family")
    rows = []
    for bundle in result["bundles"]:
        arithmetic = "floats" if bundle["name"].endswith("-f32") else "8-bit integers"
        rows.append([
            bundle["shape"],
            f"{bundle['parameters'] / 1e6:.1f} M",
            arithmetic,
            f"{bundle['difference']:.6f}",
            f"{bundle['load_s']:.1f} s",
            f"{bundle['run_ms']:.0f} ms",
            f"{bundle['peak_kib'] / 1024:.0f} MiB",
        ])
    head = ["shape", "parameters", "arithmetic", "difference from PyTorch", "loading", "a run", "peak memory"]
    return table(head, rows) + "\n\n" + source(measured)


CONDITIONS = {
    "as-it-is": "unchanged",
    "light-50": "half the light, noise",
    "light-25": "a quarter of the light, noise",
    "light-10": "a tenth of the light, noise",
    "light-160": "overexposed by 60 %",
    "contrast-40": "40 % of the contrast",
    "side-light-left": "light from one side, 20 % at the other",
    "skin-lighter": "skin lighter (exponent 0.6)",
    "skin-darker": "skin darker (exponent 1.6)",
    "skin-much-darker": "skin much darker (exponent 2.5)",
    "yaw-20": "turned by 20°",
    "yaw-40": "turned by 40°",
    "glasses": "glasses",
    "sunglasses": "sunglasses",
    "mask": "mask over nose and mouth",
}
# Recalls that suffer first.
SHOWN = ["neutral", "happiness", "sadness", "anger", "fear"]


def conditions():
    """Accuracy in imitated light, with other skin, turned, and partly covered."""
    rows = []
    for name, words in CONDITIONS.items():
        result, measured = record(f"conditions/{name}")
        recalls = {category["category"]: category["recall"] for category in result["categories"]}
        rows.append([
            words,
            percent(result["accuracy"]),
            f"{result['macro_f1']:.2f}",
            f"{result['ece']:.3f}",
            *(f"{recalls[category]:.2f}" for category in SHOWN),
        ])
    head = [f"{result['n']:,} faces", "accuracy", "macro F1", "calibration error", *(f"recall of {name}" for name in SHOWN)]
    return table(head, rows) + "\n\n" + source(measured)


def quality():
    """Whether the published probability is as often right as it says, by the quality of the crop."""
    result, measured = record("quality")
    rows = [
        [
            f"{part['from']:.1f} to {part['to']:.1f}",
            f"{part['n']:,}",
            percent(part["accuracy"]),
            percent(part["confidence"]),
            f"{part['ece']:.3f}",
        ]
        for part in result["by_quality"]
    ]
    whole = ["all", f"{result['n']:,}", percent(result["accuracy"]), "", f"{result['ece']:.3f}"]
    head = ["quality of the crop", "faces", "accuracy", "mean probability", "calibration error"]
    return table(head, [*rows, whole]) + "\n\n" + source(measured)


def bench():
    """Latency of the stages."""
    result, measured = record("bench")
    stages = ["decode", "detect", "follow", "classify", "total"]
    rows = [
        [run["format"], *(milliseconds(run["stages"][stage]["p50_ms"]) for stage in stages), percent(run["outside_networks"], 0)]
        for run in result["runs"]
    ]
    head = ["median, ms", *stages, "share of time outside the networks"]
    return table(head, rows) + "\n\n" + source(measured)


def milliseconds(value):
    """Two significant digits."""
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 10 else f"{value:.0f}"


def memory():
    """Resident memory."""
    rows, sources = [], []
    for name, words in (("memory", "maxvit-ferplus-64"), ("memory-cage", "shape of CAGE, random weights")):
        result, measured = record(name)
        rows.append([words, *(f"{result[key] / 2**20:.0f} MiB" for key in ("rss_bytes", "peak_rss_bytes"))])
        sources.append(source(measured))
    return table(["expression model", "resident memory", "peak, while loading"], rows) + "\n\n" + "\n".join(sources)


ENGINES = {
    "tract": "tract, f32",
    "onnxruntime": "ONNX Runtime, f32",
    "affectd-f32": "affectd, f32",
    "affectd-int8": "affectd, int8",
}


def network_title(name):
    """What a network is called in tables; `make bench-peers` calls it small or cage, its file cage-by-HASH."""
    if name.startswith("cage"):
        return "shape of CAGE, random weights"
    return "maxvit-ferplus-64" if name == "small" else name


def instructions():
    """Instructions of one inference."""
    parts, sources = [], []
    for name in ("instructions", "instructions-cage"):
        result, measured = record(name)
        sources.append(source(measured))
        for model, cpu in dict.fromkeys((count["model"], count["cpu"]) for count in result["counts"]):
            counts = {c["engine"]: c["instructions"] for c in result["counts"] if (c["model"], c["cpu"]) == (model, cpu)}
            cells = [
                f"{counts[engine] / 1e6:.4g} ({counts[engine] / counts['tract']:.2f})" if engine in counts else "-"
                for engine in ENGINES
            ]
            parts.append([f"{network_title(model)}, {cpu}", *cells])
    head = ["million instructions (ratio to tract)", *ENGINES.values()]
    return table(head, parts) + "\n\n" + "\n".join(dict.fromkeys(sources))


def peers():
    """affectd beside other runtimes."""
    result, measured = record("peers")
    networks = {network["name"]: network for network in result["networks"]}
    # The fastest form of quantization, named in parentheses, may differ between networks.
    engines = {
        name: {engine["label"].split(" (")[0]: engine for engine in network["engines"]}
        for name, network in networks.items()
    }
    head = ["processor time"]
    for name in networks:
        head += [network_title(name), "difference", "throughput of two threads"]
    rows = []
    for label in dict.fromkeys(label for rows in engines.values() for label in rows):
        row = [label]
        for name, network in networks.items():
            engine = engines[name].get(label)
            if engine is None:
                row += ["-", "-", "-"]
                continue
            cpu = engine["cpu"]
            time = f"{cpu['median']:.2f} ({cpu['q1']:.2f}-{cpu['q3']:.2f})"
            if label == next(iter(engines[name])):
                time = f"1 ({network['reference_ms']:.3g} ms)"
            gain = engine.get("two_threads_gain")
            row += [time, f"{engine['difference']:.3f}", f"{gain['median']:.2f}" if gain else "-"]
        rows.append(row)
    return table(head, rows) + "\n\n" + source(measured)


def line():
    """The whole line of affectd beside Python scripts."""
    result, measured = record("line")
    head = ["scene", "affectd, ms a frame", "frames a core-second", "frames decoded", "MB", "same networks", "MB", "plain script", "MB"]
    rows = []
    for scene in result["scenes"]:
        own, *others = scene["programs"]
        row = [scene["scene"], milliseconds(own["ms"]["median"]), f"{own['frames_per_core_second']:.0f}",
               percent(own["decoded"], 0), f"{own['peak_mb']:.0f}"]
        for other in others:
            row += ["{median:.1f} ({q1:.1f}-{q3:.1f})".format(**other["ratio"]), f"{other['peak_mb']:.0f}"]
        rows.append(row)
    return table(head, rows) + "\n\n" + source(measured)


def faults():
    """Every fault that is caused with the program alone, and what was measured."""
    result, measured = record("faults")
    rows = [
        [
            str(scenario["number"]), scenario["group"], scenario["fault"], scenario["promise"],
            scenario["measured"].replace("|", "\\|").replace("\n", " "), scenario["verdict"],
        ]
        for scenario in result["scenarios"]
    ]
    head = ["#", "group", "fault", "promise", "measured", "verdict"]
    return table(head, rows) + "\n\n" + source(measured)


def board_faults():
    """Every scenario of the emulated boards; a run that fails is not recorded."""
    result, measured = record("board-faults")
    rows = [
        [scenario["board"], str(scenario["number"]), scenario["scenario"], f"{scenario['seconds']:.0f} s"]
        for scenario in result["scenarios"]
    ]
    return table(["board", "#", "scenario", "it took"], rows) + "\n\n" + source(measured)


def fuzz():
    """What each fuzz target reached."""
    result, measured = record("fuzz")
    rows = [
        [
            f"`{target['target']}`", f"{target['executions']:,}", f"{target['cpu_seconds']:.0f} s",
            f"{target['edges']:,}", f"{target['inputs']:,}", str(target["timeouts"]), str(target["findings"]),
        ]
        for target in result["targets"]
    ]
    head = ["target", "executions", "processor time", "edges", "inputs kept", "timeouts", "findings"]
    return table(head, rows) + "\n\n" + source(measured)


def soak():
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
        f"The run took {result['seconds'] / 60:.0f} minutes; {result['faces_appeared']:,} faces came and went, "
        f"{result['states']:,} states were published and {result['log_lines']} lines logged. Memory was never above "
        f"{result['rss_kb']['peak']:,} kB, no state older than {result['max_age_s']:.2f} s."
    )
    return "\n\n".join([table(head, rows), summary, source(measured)])


LOADS = {
    "malformed": "malformed requests, one after the other",
    "slow": "8 readers that do not read, 16 senders of one byte at a time",
    "connections": "200 idle connections, opened again whenever they are closed",
    "pages": "8 pages",
}


def http_cost():
    """Memory and processor time of the HTTP server."""
    result, measured = record("http")
    memory, processor = result["memory_mb"], result["processor"]
    largest = max(load["rss_mb"] for load in result["rates"].values())
    rows = [
        ["resident memory without the server", f"{memory['without']:.1f} MB"],
        ["resident memory while it listens", f"{memory['listening']:.1f} MB"],
        ["the largest during the loads above", f"{largest:.1f} MB"],
        ["its thread, while nobody asks", f"{processor['nobody_percent']:.2f} % of a core"],
        ["its thread, for one page", f"{processor['page_percent']:.2f} % of a core"],
        ["one scrape of the metrics", f"{processor['scrape_ms']:.2f} ms"],
        ["one malformed request, with its connection", f"{processor['malformed_us'] / 1e3:.2f} ms"],
    ]
    return "\n\n".join([table(["", "measured"], rows), source(measured)])


def http_load():
    """The rate of sensing under load, compared with quiet."""
    result, _ = record("http")
    rows = []
    for name, words in LOADS.items():
        load = result["rates"][name]
        if name == "malformed":
            words = f"{load['requests']:,} {words}"
        rates = [f"{load['quiet_fps']:.0f}", f"{load['fps']:.0f}"]
        rows.append([words, *rates, percent(load["ratio"]), percent(load["cost_ratio"])])
    head = ["load", "frames a second before", "during", "ratio", "processor time of a frame, ratio"]
    return table(head, rows)


# What is extrapolated to.
LARGE_FLEET = 100_000
TOPICS = ["state", "scene", "face", "event", "visits", "health"]


def fleet_traffic():
    """Messages and bytes of a device, and of many."""
    result, measured = record("fleet")
    part = result["one_broker"]
    messages, octets = part["messages_per_device_and_second"], part["bytes_per_device_and_second"]

    def row(name, topics):
        count, size = (sum(values.get(topic, 0) for topic in topics) for values in (messages, octets))
        many = [f"{LARGE_FLEET * count:,.0f}", f"{LARGE_FLEET * size * 8 / 1e6:,.0f} Mbit/s"]
        return [name, f"{count:.3f}", f"{size:,.0f}", f"{size * 86_400 / 1e6:,.1f} MB", *many]

    rows = [row(f"`{topic}`", [topic]) for topic in TOPICS]
    rows.append(row("all", TOPICS))
    rows.append(row("all, with `mqtt.faces = false`", [topic for topic in TOPICS if topic != "face"]))
    head = [
        "topic", "messages/s", "bytes/s", "a day", f"{LARGE_FLEET:,} devices: messages/s", f"{LARGE_FLEET:,} devices",
    ]
    return table(head, rows) + "\n\n" + source(measured)


def fleet_load():
    """Processor time and memory, and the way back after the broker was killed."""
    result, measured = record("fleet")
    part = result["one_broker"]
    devices = part["devices"]
    broker = part["broker_cpu_share"]
    rows = [
        ["publishing, processor time of a device", percent(part["cpu_share_of_a_device"], 3) + " of a core"],
        ["publishing, memory of a device in the load generator", f"{part['fleet_rss_bytes'] / devices / 1024:.0f} KiB"],
        [f"mosquitto with {devices:,} devices, processor time", percent(broker) + " of a core"],
        [f"mosquitto with {devices:,} devices, memory", f"{part['broker_rss_bytes'] / 2**20:.0f} MiB"],
        [f"the same for {LARGE_FLEET:,} devices, extrapolated", f"{broker / devices * LARGE_FLEET:.0f} cores"],
        [
            f"broker killed, away for {part['broker_away_s']:.0f} s: until each device has published again",
            f"median {part['back_s']['median']} s, last {part['back_s']['last']} s",
        ],
    ]
    return table(["what", "measured"], rows) + "\n\n" + source(measured)


def fleet_cluster():
    """A node of three killed under load."""
    result, measured = record("fleet")
    part = result["cluster"]
    survivors, returned = part["retained_on_survivors"], part["retained_on_returned_node"]
    rows = [
        ["devices", f"{part['devices']:,}"],
        ["of these on the killed node", f"{part['connections_of_killed_node']:,}"],
        ["back on another node", f"{part['reconnected']:,}"],
        ["until `online` again", f"median {part['back_s']['median']} s, last {part['back_s']['last']} s"],
        ["devices silent 30 s later", str(part["silent_after_limit"])],
        ["retained states of 50 devices found on the surviving nodes; stale", f"{survivors['found']}; {survivors['stale']}"],
        ["retained states of 50 devices found on the node that came back; stale", f"{returned['found']}; {returned['stale']}"],
    ]
    return table(["what", "measured"], rows) + "\n\n" + source(measured)


def fleet_consumers():
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
            f"{LARGE_FLEET * 500 / 86_400:,.0f} rows/s, {LARGE_FLEET * 500 * part['bytes_per_row'] / 1e9:,.1f} GB a day",
        ],
    ]
    return table(["what", "measured"], rows) + "\n\n" + source(measured)


BLOCKS = {
    function.__name__: function
    for function in (
        state, models, expression, confusion, degraded, concordance, va_map, conditions, quality, family,
        bench, memory, instructions, peers, line, faults, board_faults, fuzz, soak,
        http_cost, http_load, fleet_traffic,
        fleet_load, fleet_cluster, fleet_consumers,
    )
}

if __name__ == "__main__":
    main()
