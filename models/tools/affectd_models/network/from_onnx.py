"""A shipped ONNX file as a network that can be trained further: `affectd-models train --init NAME.onnx`.

The folding of batch norms in `deploy.py` cannot be undone exactly, but any batch norms that give the same
outputs will do. Each gets the statistics of its input on training faces, and the weights around it the scale
of freshly initialized ones, so that the same learning rate suits both.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from jaxtyping import UInt8
from onnx import numpy_helper
from torch import Tensor, nn

from affectd_models.bundle import quantize
from affectd_models.config import Config
from affectd_models.errors import InvalidInput
from affectd_models.network import maxvit
from affectd_models.training import inference


def load(path: Path, config: Config, images: UInt8[np.ndarray, "n 48 48"]) -> nn.Module:
    """The MaxViT of `config` with the weights of the ONNX file at `path`; `images` are training faces."""
    net = maxvit.build(config["model"])
    try:
        fill(net, parameters(path))
    except (KeyError, RuntimeError) as error:
        raise InvalidInput(f"{path}: not an exported network of this configuration ({error})") from error
    measure(net, images, config)
    for layer in (layer for block in net.blocks for layer in block.layers):
        move_scale(layer.layers.MBconv.layers)
    for conv, norm in pairs(net):
        resize(conv, norm)
    return net.eval()


def parameters(path: Path) -> dict[str, Tensor]:
    """The file's parameters in f32, by their names in `deploy.FoldedMaxViT`."""
    graph = onnx.load(path).graph
    raw = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    named = {name: torch.tensor(value) for name, value in raw.items() if value.dtype.name == "float32"}
    for node in graph.node:
        if node.op_type == "DequantizeLinear":
            axis = next(a.i for a in node.attribute if a.name == "axis")
            values, scale = raw[node.input[0]], raw[node.input[1]]
            named[node.output[0]] = torch.from_numpy(quantize.dequantized(values, scale, axis))
    # The exporter stores equal parameters only once.
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in named:
            named[node.output[0]] = named[node.input[0]]
    # It transposes the weights of linear layers and drops their names, but not those of their biases.
    products = {
        node.output[0]: node.input[1]
        for node in graph.node
        if node.op_type == "MatMul" and node.input[1] in named
    }
    for node in graph.node:
        if node.op_type == "Add":
            for bias, product in (node.input, reversed(node.input)):
                if product in products and bias.endswith(".bias") and bias in named:
                    named[bias.removesuffix("bias") + "weight"] = named[products[product]].T
    last = graph.node[-1]
    if last.op_type == "MatMul":
        named["head.5.weight"] = named[last.input[1]].T
    return named


@torch.no_grad()
def fill(net: nn.Module, named: dict[str, Tensor]) -> None:
    """Copy the file's parameters into `net`, whose batch norms then only add an offset."""

    def copy(module: nn.Module, prefix: str) -> None:
        module.weight.copy_(named[f"{prefix}.weight"])
        if module.bias is not None:
            module.bias.copy_(named[f"{prefix}.bias"])

    def copy_folded(pair: Any, prefix: str) -> None:
        conv, norm = pair[0], pair[1]
        conv.weight.copy_(named[f"{prefix}.weight"])
        neutral(norm)
        norm.bias.copy_(named[f"{prefix}.bias"])

    copy_folded(net.stem[0], "stem.0")
    copy(net.stem[1][0], "stem.2")
    layers = [layer.layers for block in net.blocks for layer in block.layers]
    for i, layer in enumerate(layers):
        prefix, mbconv = f"layers.{i}.convolutions", layer.MBconv.layers
        neutral(mbconv.pre_norm)
        copy_folded(mbconv.conv_a, f"{prefix}.expand")
        copy_folded(mbconv.conv_b, f"{prefix}.depthwise")
        copy(mbconv.squeeze_excitation.fc1, f"{prefix}.squeeze.fc1")
        copy(mbconv.squeeze_excitation.fc2, f"{prefix}.squeeze.fc2")
        copy(mbconv.conv_c, f"{prefix}.project")
        if isinstance(layer.MBconv.proj, nn.Sequential):
            copy(layer.MBconv.proj[-1], f"{prefix}.shortcut.{len(layer.MBconv.proj) - 1}")
        for kind, partition in (("window", layer.window_attention), ("grid", layer.grid_attention)):
            prefix = f"layers.{i}.{kind}"
            norm, attention, _ = partition.attn_layer
            copy(norm, f"{prefix}.norm")
            copy(attention.to_qkv, f"{prefix}.qkv")
            queries = attention.to_qkv.out_features // 3
            attention.to_qkv.weight[:queries] /= attention.scale_factor
            attention.to_qkv.bias[:queries] /= attention.scale_factor
            bias = named[f"{prefix}.bias"][0].flatten(1).T
            attention.relative_position_bias_table[attention.relative_position_index.flatten()] = bias
            copy(attention.merge, f"{prefix}.merge")
            for index in (0, 1, 3):
                copy(partition.mlp_layer[index], f"{prefix}.mlp.{index}")
    for index in (2, 3, 5):
        copy(net.classifier[index], f"head.{index}")


def neutral(norm: nn.BatchNorm2d) -> None:
    """Make a batch norm the identity."""
    nn.init.zeros_(norm.running_mean)
    nn.init.constant_(norm.running_var, 1 - norm.eps)
    nn.init.ones_(norm.weight)
    nn.init.zeros_(norm.bias)


@torch.no_grad()
def measure(net: nn.Module, images: UInt8[np.ndarray, "n 48 48"], config: Config) -> None:
    """Give each batch norm the statistics of its input, and compensate for them in its weight and bias."""
    sums: dict[nn.Module, tuple[int, Tensor]] = {}

    def record(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].double()
        total = torch.stack([x.sum((0, 2, 3)), (x * x).sum((0, 2, 3))])
        count, before = sums.get(norm, (0, torch.zeros_like(total)))
        sums[norm] = (count + x.numel() // x.shape[1], before + total)

    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(record) for norm in norms]
    inference.predictor(net, config)(images)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        count, (total, squares) = sums[norm]
        mean = total / count
        variance = (squares / count - mean * mean).clamp(min=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((norm.running_var + norm.eps).sqrt())
        norm.bias.add_(norm.running_mean)


@torch.no_grad()
def move_scale(mbconv: nn.Module) -> None:
    """Move the scale of an MBConv's first norm into its convolution, and the offset into the next norm."""
    norm, conv, after = mbconv.pre_norm, mbconv.conv_a[0], mbconv.conv_a[1]
    conv.weight.mul_(norm.weight.view(1, -1, 1, 1))
    after.running_mean.sub_(conv.weight.flatten(1) @ (norm.bias / norm.weight))
    nn.init.ones_(norm.weight)
    nn.init.zeros_(norm.bias)


def pairs(net: nn.Module) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Every convolution that is followed by a batch norm, with that norm."""
    for module in net.modules():
        if isinstance(module, nn.Sequential):
            for conv, norm in pairwise(module):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    yield conv, norm


@torch.no_grad()
def resize(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """Scale each filter to the RMS of a freshly initialized one; the norm after it divides by the factor."""
    wanted = (2 / conv.weight[0].numel()) ** 0.5
    found = conv.weight.flatten(1).square().mean(1).sqrt()
    # A filter of zeros stays zero.
    factor = torch.where(found > 1e-6, wanted / found, torch.ones_like(found))
    conv.weight.mul_(factor.view(-1, 1, 1, 1))
    before = norm.running_var + norm.eps
    norm.running_mean.mul_(factor)
    norm.running_var.mul_(factor.square())
    # eps is not scaled: keep the norm's gain exact.
    norm.weight.mul_(((norm.running_var + norm.eps) / before).sqrt() / factor)
