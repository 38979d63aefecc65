"""Measure what int8 costs, layer by layer: for the weights, and for activations quantized in two ways.

    affectd-models sensitivity --config configs/NAME.toml --data DIR --model NAME.onnx

`dynamic` is what the daemon computes: 256 quantization levels from the minimum to the maximum of each token
or pixel, computed at run time. `percentile` and `mse` are one fixed range for each layer, calibrated on
training faces: from the 0.01st to the 99.99th percentile, and with the smallest square error. `weights`
(int8, one scale per output channel) needs an f32 file.

The tables give, for each group of layers alone, the root mean square change of the logits. The last table
gives the accuracy with all layers quantized.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from jaxtyping import Float
from torch import Tensor, nn
from tqdm import tqdm

from affectd_models import config as configuration
from affectd_models.bundle import quantize
from affectd_models.config import Config
from affectd_models.faces import ferplus
from affectd_models.faces.ferplus import Faces
from affectd_models.measure import metrics
from affectd_models.network import deploy, from_onnx, maxvit
from affectd_models.training import inference

COLUMNS = ["expand", "squeeze", "project", "shortcut", "qkv", "merge", "mlp.1", "mlp.3"]
LAYER = re.compile(
    r"layers\.(\d+)\.(?:convolutions|window|grid)\.(expand|squeeze|project|shortcut|qkv|merge|mlp\.[13])"
)
TABLES = ["dynamic", "mse", "weights"]
BATCH = 100
CALIBRATION_VALUES = 20_000  # activations of a layer and face used for calibration

Group = tuple[int | str, str]
Hook = Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]
Layers = dict[str, nn.Module]
Range = tuple[float, float]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tables", nargs="*", choices=TABLES, default=TABLES, help="default: all that apply")
    parser.add_argument("--faces", type=int, default=60, help="validation faces for the tables")
    parser.add_argument("--all-faces", type=int, help="validation faces for the last table; default: all")
    parser.add_argument(
        "--calibration", type=int, default=64, help="training faces that calibrate the ranges"
    )
    args = parser.parse_args(argv)

    config = configuration.load(args.config)
    valid = ferplus.load(args.data, "valid")
    train, _ = ferplus.split_holdout(ferplus.load(args.data, "train"), config["data"]["holdout"])
    net = load(args.model, config)
    layers = {name: layer for name, layer in net.named_modules() if is_product(layer)}
    ranges = calibrate(net, layers, faces(train, args.calibration, config))
    hooks: dict[str, Callable[[str], Hook]] = {
        "dynamic": lambda _name: partial(change_input, per_token),
        "percentile": lambda name: partial(change_input, partial(fixed, *ranges["percentile"][name])),
        "mse": lambda name: partial(change_input, partial(fixed, *ranges["mse"][name])),
    }
    some = faces(valid, args.faces, config)
    quantized = any(node.op_type == "DequantizeLinear" for node in onnx.load(args.model).graph.node)
    for mode in args.tables:
        if mode != "weights":
            changed = partial(inputs_changed, layers, hooks[mode])
            print_table(f"activations, {mode}", layers, net, some, changed)
        elif not quantized:
            print_table("weights", layers, net, some, partial(weights_rounded, layers))

    if args.all_faces:
        valid = valid.take(ferplus.spread(len(valid), args.all_faces))
    show(f"\nall layers at once, {len(valid)} faces:\n")
    show("| | accuracy | RMS change of the logits | VA RMSE |\n| --- | --- | --- | --- |")
    everything = faces(valid, len(valid), config)
    exact = predict(net, everything)
    print_summary("f32", exact, exact, valid)
    for mode, hook in hooks.items():
        with inputs_changed(layers, hook, layers):
            print_summary(f"activations, {mode}", predict(net, everything), exact, valid)
    if not quantized:
        with weights_rounded(layers, layers):
            print_summary("weights", predict(net, everything), exact, valid)


def show(line: str) -> None:
    """Print a result."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def load(path: Path, config: Config) -> nn.Module:
    """The folded network with the weights of an ONNX file."""
    net = deploy.folded(maxvit.build(config["model"]))
    named = from_onnx.parameters(path)
    net.load_state_dict({name: named[name].reshape(value.shape) for name, value in net.state_dict().items()})
    return net


def is_product(layer: nn.Module) -> bool:
    """Whether the daemon computes this layer in integers: linear layers and 1x1 convolutions."""
    return isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1))


def faces(split: Faces, count: int, config: Config) -> Float[Tensor, "count 1 1 size size"]:
    """Normalized faces, each a batch of one, spread evenly over a split."""
    images = torch.as_tensor(split.images[ferplus.spread(len(split), count)])
    return inference.prepare(images, config["model"]["size"], config["data"]).unsqueeze(1)


@torch.no_grad()
def predict(net: nn.Module, x: Float[Tensor, "n 1 1 size size"]) -> Float[Tensor, "n 10"]:
    """The outputs for each face; the network for inference takes one face, so the batch is mapped over it."""
    batches = tqdm(x.split(BATCH), leave=False, mininterval=10)
    return torch.cat([torch.vmap(net)(batch)[:, 0] for batch in batches])


def group(name: str) -> Group:
    """(row, column) of a layer in the tables."""
    match = LAYER.match(name)
    return (int(match[1]), match[2]) if match else ("head", "mlp.1" if name == "head.3" else "mlp.3")


def has_one_position(name: str) -> bool:
    """Whether the layer has a single token, whose input the daemon quantizes more finely."""
    row, column = group(name)
    return row == "head" or column == "squeeze"


def change_input(
    function: Callable[[Tensor, int], Tensor], layer: nn.Module, inputs: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """A forward pre-hook that quantizes the input of a layer."""
    return (function(inputs[0], 1 if isinstance(layer, nn.Conv2d) else -1),)


def per_token(x: Float[Tensor, ...], channels: int) -> Float[Tensor, ...]:
    """256 levels from the minimum to the maximum along the axis `channels`."""
    low, high = x.amin(channels, keepdim=True), x.amax(channels, keepdim=True)
    scale = ((high - low) / 255).clamp(min=1e-12)
    return low + ((x - low) / scale).round() * scale


def fixed(low: float, high: float, x: Float[Tensor, ...], _channels: int | None = None) -> Float[Tensor, ...]:
    """256 levels from `low` to `high`, with saturation."""
    scale = (high - low) / 255
    return low + ((x - low) / scale).round().clamp(0, 255) * scale


@torch.no_grad()
def calibrate(
    net: nn.Module, layers: Layers, x: Float[Tensor, "n 1 1 size size"]
) -> dict[str, dict[str, Range]]:
    """The range of each layer's input by both rules: {rule: {name: (low, high)}}."""
    samples: dict[str, list[Tensor]] = {name: [] for name in layers}

    def record(name: str, _layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].flatten()
        samples[name].append(values[:: max(1, len(values) // CALIBRATION_VALUES)])

    hooks = [layer.register_forward_pre_hook(partial(record, name)) for name, layer in layers.items()]
    for face in tqdm(x, "calibration", mininterval=10):
        net(face)
    for hook in hooks:
        hook.remove()
    ranges: dict[str, dict[str, Range]] = {"percentile": {}, "mse": {}}
    for name, of_faces in samples.items():
        values = torch.cat(of_faces)
        low, high = np.percentile(values.numpy(), [0.01, 99.99])
        ranges["percentile"][name] = (float(low), float(high))
        ranges["mse"][name] = least_square_error(values[:: max(1, len(values) // (10 * CALIBRATION_VALUES))])
    return ranges


def least_square_error(values: Float[Tensor, " n"]) -> Range:
    """The range with the smallest square error, its ends in 20..100 % of the minimum and the maximum."""
    low, high = float(values.min()), float(values.max())
    candidates = [(low * a, high * b) for a in np.linspace(0.2, 1, 9) for b in np.linspace(0.2, 1, 9)]

    def error(ends: Range) -> float:
        return float((fixed(*ends, values) - values).square().mean())

    return min(candidates, key=error)


def rms(a: Float[Tensor, "n 10"], b: Float[Tensor, "n 10"]) -> float:
    """Root mean square difference of the logits."""
    return float((a - b)[:, : ferplus.CLASSES].square().mean().sqrt())


@contextmanager
def inputs_changed(layers: Layers, hook: Callable[[str], Hook], names: Iterable[str]) -> Iterator[None]:
    """The inputs of the named layers are quantized within the context."""
    hooks = [layers[name].register_forward_pre_hook(hook(name)) for name in names]
    try:
        yield
    finally:
        for handle in hooks:
            handle.remove()


@contextmanager
def weights_rounded(layers: Layers, names: Iterable[str]) -> Iterator[None]:
    """The weights of the named layers are rounded to int8 within the context."""
    kept = {name: layers[name].weight.detach().clone() for name in names}
    with torch.no_grad():
        for name, weight in kept.items():
            values, scale = quantize.symmetric(weight.numpy(), 0, paired=not has_one_position(name))
            layers[name].weight.copy_(torch.from_numpy(quantize.dequantized(values, scale, 0)))
    try:
        yield
    finally:
        with torch.no_grad():
            for name, weight in kept.items():
                layers[name].weight.copy_(weight)


def print_table(
    title: str,
    layers: Layers,
    net: nn.Module,
    x: Float[Tensor, "n 1 1 size size"],
    changed: Callable[[Iterable[str]], AbstractContextManager[Any]],
) -> None:
    """Print the RMS change of the logits of `x`: MaxViT layers in rows, kinds of products in columns."""
    groups: dict[Group, list[str]] = {}
    for name in layers:
        groups.setdefault(group(name), []).append(name)
    exact, costs = predict(net, x), {}
    for key, names in tqdm(groups.items(), title, mininterval=10):
        with changed(names):
            costs[key] = rms(predict(net, x), exact)
    show(f"\n{title}: RMS change of the logits, in thousandths\n\n| layer | {' | '.join(COLUMNS)} |")
    show("| --- " * (len(COLUMNS) + 1) + "|")
    for row in dict.fromkeys(row for row, _ in groups):
        cells = [f"{1000 * costs[row, column]:.1f}" if (row, column) in costs else "" for column in COLUMNS]
        show(f"| {row} | {' | '.join(cells)} |")


def print_summary(
    mode: str, outputs: Float[Tensor, "n 10"], exact: Float[Tensor, "n 10"], valid: Faces
) -> None:
    """Print a row of the last table."""
    figures = metrics.summary(outputs.numpy(), valid)
    change = rms(outputs, exact)
    show(f"| {mode} | {100 * figures['accuracy']:.2f} % | {change:.4f} | {figures['va_rmse']:.4f} |")
