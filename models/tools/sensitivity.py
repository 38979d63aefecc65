"""What eight bits cost, layer by layer: weights, and activations quantized in two ways.

    python models/tools/sensitivity.py --config configs/NAME.toml --data DIR --model NAME.onnx

`dynamic` is what the daemon computes: 256 steps from the smallest to the largest number of each token or
pixel, found as it comes. `percentile` and `mse` are one range a layer, fixed beforehand on training faces:
between the 0.01 and the 99.99 per cent, and with the least square error. `weights` (int8, one scale an output)
needs a file whose weights are not rounded yet.

The tables give, for each group of layers alone, the root mean square by which the logits move. Below them
stands what all layers together cost in accuracy.
"""

import argparse
import re
import tomllib
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn
from tqdm import tqdm

import deploy
import ferplus
import metrics
import model
import quantize
import runner
import unpack

COLUMNS = ["expand", "squeeze", "project", "shortcut", "qkv", "merge", "mlp.1", "mlp.3"]
PLACE = re.compile(r"layers\.(\d+)\.(?:convolutions|window|grid)\.(expand|squeeze|project|shortcut|qkv|merge|mlp\.[13])")
TABLES = ["dynamic", "mse", "weights"]
BATCH = 100
KEPT = 20_000  # activations of a layer and face that calibrate


def main():
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tables", nargs="*", choices=TABLES, default=TABLES, help="default: all that the file allows")
    parser.add_argument("--faces", type=int, default=60, help="validation faces for the tables")
    parser.add_argument("--all-faces", type=int, help="validation faces for all layers at once; default: every one")
    parser.add_argument("--calibration", type=int, default=64, help="training faces that fix the ranges")
    args = parser.parse_args()

    config = tomllib.loads(args.config.read_text())
    valid = ferplus.load(args.data, "valid")
    train, _ = ferplus.split_holdout(ferplus.load(args.data, "train"), config["data"]["holdout"])
    net = plain(args.model, config)
    layers = {name: layer for name, layer in net.named_modules() if is_product(layer)}
    ranges = calibrate(net, layers, faces(train, args.calibration, config))
    changes = {
        "dynamic": lambda name: partial(change_input, per_token),
        "percentile": lambda name: partial(change_input, partial(fixed, *ranges["percentile"][name])),
        "mse": lambda name: partial(change_input, partial(fixed, *ranges["mse"][name])),
    }
    some = faces(valid, args.faces, config)
    rounded = any(node.op_type == "DequantizeLinear" for node in onnx.load(args.model).graph.node)
    for mode in args.tables:
        if mode != "weights":
            print_table(f"activations, {mode}", layers, net, some, partial(inputs_changed, layers, changes[mode]))
        elif not rounded:
            print_table("weights", layers, net, some, partial(weights_rounded, layers))

    if args.all_faces:
        valid = valid.take(spread(valid, args.all_faces))
    print(f"\nall layers at once, {len(valid)} faces:\n\n| | accuracy | RMS of the logits' change | VA RMSE |")
    print("| --- | --- | --- | --- |")
    everything = faces(valid, len(valid), config)
    exact = predict(net, everything)
    summary("f32", exact, exact, valid)
    for mode, change in changes.items():
        with inputs_changed(layers, change, layers):
            summary(f"activations, {mode}", predict(net, everything), exact, valid)
    if not rounded:
        with weights_rounded(layers, layers):
            summary("weights", predict(net, everything), exact, valid)


def plain(path, config):
    """`deploy.Plain` with the weights of an ONNX file."""
    net = deploy.plain(model.build(config["model"]))
    wanted = net.state_dict()
    named = unpack.packed(path)
    net.load_state_dict({name: named[name].reshape(value.shape) for name, value in wanted.items()})
    return net


def is_product(layer):
    """Whether the daemon computes this layer in integers: linear layers and convolutions of one pixel."""
    return isinstance(layer, nn.Linear) or isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1)


def faces(split, count, config):
    """f32 [count, 1, 1, S, S]: single normalised faces, spread evenly over a split."""
    images = torch.as_tensor(split.images[spread(split, count)])
    return runner.prepare(images, config["model"]["size"], config["data"]).unsqueeze(1)


def spread(split, count):
    """Indices of `count` faces, evenly over a split."""
    return np.linspace(0, len(split) - 1, count).astype(int)


@torch.no_grad()
def predict(net, x):
    """f32 [N, 10]; the plain network takes one face, so the batch is mapped over it."""
    parts = [torch.vmap(net)(part)[:, 0] for part in tqdm(x.split(BATCH), leave=False, mininterval=10)]
    return torch.cat(parts)


def group(name):
    """(row, column) of a layer in the tables."""
    match = PLACE.match(name)
    return (int(match[1]), match[2]) if match else ("head", "mlp.1" if name == "head.3" else "mlp.3")


def has_one_position(name):
    """Whether the layer sees the picture as a whole. The daemon gives it finer steps than the tables say."""
    row, column = group(name)
    return row == "head" or column == "squeeze"


def change_input(function, layer, inputs):
    """A hook that quantizes what a layer reads."""
    return (function(inputs[0], 1 if isinstance(layer, nn.Conv2d) else -1),)


def per_token(x, channels):
    """Eight bits from the smallest to the largest along the axis `channels`."""
    low, high = x.amin(channels, keepdim=True), x.amax(channels, keepdim=True)
    step = ((high - low) / 255).clamp(min=1e-12)
    return low + ((x - low) / step).round() * step


def fixed(low, high, x, _channels=None):
    """Eight bits from `low` to `high`; what lies outside is cut off."""
    step = (high - low) / 255
    return low + ((x - low) / step).round().clamp(0, 255) * step


@torch.no_grad()
def calibrate(net, layers, x):
    """The range of each layer's input, by both rules: {rule: {name: (low, high)}}."""
    seen = {name: [] for name in layers}

    def note(name, _layer, inputs):
        values = inputs[0].flatten()
        seen[name].append(values[:: max(1, len(values) // KEPT)])

    hooks = [layer.register_forward_pre_hook(partial(note, name)) for name, layer in layers.items()]
    for face in tqdm(x, "calibration", mininterval=10):
        net(face)
    for hook in hooks:
        hook.remove()
    ranges = {"percentile": {}, "mse": {}}
    for name, parts in seen.items():
        values = torch.cat(parts)
        cut = np.percentile(values.numpy(), [0.01, 99.99])
        ranges["percentile"][name] = (float(cut[0]), float(cut[1]))
        values = values[:: max(1, len(values) // (10 * KEPT))]
        low, high = float(values.min()), float(values.max())
        candidates = [(low * a, high * b) for a in np.linspace(0.2, 1, 9) for b in np.linspace(0.2, 1, 9)]
        ranges["mse"][name] = min(candidates, key=lambda ends: float((fixed(*ends, values) - values).square().mean()))
    return ranges


def rms(a, b):
    """Root mean square difference of the logits."""
    logits = len(ferplus.CATEGORIES)
    return float((a - b)[:, :logits].square().mean().sqrt())


@contextmanager
def inputs_changed(layers, change, names):
    """What the layers of these names read is quantized meanwhile."""
    hooks = [layers[name].register_forward_pre_hook(change(name)) for name in names]
    yield
    for hook in hooks:
        hook.remove()


@contextmanager
def weights_rounded(layers, names):
    """The weights of the layers of these names are int8 meanwhile."""
    kept = {name: layers[name].weight.detach().clone() for name in names}
    with torch.no_grad():
        for name, weight in kept.items():
            values, scale = quantize.symmetric(weight.numpy(), 0, paired=not has_one_position(name))
            layers[name].weight.copy_(torch.tensor(values * scale.reshape(-1, *[1] * (values.ndim - 1))))
    yield
    with torch.no_grad():
        for name, weight in kept.items():
            layers[name].weight.copy_(weight)


def print_table(title, layers, net, x, changed):
    """One row a MaxViT layer, one column a kind of product: how far the logits of `x` move."""
    groups = {}
    for name in layers:
        groups.setdefault(group(name), []).append(name)
    exact, costs = predict(net, x), {}
    for place, names in tqdm(groups.items(), title, mininterval=10):
        with changed(names):
            costs[place] = rms(predict(net, x), exact)
    print(f"\n{title}: change of the logits, RMS, in thousandths\n\n| layer | {' | '.join(COLUMNS)} |")
    print("| --- " * (len(COLUMNS) + 1) + "|")
    for row in dict.fromkeys(row for row, _ in groups):
        cells = [f"{1000 * costs[row, column]:.1f}" if (row, column) in costs else "" for column in COLUMNS]
        print(f"| {row} | {' | '.join(cells)} |", flush=True)


def summary(mode, outputs, exact, valid):
    """Print a row of the last table."""
    figures = metrics.summary(outputs.numpy(), valid)
    change = rms(outputs, exact)
    print(f"| {mode} | {100 * figures['accuracy']:.2f} % | {change:.4f} | {figures['va_rmse']:.4f} |", flush=True)


if __name__ == "__main__":
    main()
