"""Store the weights of an f32 ONNX file as int8, with one scale per output channel.

    affectd-models quantize --model NAME.f32.onnx --out NAME.onnx

Arithmetic stays f32: every weight is followed by a DequantizeLinear node, which the runtime folds away when
it loads the file. Biases, norms and the small tables stay f32.
"""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from jaxtyping import Float32, Int8
from onnx import numpy_helper

from affectd_models.errors import InvalidInput

log = logging.getLogger(__name__)

# Axis of the output channels of the weight, which is the second input.
OUTPUT_AXIS = {"Conv": 0, "MatMul": -1, "Gemm": 0}

# Largest sum of two adjacent weights of the same sign. The widest multiply instructions of x86-64 (AVX2's
# maddubs) add two products in 16 bits, and the sum must fit with activations of up to 255. The daemon accepts
# other weights too, but multiplies them more slowly.
MAX_PAIR_SUM = 128


def main(argv: Sequence[str] | None = None) -> None:
    """Quantize one file and report the sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)

    graph = onnx.load(args.model)
    quantize(graph)
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, args.out)
    log.info("%d -> %d bytes", args.model.stat().st_size, args.out.stat().st_size)


def quantize(model: onnx.ModelProto) -> None:
    """Replace, in place, the weight initializer of every node whose type is in OUTPUT_AXIS."""
    graph = model.graph
    counts = position_counts(model)
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    added = []
    for node in graph.node:
        if node.op_type not in OUTPUT_AXIS:
            continue
        tensor = tensors.get(node.input[1])
        if tensor is None:
            continue
        if node.op_type == "Gemm" and not any(a.name == "transB" and a.i == 1 for a in node.attribute):
            raise InvalidInput(f"Gemm {node.name!r}: its weight is [inputs, outputs]; allowed is transB = 1")
        name = tensor.name
        weight = numpy_helper.to_array(tensor)
        axis = OUTPUT_AXIS[node.op_type] % weight.ndim
        # A layer with a single position is cheap, and a depthwise one is computed in f32: both get the finest
        # scale.
        values, scale = symmetric(
            weight, axis, paired=counts.get(node.output[0]) != 1 and not is_grouped(node)
        )
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


def is_grouped(node: onnx.NodeProto) -> bool:
    """Whether a convolution is depthwise, or has several groups."""
    return any(a.name == "group" and a.i > 1 for a in node.attribute)


def position_counts(model: onnx.ModelProto) -> dict[str, int]:
    """Tokens or pixels of each output of a convolution or matrix product with a static shape."""
    counts = {}
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: value.type.tensor_type.shape.dim for value in [*inferred.value_info, *inferred.output]
    }
    for node in model.graph.node:
        sides = [side.dim_value for side in shapes.get(node.output[0], [])]
        if node.op_type in OUTPUT_AXIS and sides and all(sides):
            del sides[1 if node.op_type == "Conv" else -1]
            counts[node.output[0]] = math.prod(sides)
    return counts


def symmetric(
    weight: Float32[np.ndarray, ...], axis: int, paired: bool
) -> tuple[Int8[np.ndarray, ...], Float32[np.ndarray, " outputs"]]:
    """(int8 weights of the same shape, one scale for each index of `axis`), with zero point 0.

    The scale is the smallest with which the largest magnitude is at most 127 and, if `paired`, two adjacent
    weights of the same sign add up to at most MAX_PAIR_SUM.
    """
    # The order of the runtime's products: inputs innermost, after the positions of a kernel.
    rows = np.moveaxis(np.moveaxis(weight, axis, 0), 1, -1).reshape(weight.shape[axis], -1)
    scale = abs(rows).max(-1) / 127
    if paired:
        pairs = np.pad(rows, [(0, 0), (0, rows.shape[1] % 2)]).reshape(len(rows), -1, 2)
        most = np.maximum(np.maximum(pairs, 0).sum(-1), np.maximum(-pairs, 0).sum(-1)).max(-1)
        # Slightly less, so that two weights that are both rounded up do not exceed the sum.
        scale = np.maximum(scale, most / (MAX_PAIR_SUM - 1e-3))
    scale = np.where(scale > 1e-30, scale, 1).astype(np.float32)
    values = np.rint(weight / along(scale, axis, weight.ndim))
    return values.astype(np.int8), scale


def dequantized(
    values: Int8[np.ndarray, ...], scale: Float32[np.ndarray, " outputs"], axis: int
) -> Float32[np.ndarray, ...]:
    """The weights that int8 `values` stand for, with one scale for each index of `axis` and zero point 0."""
    weight: Float32[np.ndarray, ...] = values * along(scale, axis, values.ndim)
    return weight


def along(scale: Float32[np.ndarray, " outputs"], axis: int, ndim: int) -> Float32[np.ndarray, ...]:
    """`scale` as an array of `ndim` dimensions that lies along `axis` and broadcasts over the others."""
    return np.expand_dims(scale, tuple(i for i in range(ndim) if i != axis % ndim))
