"""Compare affectd's runtime with others on the same weights.

    python tests/peers/bench.py --bin target/release --work FOLDER [--json] [NETWORK …]

Every engine runs in its own process with one thread, and in another with two. They take turns in rounds of
random order, so other load affects all of them equally; a turn is about a tenth of a second, or one run. The
figures are medians and quartiles, over the rounds, of a turn's time divided by that of ONNX Runtime f32 with
as many threads in the same round. A turn's time is that of its fastest run. Processor time, which other load
affects least, is what the kernel accounts to all threads of the process.

With two threads ONNX Runtime and rten divide the work on one face. affectd and unmodified tract run one face
per thread, as the daemon does for several faces; their time is that of a run divided by two.

Where there are several ways to quantize, all are tried first, and the fastest of those close to f32 is
compared.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

import machine
import networks

NETWORKS = ("small", "cage", "blazeface", "centerface")

TURN_NS = 100_000_000
FORM_ROUNDS = 5

# Largest deviation from f32, as a fraction of the outputs' range, at which a variant counts as the same
# network. It is wider than affectd's own tolerance, so that no peer is excluded for slightly coarser
# quantization.
SAME = 0.05


class Absent(Exception):
    """An engine cannot load or run a network."""


@dataclass
class Engine:
    """A process that has loaded one network."""

    label: str
    command: list
    threads: int
    times: list = field(default_factory=list)
    cpu: list = field(default_factory=list)

    def start(self):
        """Load the network, run it once, and choose the runs per turn."""
        self.process = subprocess.Popen(
            [str(part) for part in self.command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self.answer()
        self.ask("run 1")
        self.output = np.array([float(number) for number in self.ask("output")], np.float32)
        self.runs = max(1, round(TURN_NS / min(map(int, self.ask("run 3")))))
        return self

    def ask(self, request):
        """Send a request and return the words of the answer."""
        try:
            self.process.stdin.write(request + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        return self.answer()

    def answer(self):
        """Return the words of the next line."""
        line = self.process.stdout.readline()
        if not line:
            raise Absent(self.process.communicate()[1].split("\n\nStack backtrace")[0].strip())
        return line.split()

    def turn(self):
        """Record the time of the fastest run and the mean processor time."""
        before = machine.processor_time(self.process.pid)
        times = [int(time) for time in self.ask(f"run {self.runs}")]
        self.times.append(min(times))
        self.cpu.append((machine.processor_time(self.process.pid) - before) / self.runs)

    def stop(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def main():
    """Measure, and print one table for each network or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"one of {', '.join(NETWORKS)}; all if none is named")
    parser.add_argument("--bin", type=Path, required=True, help="folder of peer-tract and peer-rten")
    parser.add_argument("--work", type=Path, required=True, help="folder for the networks' files, which are kept")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    only_help = "run only ONNX Runtime f32 and engines with TEXT in their label"
    parser.add_argument("--only", default="", metavar="TEXT", help=only_help)
    args = parser.parse_args()
    if unknown := set(args.networks) - set(NETWORKS):
        sys.exit(f"bench: the network is {unknown.pop()}; allowed are {', '.join(NETWORKS)}")
    names = args.networks or NETWORKS
    args.work.mkdir(parents=True, exist_ok=True)
    if args.json:
        results = [summary(*compare(getattr(networks, name)(args.work), args)) for name in names]
        print(json.dumps({"machine": machine.describe(), "rounds": args.rounds, "networks": results}))
        return
    print(machine.describe())
    for name in names:
        print("\n" + table(*compare(getattr(networks, name)(args.work), args)), flush=True)


def compare(network, args):
    """Measure all engines on one network; return its name and the engines."""
    ort = [sys.executable, Path(__file__).with_name("ort.py")]
    rten, tract = args.bin / "peer-rten", args.bin / "peer-tract"

    def engine(label, program, model, threads=1):
        return Engine(label, [*program, model, threads, "--input", network.input()], threads)

    reference = engine("ONNX Runtime, f32", ort, network.floats()).start()
    rows = [(reference.label, ort, network.floats())]
    for label, program, kind in (
        ("ONNX Runtime, dynamic int8", ort, "dynamic"),
        ("ONNX Runtime, static int8", ort, "static"),
        ("rten, dynamic int8", [rten, "rten"], "dynamic"),
    ):
        if args.only not in label or kind not in network.kinds:
            continue
        forms = {form: network.quantized(kind, form) for form in networks.FORMS[kind]}
        form = fastest(reference, [engine(form, program, path) for form, path in forms.items()], label)
        if form:
            rows.append((f"{label} ({form})", program, forms[form]))
    others = [
        ("rten, f32", [rten, "rten"], network.floats()),
        ("tract, f32", [tract, "tract"], network.floats()),
        ("affectd, f32", [tract, "affectd-f32"], network.shipped),
        ("affectd, int8", [tract, "affectd-int8"], network.shipped),
    ]
    rows += [row for row in others if args.only in row[0]]
    reference.stop()

    engines = started([engine(*row, threads) for threads in (1, 2) for row in rows])
    take_turns(engines, args.rounds, network.name)
    for one in engines:
        one.stop()
    return network.name, engines


def started(engines):
    """Return the engines that can run their network; report the others on standard error."""
    running = []
    for engine in engines:
        try:
            running.append(engine.start())
        except Absent as why:
            print(f"{engine.label}, {engine.threads} threads: {why}", file=sys.stderr)
    return running


def take_turns(engines, rounds, label):
    """Run every engine once per round, in random order."""
    order = random.Random(0)
    for _ in tqdm(range(rounds), label, disable=None, leave=False):
        for engine in order.sample(engines, len(engines)):
            engine.turn()


def fastest(reference, forms, label):
    """Return the label of the variant with the least processor time among those that match the reference."""
    forms = started(forms)
    take_turns([reference, *forms], FORM_ROUNDS, label)
    for form in forms:
        form.stop()
    for form in forms:
        print(
            f"{label}, {form.label}: {ratio(form.cpu, reference.cpu[-FORM_ROUNDS:])}, "
            f"difference {difference(form, reference):.4f}",
            file=sys.stderr,
        )
    same = [form for form in forms if difference(form, reference) <= SAME]
    return min(same, key=lambda form: statistics.median(form.cpu)).label if same else None


def difference(engine, reference):
    """Return the largest difference of an output, as a fraction of the reference's range."""
    return float(abs(engine.output - reference.output).max() / np.ptp(reference.output))


def quartiles(times, reference):
    """First quartile, median and third quartile of the rounds' ratios."""
    low, middle, high = statistics.quantiles([a / b for a, b in zip(times, reference, strict=True)], n=4)
    return {"q1": low, "median": middle, "q3": high}


def ratio(times, reference):
    """Return the quartiles as text."""
    return "{median:.2f} ({q1:.2f} to {q3:.2f})".format(**quartiles(times, reference))


def summary(name, engines):
    """Return the table as a JSON object: ratios to the first engine with as many threads."""
    by_threads = {threads: {e.label: e for e in engines if e.threads == threads} for threads in (1, 2)}
    one, two = (next(iter(by_threads[threads].values())) for threads in (1, 2))
    rows = []
    for label, engine in by_threads[1].items():
        pair = by_threads[2].get(label)
        rows.append({
            "label": label,
            "difference": difference(engine, one),
            "time": quartiles(engine.times, one.times),
            "cpu": quartiles(engine.cpu, one.cpu),
            "two_threads_time": quartiles(pair.times, two.times) if pair else None,
            "two_threads_gain": quartiles(engine.times, pair.times) if pair else None,
        })
    milliseconds = [statistics.median(engine.times) / 1e6 for engine in (one, two)]
    return {"name": name, "reference_ms": milliseconds[0], "reference_two_threads_ms": milliseconds[1], "engines": rows}


def table(name, engines):
    """Return a Markdown table: one row per engine, ratios to the first one with as many threads."""
    by_threads = {threads: {e.label: e for e in engines if e.threads == threads} for threads in (1, 2)}
    one, two = (next(iter(by_threads[threads].values())) for threads in (1, 2))
    lines = [
        f"| {name} | difference | one thread | its processor time | two threads | gain by the second |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for label, engine in by_threads[1].items():
        cells = [label, f"{difference(engine, one):.4f}", ratio(engine.times, one.times), ratio(engine.cpu, one.cpu)]
        if pair := by_threads[2].get(label):
            cells += [ratio(pair.times, two.times), ratio(engine.times, pair.times)]
        else:
            cells += ["-", "-"]
        lines.append("| " + " | ".join(cells) + " |")
    times = [statistics.median(engine.times) / 1e6 for engine in (one, two)]
    lines.append(f"\n{one.label} takes {times[0]:.2f} ms with one thread and {times[1]:.2f} ms with two (medians).")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
