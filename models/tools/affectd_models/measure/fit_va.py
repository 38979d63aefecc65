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
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from jaxtyping import Float, Float32, UInt8
from onnx import numpy_helper

from affectd_models import config as configuration
from affectd_models.bundle import golden, quantize
from affectd_models.config import Config
from affectd_models.errors import InvalidInput
from affectd_models.faces import ferplus
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
    parser.add_argument("--ridge", type=float, default=0.03, help="weight of the prior, AffectNet's means")
    parser.add_argument("--faces", type=int, default=4000, help="training faces to fit the last layer on")
    args = parser.parse_args(argv)
    if args.ridge <= 0 or args.faces < 1:
        parser.error("--ridge and --faces must be positive")

    config = configuration.load(args.config)
    train, held = ferplus.split_holdout(ferplus.load(args.data, "train"), config["data"]["holdout"])
    images, ratings = rated_faces(args.data, args.ratings)
    predict = predictor(args.model, config)
    temperature = metrics.fit_temperature(predict(held.images)[:, :CLASSES], held.label)
    outputs = predict(images)
    probability = metrics.softmax(outputs[:, :CLASSES].astype(np.float64) / temperature)
    scores = va_map.cross_validated(probability, ratings, args.ridge)
    table = va_map.fit(probability, ratings, args.ridge)

    network = onnx.load(args.model)
    logits, features = with_features(network, config, train.images[:: max(1, len(train) // args.faces)])
    target = metrics.softmax(logits.astype(np.float64) / temperature) @ table
    weights, explained = va_map.fit_head(features.astype(np.float64), target)
    replace_outputs(network, weights.astype(np.float32))
    onnx.checker.check_model(network, full_check=True)
    onnx.save(network, args.out)

    concordance = {
        "before": concordances(outputs, ratings),
        "map, cross-validated": scores.mean(0),
        "standard deviation over repeats": scores.std(0),
        "after, on the faces of the fit": concordances(predictor(args.out, config)(images), ratings),
    }
    lines = [f"{len(images)} rated faces, temperature {temperature:.3f}", ""]
    lines += ["| CCC | valence | arousal |", "| --- | --- | --- |"]
    lines += [f"| {name} | {values[0]:.3f} | {values[1]:.3f} |" for name, values in concordance.items()]
    lines += ["", "| category | valence | arousal |", "| --- | --- | --- |"]
    pairs = zip(ferplus.CATEGORIES, table, strict=True)
    lines += [f"| {name} | {valence:.2f} | {arousal:.2f} |" for name, (valence, arousal) in pairs]
    lines += ["", f"the last layer explains {explained[0]:.3f} and {explained[1]:.3f} of the map's variance"]
    sys.stdout.write("\n".join(lines) + "\n")


def predictor(path: Path, config: Config) -> inference.Predict:
    """The outputs of an ONNX file as the daemon computes them."""
    predict = inference.onnx_predictor(golden.session(path), config)
    return inference.as_shown(predict, config["data"])


def concordances(
    outputs: Float32[np.ndarray, "n 10"], ratings: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, " 2"]:
    """The concordance of valence and of arousal with the ratings."""
    va = outputs[:, CLASSES:].clip(-1, 1)
    return np.array([metrics.ccc(va[:, axis], ratings[:, axis]) for axis in range(2)])


def rated_faces(folder: Path, path: Path) -> tuple[UInt8[np.ndarray, "n 48 48"], Float[np.ndarray, "n 2"]]:
    """The usable rated faces of the validation split, and their ratings."""
    ratings = va_map.read_ratings(path)
    usable = ferplus.usable_rows(folder, "valid")
    images = ferplus.read_sheets(folder, "valid", len(usable))
    if ratings.row.max() >= len(usable):
        raise InvalidInput(f"{path}: row {ratings.row.max()}; the split has {len(usable)} faces")
    kept = usable[ratings.row]
    return images[ratings.row[kept]], ratings.va[kept]


def last_product(network: onnx.ModelProto) -> onnx.NodeProto:
    """The MatMul without bias that computes the outputs."""
    node: onnx.NodeProto = network.graph.node[-1]
    if node.op_type != "MatMul" or list(node.output) != [network.graph.output[0].name]:
        raise InvalidInput(f"the last node is {node.op_type}; a MatMul without bias is expected")
    return node


def with_features(
    network: onnx.ModelProto, config: Config, images: UInt8[np.ndarray, "n 48 48"]
) -> tuple[Float32[np.ndarray, "n 8"], Float32[np.ndarray, "n f"]]:
    """The logits, and the input of the last layer."""
    features = last_product(network).input[0]
    shown = onnx.ModelProto()
    shown.CopyFrom(network)
    shown.graph.output.append(onnx.helper.make_tensor_value_info(features, onnx.TensorProto.FLOAT, None))
    session = golden.session(shown.SerializeToString())
    both = [session.run(None, {"face": face[None]}) for face in inference.prepared(images, config)]
    return np.concatenate([one[0] for one in both])[:, :CLASSES], np.concatenate([one[1] for one in both])


def replace_outputs(network: onnx.ModelProto, weights: Float32[np.ndarray, "f 2"]) -> None:
    """Replace, in place, the columns of valence and arousal in the last layer's weight, int8 or f32."""
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
        stored[..., CLASSES:] = column
        tensors[key].CopyFrom(numpy_helper.from_array(stored, key))
