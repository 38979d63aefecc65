"""The last layer of an exported ONNX file: its weight, its input, and the replacement of some outputs.

It is a MatMul without bias, whose weight [features, outputs] is f32 or int8 as `quantize` stores it.
"""

from __future__ import annotations

import numpy as np
import onnx
from jaxtyping import Float, Float32
from onnx import numpy_helper

from affectd_models.bundle import quantize
from affectd_models.errors import InvalidInput
from affectd_models.faces.ferplus import OUTPUTS


def product(network: onnx.ModelProto) -> onnx.NodeProto:
    """The node that computes the outputs."""
    node: onnx.NodeProto = network.graph.node[-1]
    if node.op_type != "MatMul" or list(node.output) != [network.graph.output[0].name]:
        raise InvalidInput(f"the last node is {node.op_type}; a MatMul without bias is expected")
    return node


def weights(network: onnx.ModelProto) -> Float32[np.ndarray, "features outputs"]:
    """The weight in f32."""
    name = product(network).input[1]
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in network.graph.initializer}
    if name in tensors:
        return tensors[name]
    return quantize.dequantized(tensors[f"{name}.int8"], tensors[f"{name}.scale"], 1)


def with_features(network: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the network whose second output is the input of the last layer, [1, features]."""
    extended = onnx.ModelProto()
    extended.CopyFrom(network)
    value = onnx.helper.make_tensor_value_info(product(network).input[0], onnx.TensorProto.FLOAT, None)
    extended.graph.output.append(value)
    return extended


def replace_outputs(
    network: onnx.ModelProto, columns: Float32[np.ndarray, "features replaced"], first: int
) -> None:
    """Replace, in place, the columns of the weight from `first` on."""
    name = product(network).input[1]
    tensors = {tensor.name: tensor for tensor in network.graph.initializer}
    if name in tensors:
        replacements = {name: columns}
    else:
        values, scale = quantize.symmetric(columns, 1, paired=False)
        replacements = {f"{name}.int8": values, f"{name}.scale": scale}
    for key, replacement in replacements.items():
        if key not in tensors:
            raise InvalidInput(f"no tensor {key}; expected is a file of `affectd-models quantize`")
        stored = numpy_helper.to_array(tensors[key]).copy()
        if stored.shape[:-1] != replacement.shape[:-1] or stored.shape[-1] != OUTPUTS:
            raise InvalidInput(f"{key} is {list(stored.shape)}; expected are {OUTPUTS} outputs")
        stored[..., first : first + replacement.shape[-1]] = replacement
        tensors[key].CopyFrom(numpy_helper.from_array(stored, key))


def add_offsets(
    network: onnx.ModelProto, features: Float32[np.ndarray, "n features"], offsets: Float[np.ndarray, " k"]
) -> None:
    """Add offsets to the first outputs, in place.

    The layer has no bias. The weights that compute the constant 1 from `features`, inputs of the layer, are
    therefore fitted by least squares, and each output gets them times its offset.
    """
    constant = np.linalg.lstsq(features.astype(np.float64), np.ones(len(features)), rcond=1e-6)[0]
    columns = weights(network)[:, : len(offsets)] + np.outer(constant, offsets)
    replace_outputs(network, columns.astype(np.float32), 0)
    onnx.checker.check_model(network, full_check=True)
