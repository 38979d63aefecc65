"""Store the weights of an f32 ONNX file as int8, one scale per output channel.

    python models/tools/quantize.py --model NAME.f32.onnx --out NAME.onnx

Arithmetic stays f32: every weight is followed by a DequantizeLinear node, which the runtime folds away
when it loads the file. Biases, norms and the small tables stay f32.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

# The input that holds the weight, and the axis of its output channels.
WEIGHTS = {"Conv": (1, lambda rank: 0), "MatMul": (1, lambda rank: rank - 1), "Gemm": (1, lambda rank: 0)}


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
        values, scale = symmetric(weight, axis)
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


def symmetric(weight, axis):
    """(int8 of the same shape, f32 scale per index of `axis`); largest magnitude becomes 127."""
    others = tuple(i for i in range(weight.ndim) if i != axis)
    scale = np.maximum(abs(weight).max(others, keepdims=True), 1e-8) / 127
    values = np.clip(np.rint(weight / scale), -127, 127).astype(np.int8)
    return values, scale.astype(np.float32).reshape(-1)


if __name__ == "__main__":
    main()
