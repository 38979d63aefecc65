"""Fit the valence and arousal of a shipped ONNX file to people's ratings.

    affectd-models fit-va --config configs/NAME.toml --data DIR --ratings FILE --model NAME.onnx --out
    NEW.onnx

The file's category probabilities on rated validation faces give a linear map to valence and arousal
(measure/va_map.py); its concordance is cross-validated and printed. The last layer's two outputs for valence
and arousal are then replaced by the least-squares prediction of that map on training faces, which needs no
ratings. Nothing else in the file changes, so that the categories and the cost stay the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from jaxtyping import Float, Float32, UInt8
from onnx import numpy_helper

from affectd_models import config as configuration
from affectd_models.bundle import golden, quantize
from affectd_models.config import Config
from affectd_models.errors import InvalidInput
from affectd_models.faces import ferplus, ratings
from affectd_models.measure import metrics, va_map
from affectd_models.training import inference

CLASSES = len(ferplus.CATEGORIES)


def main(argv: Sequence[str] | None = None) -> None:
    """Fit, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--ratings", type=Path, required=True, help="CSV: row in the split, valence, arousal")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--ridge", type=float, default=va_map.PRIOR.ridge, help="weight of the prior, AffectNet's means"
    )
    parser.add_argument(
        "--bounds",
        type=float,
        nargs=2,
        default=va_map.PRIOR.bounds,
        metavar=("VALENCE", "AROUSAL"),
        help="largest distance of any category from AffectNet's means",
    )
    parser.add_argument("--faces", type=int, default=4000, help="training faces to fit the last layer on")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args(argv)
    if args.ridge <= 0 or args.faces < 1 or min(args.bounds) <= 0:
        parser.error("--ridge, --bounds and --faces must be positive")
    prior = va_map.Prior(args.ridge, tuple(args.bounds))

    config = configuration.load(args.config)
    train, held = ferplus.split_holdout(ferplus.load(args.data, "train"), config["data"]["holdout"])
    images, rated = rated_faces(args.data, args.ratings)
    predict = predictor(args.model, config)
    temperature = metrics.fit_temperature(predict(held.images)[:, :CLASSES], held.label)
    outputs = predict(images)
    probability = metrics.softmax(outputs[:, :CLASSES].astype(np.float64) / temperature)
    scores = va_map.cross_validated(probability, rated, prior)
    table = va_map.fit(probability, rated, prior)

    network = onnx.load(args.model)
    logits, features = with_features(network, config, train.images[:: max(1, len(train) // args.faces)])
    target = metrics.softmax(logits.astype(np.float64) / temperature) @ table
    weights, explained = va_map.fit_head(features.astype(np.float64), target)
    replace_outputs(network, weights.astype(np.float32), CLASSES)
    onnx.checker.check_model(network, full_check=True)
    onnx.save(network, args.out)

    result = {
        "rated_faces": len(images),
        "temperature": temperature,
        "ridge": prior.ridge,
        "bounds": prior.bounds,
        "ccc": {
            "before": concordances(outputs, rated).tolist(),
            "cross_validated": scores.mean(0).tolist(),
            "cross_validated_deviation": scores.std(0).tolist(),
            "after": concordances(predictor(args.out, config)(images), rated).tolist(),
        },
        "map": dict(zip(ferplus.CATEGORIES, table.tolist(), strict=True)),
        "explained": explained.tolist(),
    }
    sys.stdout.write((json.dumps(result) if args.json else text(result)) + "\n")


CONCORDANCES = {
    "before": "before",
    "cross_validated": "map, cross-validated",
    "cross_validated_deviation": "standard deviation over repeats",
    "after": "after, on the faces of the fit",
}


def text(result: Mapping[str, Any]) -> str:
    """The result as readable tables."""
    lines = [f"{result['rated_faces']} rated faces, temperature {result['temperature']:.3f}", ""]
    lines += ["| CCC | valence | arousal |", "| --- | --- | --- |"]
    lines += [
        "| {} | {:.3f} | {:.3f} |".format(words, *result["ccc"][key]) for key, words in CONCORDANCES.items()
    ]
    lines += ["", "| category | valence | arousal |", "| --- | --- | --- |"]
    lines += ["| {} | {:.2f} | {:.2f} |".format(name, *values) for name, values in result["map"].items()]
    valence, arousal = result["explained"]
    return "\n".join(
        [*lines, "", f"the last layer explains {valence:.3f} and {arousal:.3f} of the map's variance"]
    )


def predictor(path: Path, config: Config) -> inference.Predict:
    """The outputs of an ONNX file as the daemon computes them."""
    predict = inference.onnx_predictor(golden.session(path), config)
    return inference.as_shown(predict, config["data"])


def concordances(
    outputs: Float32[np.ndarray, "n 10"], rated: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, " 2"]:
    """The concordance of valence and of arousal with the ratings."""
    va = outputs[:, CLASSES:].clip(-1, 1)
    return np.array([metrics.ccc(va[:, axis], rated[:, axis]) for axis in range(2)])


def rated_faces(folder: Path, path: Path) -> tuple[UInt8[np.ndarray, "n 48 48"], Float[np.ndarray, "n 2"]]:
    """The usable rated faces of the validation split, and their ratings."""
    usable = ferplus.usable_rows(folder, "valid")
    va = ratings.read(path, len(usable)).of(usable).astype(np.float64)
    rated = ~np.isnan(va[:, 0])
    return ferplus.load(folder, "valid").images[rated], va[rated]


def last_product(network: onnx.ModelProto) -> onnx.NodeProto:
    """The MatMul without bias that computes the outputs."""
    node: onnx.NodeProto = network.graph.node[-1]
    if node.op_type != "MatMul" or list(node.output) != [network.graph.output[0].name]:
        raise InvalidInput(f"the last node is {node.op_type}; a MatMul without bias is expected")
    return node


def with_features(
    network: onnx.ModelProto, config: Config, images: UInt8[np.ndarray, "n 48 48"], optimized: bool = False
) -> tuple[Float32[np.ndarray, "n 8"], Float32[np.ndarray, "n f"]]:
    """The logits, and the input of the last layer. `optimized` is faster, and for f32 files only."""
    features = last_product(network).input[0]
    shown = onnx.ModelProto()
    shown.CopyFrom(network)
    shown.graph.output.append(onnx.helper.make_tensor_value_info(features, onnx.TensorProto.FLOAT, None))
    session = golden.session(shown.SerializeToString(), optimized)
    both = [session.run(None, {"face": face[None]}) for face in inference.prepared(images, config)]
    return np.concatenate([one[0] for one in both])[:, :CLASSES], np.concatenate([one[1] for one in both])


def last_weights(network: onnx.ModelProto) -> Float32[np.ndarray, "f 10"]:
    """The last layer's weight, int8 or f32."""
    name = last_product(network).input[1]
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in network.graph.initializer}
    weights: Float32[np.ndarray, "f 10"] = (
        tensors[name] if name in tensors else tensors[f"{name}.int8"] * tensors[f"{name}.scale"]
    )
    return weights


def replace_outputs(network: onnx.ModelProto, weights: Float32[np.ndarray, "f columns"], first: int) -> None:
    """Replace, in place, the columns of the last layer's weight from `first` on; it is int8 or f32."""
    name = last_product(network).input[1]
    tensors = {tensor.name: tensor for tensor in network.graph.initializer}
    if name in tensors:
        columns = {name: weights}
    else:
        values, scale = quantize.symmetric(weights, 1, paired=False)
        columns = {f"{name}.int8": values, f"{name}.scale": scale}
    for key, column in columns.items():
        if key not in tensors:
            raise InvalidInput(f"no tensor {key}; expected is a file of `affectd-models quantize`")
        stored = numpy_helper.to_array(tensors[key]).copy()
        if stored.shape[:-1] != column.shape[:-1] or stored.shape[-1] != CLASSES + 2:
            raise InvalidInput(f"{key} is {list(stored.shape)}; expected are {CLASSES + 2} outputs")
        stored[..., first : first + column.shape[-1]] = column
        tensors[key].CopyFrom(numpy_helper.from_array(stored, key))
