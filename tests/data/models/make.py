#!/usr/bin/env python3
"""Makes the tiny networks of the tests: seeded random weights, outputs computed by ONNX Runtime.

Run in this folder with onnx, onnxruntime and numpy. The files are committed, so the tests never run this.
"""

import hashlib
import struct

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

SIDE = 16
rng = np.random.default_rng(20)


class Graph:
    """Collects nodes and weights of one network."""

    def __init__(self, int8):
        self.int8 = int8
        self.nodes = []
        self.weights = []

    def add(self, op, inputs, name, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def constant(self, name, array):
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def weight(self, name, shape, axis=None, unsigned=False):
        """A weight; in an int8 network stored in 8 bits behind a DequantizeLinear, per channel of `axis` or whole."""
        fan_in = max(1, int(np.prod(shape)) // (shape[axis] if axis is not None else shape[-1]))
        array = rng.normal(0, (2 / fan_in) ** 0.5, shape).astype(np.float32)
        if not self.int8:
            return self.constant(name, array)
        if unsigned:
            low, high = array.min(), array.max()
            scale = np.float32((high - low) / 255)
            zero = np.uint8(round(float(-low / scale)))
            stored = np.clip(np.round(array / scale) + zero, 0, 255).astype(np.uint8)
        else:
            others = tuple(i for i in range(array.ndim) if i != axis)
            scale = (np.abs(array).max(axis=others) if axis is not None else np.abs(array).max()) / 127
            scale = np.asarray(scale, np.float32)
            shaped = scale.reshape([-1 if i == axis else 1 for i in range(array.ndim)]) if axis is not None else scale
            stored = np.clip(np.round(array / shaped), -127, 127).astype(np.int8)
            zero = np.zeros(scale.shape, np.int8)
        inputs = [
            self.constant(f"{name}_stored", stored),
            self.constant(f"{name}_scale", np.asarray(scale)),
            self.constant(f"{name}_zero", np.asarray(zero)),
        ]
        return self.add("DequantizeLinear", inputs, name, **({"axis": axis} if axis is not None else {}))


def gelu(g, x):
    """The tanh-GELU as PyTorch's exporter writes it."""
    numbers = {"cubic": 0.044715, "slope": (2 / np.pi) ** 0.5, "one": 1, "half": 0.5}
    for name, value in numbers.items():
        g.constant(f"gelu_{name}", np.float32(value))
    square = g.add("Mul", [x, x], "gelu_square")
    cube = g.add("Mul", [x, square], "gelu_cube")
    inner = g.add("Add", [x, g.add("Mul", ["gelu_cubic", cube], "gelu_scaled")], "gelu_sum")
    tanh = g.add("Tanh", [g.add("Mul", ["gelu_slope", inner], "gelu_argument")], "gelu_tanh")
    product = g.add("Mul", [x, g.add("Add", [tanh, "gelu_one"], "gelu_shifted")], "gelu_product")
    return g.add("Mul", ["gelu_half", product], "gelu")


def make(name, channels, outputs, layout, int8):
    g = Graph(int8)
    x = "picture"
    if layout == "nhwc":
        x = g.add("Transpose", [x], "channels_first", perm=[0, 3, 1, 2])
    x = g.add("Conv", [x, g.weight("stem_w", (8, channels, 3, 3), 0)], "stem", strides=[2, 2], pads=[1, 1, 1, 1])
    x = g.add("Relu", [x], "stem_relu")
    bias = g.constant("depth_b", rng.normal(0, 0.1, 8).astype(np.float32))
    depth = g.add("Conv", [x, g.weight("depth_w", (8, 1, 3, 3), 0), bias], "depth", group=8, pads=[1, 1, 1, 1])
    x = g.add("Add", [x, depth], "residual")
    x = g.add("Reshape", [x, g.constant("tokens_shape", np.array([1, 8, 64], np.int64))], "tokens")
    x = g.add("Transpose", [x], "tokens_last", perm=[0, 2, 1])
    scale = g.constant("norm_s", rng.normal(1, 0.1, 8).astype(np.float32))
    shift = g.constant("norm_b", rng.normal(0, 0.1, 8).astype(np.float32))
    x = g.add("LayerNormalization", [x, scale, shift], "norm", axis=-1, epsilon=1e-5)
    x = g.add("MatMul", [x, g.weight("token_w", (8, 12), 1)], "token")
    x = gelu(g, x) if int8 else g.add("Tanh", [x], "token_tanh")
    x = g.add("MatMul", [x, g.weight("mix_w", (12, 6), None, unsigned=True)], "mix")
    x = g.add("Reshape", [x, g.constant("flat_shape", np.array([1, 384], np.int64))], "flat")
    bias = g.constant("head_b", rng.normal(0, 0.5, outputs).astype(np.float32))
    g.add("Gemm", [x, g.weight("head_w", (outputs, 384), 0), bias], "scores", transB=1)

    shape = [1, channels, SIDE, SIDE] if layout == "nchw" else [1, SIDE, SIDE, channels]
    return store(name, g, {"picture": shape}, {"scores": [1, outputs]}, 17)


def make_efficientnet(name):
    """EmotiEffLib's layout: an EfficientNet's operators, opset and names, a batch of any size, 8 + 2 outputs."""

    def silu(x):
        return g.add("Mul", [x, g.add("Sigmoid", [x], f"{x}_gate")], f"{x}_silu")

    def conv(x, name, shape, **attributes):
        bias = g.constant(f"{name}_b", rng.normal(0, 0.1, shape[0]).astype(np.float32))
        return g.add("Conv", [x, g.weight(f"{name}_w", shape, 0), bias], name, **attributes)

    g = Graph(False)
    x = silu(conv("input", "stem", (8, 3, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1]))
    y = silu(conv(x, "depth", (8, 1, 3, 3), group=8, pads=[1, 1, 1, 1]))
    squeeze = g.add("ReduceMean", [y], "squeeze", axes=[2, 3], keepdims=1)
    excite = conv(silu(conv(squeeze, "reduce", (2, 8, 1, 1))), "expand", (8, 2, 1, 1))
    y = g.add("Mul", [y, g.add("Sigmoid", [excite], "share")], "excited")
    x = g.add("Add", [x, conv(y, "project", (8, 8, 1, 1))], "residual")
    x = silu(conv(x, "head", (16, 8, 1, 1)))
    x = g.add("Flatten", [g.add("GlobalAveragePool", [x], "pool")], "features", axis=1)
    bias = g.constant("classifier_b", rng.normal(0, 0.2, 10).astype(np.float32))
    g.add("Gemm", [x, g.weight("classifier_w", (10, 16), 0), bias], "output", transB=1)
    return store(name, g, {"input": ["batch_size", 3, SIDE, SIDE]}, {"output": ["batch_size", 10]}, 11)


def store(name, g, inputs, outputs, opset):
    """Writes network and golden vectors; returns their digests."""
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        g.nodes,
        name,
        [info(key, TensorProto.FLOAT, shape) for key, shape in inputs.items()],
        [info(key, TensorProto.FLOAT, shape) for key, shape in outputs.items()],
        g.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 9
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString()
    with open(f"{name}.onnx", "wb") as file:
        file.write(data)

    # Its optimized MatMul rounds the activations as well when the weights come from a DequantizeLinear.
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    golden = struct.pack("<I", 2)
    ((key, shape),) = inputs.items()
    for _ in range(2):
        picture = rng.uniform(-2, 2, [1, *shape[1:]]).astype(np.float32)
        (scores,) = session.run(None, {key: picture})
        golden += picture.astype("<f4").tobytes() + scores.astype("<f4").tobytes()
    with open(f"{name}.golden", "wb") as file:
        file.write(golden)
    return hashlib.sha256(data).hexdigest(), hashlib.sha256(golden).hexdigest()


EMOTIEFFLIB = ["anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
EIGHT = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]
SEVEN = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]


def manifest(name, task, colour, layout, margin, align, int8, output):
    channels = 1 if colour == "gray" else 3
    outputs = {"combined": 10, "categories": 7, "valence-arousal": 2}[task]
    digests = make(name, channels, outputs, layout, int8)
    mean, std = ([0.5], [0.25]) if channels == 1 else ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    if colour == "bgr":
        mean, std = mean[::-1], std[::-1]
    va = None if task == "categories" else "projected"
    write_manifest(name, task, va, colour, layout, mean, std, margin, align, int8, output, digests)


def write_manifest(name, task, va, colour, layout, mean, std, margin, align, int8, output, digests):
    network, golden = digests
    va = f'va = "{va}"\n' if va else ""
    with open(f"{name}.toml", "w") as file:
        file.write(f"""\
# Seeded random weights for the tests: it knows nothing of faces.
format = 1
kind = "expression"
name = "{name}"
version = "0.1.0"
licence = "MIT OR Apache-2.0"
provenance = "random weights, made by make.py"
task = "{task}"
precision = "{'int8-weights' if int8 else 'f32'}"
{va}
[file]
path = "{name}.onnx"
sha256 = "{network}"

[input]
width = {SIDE}
height = {SIDE}
layout = "{layout}"
colour = "{colour}"
mean = {mean}
std = {std}
margin = {margin}
align = "{align}"

[output]
{output}
[golden]
path = "{name}.golden"
sha256 = "{golden}"
count = 2
tolerance = {0.02 if int8 else 0.001}
""")


def words(names):
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


manifest(
    "tiny-combined", "combined", "gray", "nchw", 0.0, "roll", True,
    f"categories = {words(EIGHT)}\nlogits = [0, 1, 2, 3, 4, 5, 6, 7]\nvalence = 8\narousal = 9\ntemperature = 1.5\n",
)
manifest(
    "tiny-seven", "categories", "rgb", "nchw", 0.1, "none", False,
    f"categories = {words(SEVEN)}\nlogits = [0, 1, 2, 3, 4, 5, 6]\ntemperature = 1.0\n",
)
manifest("tiny-va", "valence-arousal", "bgr", "nhwc", 0.0, "roll", False, "valence = 1\narousal = 0\n")
write_manifest(
    "tiny-emotiefflib", "combined", "annotated", "rgb", "nchw", [0.5] * 3, [0.5] * 3, 0.0, "roll", False,
    f"categories = {words(EMOTIEFFLIB)}\nlogits = [0, 1, 2, 3, 4, 5, 6, 7]\nvalence = 8\narousal = 9\ntemperature = 1.0\n",
    make_efficientnet("tiny-emotiefflib"),
)
