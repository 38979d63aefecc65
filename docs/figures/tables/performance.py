"""Tables of docs/performance.md."""

from tables.common import percent, record, source, table


def bench() -> str:
    """Latency of the stages."""
    result, measured = record("bench")
    stages = ["decode", "detect", "follow", "classify", "total"]
    rows = [
        [
            run["format"],
            *(milliseconds(run["stages"][stage]["p50_ms"]) for stage in stages),
            percent(run["outside_networks"], 0),
        ]
        for run in result["runs"]
    ]
    head = ["median, ms", *stages, "share of time outside the networks"]
    return table(head, rows) + "\n\n" + source(measured)


def milliseconds(value: float) -> str:
    """Two significant digits."""
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 10 else f"{value:.0f}"


def memory() -> str:
    """Resident memory."""
    rows, sources = [], []
    for name, words in (("memory", "maxvit-ferplus-64"), ("memory-cage", "shape of CAGE, random weights")):
        result, measured = record(name)
        rows.append([words, *(f"{result[key] / 2**20:.0f} MiB" for key in ("rss_bytes", "peak_rss_bytes"))])
        sources.append(source(measured))
    return (
        table(["expression model", "resident memory", "peak, while loading"], rows)
        + "\n\n"
        + "\n".join(sources)
    )


ENGINES = {
    "tract": "tract, f32",
    "onnxruntime": "ONNX Runtime, f32",
    "affectd-f32": "affectd, f32",
    "affectd-int8": "affectd, int8",
}


def network_title(name: str) -> str:
    """What tables call a network; `make bench-peers` calls it small or cage, its file cage-by-HASH."""
    if name.startswith("cage"):
        return "shape of CAGE, random weights"
    return "maxvit-ferplus-64" if name == "small" else name


def instructions() -> str:
    """Instructions of one inference."""
    parts, sources = [], []
    for name in ("instructions", "instructions-cage"):
        result, measured = record(name)
        sources.append(source(measured))
        for model, cpu in dict.fromkeys((count["model"], count["cpu"]) for count in result["counts"]):
            counts = {
                c["engine"]: c["instructions"]
                for c in result["counts"]
                if (c["model"], c["cpu"]) == (model, cpu)
            }
            cells = [
                f"{counts[engine] / 1e6:.4g} ({counts[engine] / counts['tract']:.2f})"
                if engine in counts
                else "-"
                for engine in ENGINES
            ]
            parts.append([f"{network_title(model)}, {cpu}", *cells])
    head = ["million instructions (ratio to tract)", *ENGINES.values()]
    return table(head, parts) + "\n\n" + "\n".join(dict.fromkeys(sources))


def peers() -> str:
    """The runtime compared with others."""
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


def line() -> str:
    """The whole pipeline of affectd compared with Python scripts."""
    result, measured = record("line")
    head = [
        "scene",
        "affectd, ms a frame",
        "frames a core-second",
        "frames decoded",
        "MB",
        "same networks",
        "MB",
        "plain script",
        "MB",
    ]
    rows = []
    for scene in result["scenes"]:
        own, *others = scene["programs"]
        row = [
            scene["scene"],
            milliseconds(own["ms"]["median"]),
            f"{own['frames_per_core_second']:.0f}",
            percent(own["decoded"], 0),
            f"{own['peak_mb']:.0f}",
        ]
        for other in others:
            row += ["{median:.1f} ({q1:.1f}-{q3:.1f})".format(**other["ratio"]), f"{other['peak_mb']:.0f}"]
        rows.append(row)
    return table(head, rows) + "\n\n" + source(measured)


def line_instructions() -> str:
    """Instructions of one second of video."""
    result, measured = record("instructions-line")
    counts = {(count["scene"], count["cpu"]): count["instructions"] for count in result["counts"]}
    cpus = dict.fromkeys(cpu for _, cpu in counts)
    rows = [
        [scene, *(f"{counts[scene, cpu] / 1e6:,.0f}" for cpu in cpus)]
        for scene in dict.fromkeys(scene for scene, _ in counts)
    ]
    return table(["million instructions a second", *cpus], rows) + "\n\n" + source(measured)


TABLES = [bench, memory, instructions, peers, line, line_instructions]
