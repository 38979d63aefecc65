"""Write larger MaxViTs of other libraries with seeded random weights, to check that the daemon runs them.

    affectd-models check-family --out DIR --verify affectd

Each shape gets two bundles: NAME-f32, which the daemon computes in floats, and NAME-int8, computed in
integers. The golden vectors of both are PyTorch's outputs, so that `model verify` compares the daemon with
PyTorch; the tolerances are 1e-4 of the largest output in floats and 0.02 in integers.

All weights are multiples of one step for each output channel, as a quantized file stores them. Therefore the
quantization rounds nothing, and one file of int8 weights serves both arithmetics: in f32, MaxViT-S would be
larger than the daemon accepts. `--verify` names the daemon's program, which then verifies every bundle; the
result is one JSON object. Needs the extra `family`.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import timm
import torch
import torchvision
from jaxtyping import Float32
from torch import nn

from affectd_models.bundle import export, files, golden, quantize
from affectd_models.bundle.files import IMAGENET
from affectd_models.errors import InvalidInput
from affectd_models.importers import cage, random_cage

log = logging.getLogger(__name__)

OUTPUTS = 10
SIZE = 224
SHAPES: dict[str, Callable[[], nn.Module]] = {
    "torchvision-maxvit-t": lambda: torchvision.models.maxvit_t(num_classes=OUTPUTS),
    "timm-maxvit-s": lambda: timm.create_model("maxvit_small_tf_224", num_classes=OUTPUTS),
}
TOLERANCE = {"f32": 1e-4, "int8-weights": 0.02}
SUFFIX = {"f32": "f32", "int8-weights": "int8"}


def main(argv: Sequence[str] | None = None) -> None:
    """Write the bundles, and verify them if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--verify", metavar="AFFECTD", help="the daemon's program")
    parser.add_argument("--only", nargs="+", choices=tuple(SHAPES), default=tuple(SHAPES))
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in args.only:
        net = SHAPES[name]()
        parameters = sum(weight.numel() for weight in net.parameters())
        bundles = write(name, net, args.out)
        if args.verify:
            common = {"shape": name, "parameters": parameters}
            rows += [common | verify(args.verify, args.out, bundle) for bundle in bundles]
    if args.verify:
        sys.stdout.write(json.dumps({"bundles": rows}) + "\n")


VERIFIED = re.compile(
    r"differ by at most (?P<difference>[\d.]+).*loaded in (?P<load_s>[\d.]+) s; (?P<run_ms>[\d.]+) ms a run"
)


def verify(program: str, folder: Path, name: str) -> dict[str, str | float]:
    """The figures that `affectd model verify` prints for a bundle, and its peak memory."""
    command = [program, "model", "verify", name, "--set", f"models={folder}"]
    peak = 0
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(command, stdout=output)
        # The kernel's peak of an ended child includes that of the process it was forked from.
        while child.poll() is None:
            peak = max(peak, peak_kib(child.pid))
            time.sleep(0.02)
        output.seek(0)
        printed = output.read()
    found = VERIFIED.search(printed)
    if child.returncode != 0 or found is None:
        raise InvalidInput(f"{' '.join(command)} ended with {child.returncode}: {printed.strip()}")
    figures = {key: float(value) for key, value in found.groupdict().items()}
    return {"name": name, **figures, "peak_kib": peak}


def peak_kib(process: int) -> int:
    """Largest resident memory of a process so far, in KiB; 0 once it has ended."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found.group(1)) if found else 0


def write(name: str, net: nn.Module, folder: Path) -> list[str]:
    """Write both bundles of one network; returns their names."""
    names = []
    randomize(net.eval())
    graph = stored(net)
    faces = golden.inputs(files.GOLDEN_COUNT, 3, SIZE, IMAGENET["mean"], IMAGENET["std"])
    expected = cage.predict(net, faces)
    for precision, tolerance in TOLERANCE.items():
        bundle = f"{name}-{SUFFIX[precision]}"
        onnx.save(graph, folder / f"{bundle}.onnx")
        found = golden.outputs(golden.session(folder / f"{bundle}.onnx"), faces)
        names.append(bundle)
        log.info("%s: ONNX Runtime differs from PyTorch by %.1e", bundle, cage.largest(found, expected))
        manifest = {
            "format": 1,
            "kind": "expression",
            "name": bundle,
            "version": "random",
            "licence": "not redistributable: random weights",
            "provenance": f"{name} with random weights",
            "task": "combined",
            "precision": precision,
            "va": "annotated",
            "input": files.square_input(SIZE, IMAGENET),
            "output": cage.VARIANTS[OUTPUTS].table(),
        }
        log.info("%s", files.finish(folder, manifest, faces, expected, tolerance))
    return names


@torch.no_grad()
def randomize(net: nn.Module, seed: int = 7) -> None:
    """Seeded weights that keep activations about as large as a trained network's, on a grid of int8 steps."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in net.named_parameters():
        if "relative_position" in name or "rel_pos" in name:
            random_cage.normal(parameter, 0, 0.5, generator)
    for module in net.modules():
        random_cage.draw(module, generator)
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.weight.copy_(torch.from_numpy(on_grid(module.weight.numpy())))


def on_grid(weight: Float32[np.ndarray, "outputs ..."]) -> Float32[np.ndarray, "outputs ..."]:
    """The weights, rounded such that `quantize` does not round them again.

    The largest of each output channel is 127 steps, and of two neighbours of the same sign the smaller one is
    reduced until they add up to no more.
    """
    values, scale = quantize.symmetric(weight, 0, paired=False)
    # Neighbours as `quantize` counts them: inputs innermost.
    rows = np.moveaxis(values.astype(np.int32), 1, -1)
    shape = rows.shape
    rows = rows.reshape(len(rows), -1)
    first, second = rows[:, 0:-1:2], rows[:, 1::2]
    excess = np.where(first * second > 0, np.maximum(abs(first) + abs(second) - 127, 0), 0)
    is_smaller = abs(first) < abs(second)
    first -= np.sign(first) * excess * is_smaller
    second -= np.sign(second) * excess * ~is_smaller
    rounded = np.moveaxis(rows.reshape(shape), -1, 1)
    return quantize.dequantized(rounded.astype(np.int8), scale, 0)


def stored(net: nn.Module) -> onnx.ModelProto:
    """The network with int8 weights, without the shape computations of the exporter."""
    with tempfile.TemporaryDirectory() as folder:
        traced, folded = Path(folder) / "traced.onnx", Path(folder) / "folded.onnx"
        export.write(net, torch.zeros(1, 3, SIZE, SIZE), traced)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(folded)
        # A Gemm would hold its weight transposed.
        onnxruntime.InferenceSession(traced, options, disabled_optimizers=["MatMulAddFusion"])
        graph = onnx.load(folded)
    del graph.opset_import[:]
    graph.opset_import.append(onnx.helper.make_opsetid("", export.OPSET))
    quantize.quantize(graph)
    onnx.checker.check_model(graph, full_check=True)
    return onnx.shape_inference.infer_shapes(graph)
