"""A packed model back in the form that trains: `train.py --init NAME.onnx`.

What `deploy.py` folded away cannot be told apart again, but need not be: any batch norm that gives the
shipped answers will do. Each gets the statistics that it meets on `faces`, and the weights around it the
size that fresh ones have, so that one learning rate suits a network made so and a new one.
"""

from itertools import pairwise

import onnx
import torch
from onnx import numpy_helper
from torch import nn

import model
import runner


def load(path, config, images):
    """MaxVit of `config` with the weights of the ONNX file at `path`; `images` u8 [N, 48, 48] are trained on."""
    net = model.build(config["model"])
    fill(net, packed(path))
    measure(net, images, config)
    for layer in (layer for block in net.blocks for layer in block.layers):
        move_scale(layer.layers.MBconv.layers)
    for conv, norm in pairs(net):
        resize(conv, norm)
    return net.eval()


def packed(path):
    """The file's parameters by the names they have in `deploy.Plain`, as f32 tensors."""
    graph = onnx.load(path).graph
    raw = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    named = {name: torch.tensor(value) for name, value in raw.items() if value.dtype.name == "float32"}
    for node in graph.node:
        if node.op_type == "DequantizeLinear":
            axis = next(a.i for a in node.attribute if a.name == "axis")
            values, scale = raw[node.input[0]], raw[node.input[1]]
            shape = [-1 if i == axis else 1 for i in range(values.ndim)]
            named[node.output[0]] = torch.tensor(values.astype("float32") * scale.reshape(shape))
    # The exporter stores equal parameters once.
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in named:
            named[node.output[0]] = named[node.input[0]]
    # It transposes the weights of linear layers and drops their names; their biases keep theirs.
    products = {
        node.output[0]: node.input[1] for node in graph.node
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
def fill(net, named):
    """Copy the packed parameters into `net`, whose norms become mere offsets."""

    def copy(module, prefix):
        module.weight.copy_(named[f"{prefix}.weight"])
        if module.bias is not None:
            module.bias.copy_(named[f"{prefix}.bias"])

    def copy_folded(pair, prefix):
        conv, norm = pair[0], pair[1]
        conv.weight.copy_(named[f"{prefix}.weight"])
        neutral(norm)
        norm.bias.copy_(named[f"{prefix}.bias"])

    copy_folded(net.stem[0], "stem.0")
    copy(net.stem[1][0], "stem.2")
    layers = [layer.layers for block in net.blocks for layer in block.layers]
    for i, layer in enumerate(layers):
        prefix, parts = f"layers.{i}.convolutions", layer.MBconv.layers
        neutral(parts.pre_norm)
        copy_folded(parts.conv_a, f"{prefix}.expand")
        copy_folded(parts.conv_b, f"{prefix}.depthwise")
        copy(parts.squeeze_excitation.fc1, f"{prefix}.squeeze.fc1")
        copy(parts.squeeze_excitation.fc2, f"{prefix}.squeeze.fc2")
        copy(parts.conv_c, f"{prefix}.project")
        if isinstance(layer.MBconv.proj, nn.Sequential):
            copy(layer.MBconv.proj[-1], f"{prefix}.shortcut.{len(layer.MBconv.proj) - 1}")
        for kind, part in (("window", layer.window_attention), ("grid", layer.grid_attention)):
            prefix = f"layers.{i}.{kind}"
            norm, attention, _ = part.attn_layer
            copy(norm, f"{prefix}.norm")
            copy(attention.to_qkv, f"{prefix}.qkv")
            queries = attention.to_qkv.out_features // 3
            attention.to_qkv.weight[:queries] /= attention.scale_factor
            attention.to_qkv.bias[:queries] /= attention.scale_factor
            bias = named[f"{prefix}.bias"][0].flatten(1).T
            attention.relative_position_bias_table[attention.relative_position_index.flatten()] = bias
            copy(attention.merge, f"{prefix}.merge")
            for place in (0, 1, 3):
                copy(part.mlp_layer[place], f"{prefix}.mlp.{place}")
    for place in (2, 3, 5):
        copy(net.classifier[place], f"head.{place}")


def neutral(norm):
    """Make a batch norm that changes nothing."""
    nn.init.zeros_(norm.running_mean)
    nn.init.constant_(norm.running_var, 1 - norm.eps)
    nn.init.ones_(norm.weight)
    nn.init.zeros_(norm.bias)


@torch.no_grad()
def measure(net, images, config):
    """Give each batch norm the statistics of what it meets, and undo them in its weight and bias."""
    sums = {}

    def note(norm, inputs):
        x = inputs[0].double()
        total = torch.stack([x.sum((0, 2, 3)), (x * x).sum((0, 2, 3))])
        count, before = sums.get(norm, (0, 0))
        sums[norm] = (count + x.numel() // x.shape[1], before + total)

    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    runner.predict(net, images, config)
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
def move_scale(parts):
    """The scale of an MBConv's first norm goes into the convolution behind it, its offset out of the next norm."""
    norm, conv, after = parts.pre_norm, parts.conv_a[0], parts.conv_a[1]
    conv.weight.mul_(norm.weight.view(1, -1, 1, 1))
    after.running_mean.sub_(conv.weight.flatten(1) @ (norm.bias / norm.weight))
    nn.init.ones_(norm.weight)
    nn.init.zeros_(norm.bias)


def pairs(net):
    """Every convolution that a batch norm follows, with that norm."""
    for module in net.modules():
        if isinstance(module, nn.Sequential):
            for conv, norm in pairwise(module):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    yield conv, norm


@torch.no_grad()
def resize(conv, norm):
    """Bring each filter to the size of a fresh one; the norm behind it takes the factor back out."""
    wanted = (2 / conv.weight[0].numel()) ** 0.5
    found = conv.weight.flatten(1).square().mean(1).sqrt()
    # A filter of zeros stays one.
    factor = torch.where(found > 1e-6, wanted / found, torch.ones_like(found))
    conv.weight.mul_(factor.view(-1, 1, 1, 1))
    before = norm.running_var + norm.eps
    norm.running_mean.mul_(factor)
    norm.running_var.mul_(factor.square())
    # eps does not scale along: keep the norm's gain exact.
    norm.weight.mul_(((norm.running_var + norm.eps) / before).sqrt() / factor)
