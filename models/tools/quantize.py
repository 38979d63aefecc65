"""Store the weights of an f32 ONNX file as int8, one scale per output channel.

    python models/tools/quantize.py --model NAME.f32.onnx --out NAME.onnx

Arithmetic stays f32: every weight is followed by a DequantizeLinear node, which the runtime folds away
when it loads the file. Biases, norms and the small tables stay f32.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

# The input that holds the weight, and the axis of its output channels.
WEIGHTS = {"Conv": (1, lambda rank: 0), "MatMul": (1, lambda rank: rank - 1), "Gemm": (1, lambda rank: 0)}

# What two neighbouring weights of one sign add up to at most. The instructions of x86-64 that multiply most bytes add two
# products in sixteen bits, and those with activations of up to 255 must fit. The daemon multiplies other weights too, but more slowly.
MOST_OF_PAIR = 128


def main():
    """Quantize and report the sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()

    graph = onnx.load(args.model)
    quantize(graph)
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, args.out)
    print(args.model.stat().st_size, "->", args.out.stat().st_size, "bytes")


def quantize(model):
    """Replace, in place, every weight initializer that a node of WEIGHTS reads."""
    graph = model.graph
    counts = positions(model)
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    added = []
    for node in graph.node:
        if node.op_type not in WEIGHTS:
            continue
        position, output_axis = WEIGHTS[node.op_type]
        tensor = tensors.get(node.input[position])
        if tensor is None:
            continue
        if node.op_type == "Gemm":
            assert any(a.name == "transB" and a.i == 1 for a in node.attribute), node.name
        name = tensor.name
        weight = numpy_helper.to_array(tensor)
        axis = output_axis(weight.ndim)
        # A layer of a single position takes no time, and a depthwise one multiplies floats: their weights have the finest steps.
        values, scale = symmetric(weight, axis, paired=counts.get(node.output[0]) != 1 and not is_grouped(node))
        graph.initializer.remove(tensor)
        graph.initializer.extend(
            [
                numpy_helper.from_array(values, f"{name}.int8"),
                numpy_helper.from_array(scale, f"{name}.scale"),
                numpy_helper.from_array(np.zeros(len(scale), np.int8), f"{name}.zero"),
            ]
        )
        inputs = [f"{name}.int8", f"{name}.scale", f"{name}.zero"]
        added.append(onnx.helper.make_node("DequantizeLinear", inputs, [name], name, axis=axis))
    for position, node in enumerate(added):
        graph.node.insert(position, node)


def is_grouped(node):
    """Whether a convolution is depthwise, or of several groups at least."""
    return any(a.name == "group" and a.i > 1 for a in node.attribute)


def positions(model):
    """{output: how many tokens or pixels it has}, of convolutions and products whose shape is fixed."""
    counts = {}
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {value.name: value.type.tensor_type.shape.dim for value in [*inferred.value_info, *inferred.output]}
    for node in model.graph.node:
        sides = [side.dim_value for side in shapes.get(node.output[0], [])]
        if node.op_type in WEIGHTS and sides and all(sides):
            del sides[1 if node.op_type == "Conv" else -1]
            counts[node.output[0]] = math.prod(sides)
    return counts


def symmetric(weight, axis, paired):
    """(int8 of the same shape, f32 scale per index of `axis`): the finest steps of which 127 reach the largest magnitude
    and, if `paired`, MOST_OF_PAIR any two neighbours of one sign."""
    # As the runtime multiplies them: inputs innermost, and behind the places of a kernel.
    rows = np.moveaxis(np.moveaxis(weight, axis, 0), 1, -1).reshape(weight.shape[axis], -1)
    scale = abs(rows).max(-1) / 127
    if paired:
        pairs = np.pad(rows, [(0, 0), (0, rows.shape[1] % 2)]).reshape(len(rows), -1, 2)
        most = np.maximum(np.maximum(pairs, 0).sum(-1), np.maximum(-pairs, 0).sum(-1)).max(-1)
        # A little less, so that two that are rounded up do not exceed it either.
        scale = np.maximum(scale, most / (MOST_OF_PAIR - 1e-3))
    scale = np.where(scale > 1e-30, scale, 1).astype(np.float32)
    others = tuple(i for i in range(weight.ndim) if i != axis)
    values = np.rint(weight / np.expand_dims(scale, others))
    return values.astype(np.int8), scale


if __name__ == "__main__":
    main()
