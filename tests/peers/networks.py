"""The compared networks, in the variants that the engines need, from the same int8 weights."""

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper, shape_inference
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "models/tools"
sys.path.append(str(TOOLS))

from affectd_models.bundle import files, golden  # noqa: E402

LINEAR = ["MatMul", "Gemm"]

# Without VNNI instructions ONNX Runtime accumulates pairs of products in 16 bits, which overflow unless
# weights have 7 bits ("reduced"). With VNNI, 8 bits ("full") are as fast and more accurate.
FORMS = {
    "dynamic": {
        "reduced": dict(weight_type=QuantType.QInt8, reduce_range=True),
        "full": dict(weight_type=QuantType.QInt8),
        "unsigned weights": dict(weight_type=QuantType.QUInt8),
    },
    "static": {
        "all operators, reduced": dict(reduce_range=True),
        "all operators, full": dict(),
        "all operators, signed activations": dict(activation_type=QuantType.QInt8),
        "linear and convolutions, reduced": dict(op_types_to_quantize=[*LINEAR, "Conv"], reduce_range=True),
        "linear, reduced": dict(op_types_to_quantize=LINEAR, reduce_range=True),
    },
}


@dataclass(frozen=True)
class Network:
    """The files of one network; generated ones are cached as NAME-HASH-FORM in a folder."""

    name: str
    shipped: Path
    folder: Path
    faces: np.ndarray
    # The kinds of quantization that ONNX Runtime's tools support for it.
    kinds: tuple = ("dynamic", "static")

    def path(self, form):
        """Return the path of a cached variant."""
        return self.folder / f"{self.name}-{files.sha256(self.shipped)[:12]}-{form.replace(', ', '-').replace(' ', '-')}"

    def input(self):
        """Write the input of the engines as raw floats and return its path."""
        path = self.path("input.f32")
        self.faces[0].astype("<f4").tofile(path)
        return path

    def floats(self):
        """Return the network with its weights as floats."""
        path = self.path("f32.onnx")
        if not path.exists():
            onnx.save(dequantized(onnx.load(self.shipped)), path)
        return path

    def quantized(self, kind, form):
        """Return the network quantized by ONNX Runtime's tools, calibrated on the input face."""
        path = self.path(f"{kind} {form}.onnx")
        options = dict(per_channel=True) | FORMS[kind][form]
        if not path.exists() and kind == "dynamic":
            quantize_dynamic(self.floats(), path, op_types_to_quantize=LINEAR, **options)
        elif not path.exists():
            options = dict(activation_type=QuantType.QUInt8) | options
            (face,) = onnx.load(self.floats()).graph.input
            quantize_static(self.floats(), path, Calibration(face.name, self.faces), **options)
        return path


def small(folder):
    """The bundled expression network."""
    faces = golden.inputs(4, 1, 64, mean=0.508, std=0.255, seed=1)
    return Network("small", ROOT / "models/maxvit-ferplus-64.onnx", folder, faces)


def cage(folder):
    """Return a network of CAGE's shape with seeded random weights, cached until its generator changes."""
    modules = ("importers/random_cage.py", "importers/cage.py", "bundle/quantize.py", "network/maxvit.py")
    tools = [TOOLS / "affectd_models" / module for module in modules]
    made_by = hashlib.sha256(b"".join(tool.read_bytes() for tool in tools)).hexdigest()[:12]
    name = f"cage-by-{made_by}"
    shipped = folder / f"{name}.onnx"
    if not shipped.exists():
        import torch
        from affectd_models.importers import random_cage

        checkpoint = folder / "cage.pt"
        torch.save(random_cage.state(10), checkpoint)
        command = [sys.executable, "-m", "affectd_models", "import-cage", checkpoint, "--out", folder, "--name", name]
        subprocess.run(command, check=True, stdout=sys.stderr, env=os.environ | {"PYTHONPATH": str(TOOLS)})
        checkpoint.unlink()
    return Network("cage", shipped, folder, golden.inputs(4, 3, 224, **files.IMAGENET, seed=1))


def blazeface(folder):
    """The bundled detector of search regions."""
    pictures = golden.inputs(4, 3, 128, mean=0.5, std=0.5, seed=1)
    return Network("blazeface", ROOT / "models/blazeface.onnx", folder, pictures, kinds=("static",))


def centerface(folder):
    """The bundled full-frame detector, with the input size of its manifest."""
    height, width = 256, 320
    model = onnx.load(ROOT / "models/centerface.onnx")
    for dim, length in zip(model.graph.input[0].type.tensor_type.shape.dim[2:], (height, width), strict=True):
        dim.dim_value = length
    # The recorded shapes of intermediate results are those of the exported input.
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    path = folder / "centerface-320x256.onnx"
    onnx.save(shape_inference.infer_shapes(model), path)
    pictures = golden.inputs(4, 3, width, mean=0.0, std=1 / 255, seed=1)[:, :, :height]
    return Network("centerface", path, folder, pictures, kinds=("static",))


def dequantized(model):
    """The same network with its weights in f32."""
    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Cast" and node.input[0] in tensors]:
        half = tensors[node.input[0]]
        values = numpy_helper.to_array(half).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
        graph.node.remove(node)
        graph.initializer.remove(half)
    for node in [node for node in graph.node if node.op_type == "DequantizeLinear"]:
        values, scale, *zeros = (tensors[name] for name in node.input)
        assert not any(numpy_helper.to_array(zero).any() for zero in zeros), node.name
        (axis,) = (attribute.i for attribute in node.attribute if attribute.name == "axis")
        values, scale = numpy_helper.to_array(values), numpy_helper.to_array(scale)
        scale = np.expand_dims(scale, tuple(i for i in range(values.ndim) if i != axis))
        graph.initializer.append(numpy_helper.from_array(values * scale, node.output[0]))
        graph.node.remove(node)
        for name in node.input:
            graph.initializer.remove(tensors[name])
    onnx.checker.check_model(model, full_check=True)
    return model


class Calibration(CalibrationDataReader):
    """Passes calibration faces to ONNX Runtime."""

    def __init__(self, name, faces):
        self.left = iter([{name: face[None]} for face in faces])

    def get_next(self):
        """Return the next face, or None."""
        return next(self.left, None)
