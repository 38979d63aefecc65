"""Fit the valence and arousal of a shipped ONNX file to people's ratings.

    affectd-models fit-va --config configs/NAME.toml --data DIR --ratings CSV --model NAME.onnx --out NEW.onnx

The file's category probabilities on rated validation faces give a linear map to valence and arousal
(measure/va_map.py); its concordance is cross-validated and printed. The last layer's two outputs for valence
and arousal are then replaced by the least-squares prediction of that map on training faces, which needs no
ratings. Nothing else in the file changes, so that the categories and the cost stay the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from jaxtyping import Float, UInt8

from affectd_models import config as configuration
from affectd_models.config import Config
from affectd_models.faces import ferplus, ratings
from affectd_models.faces.ferplus import CLASSES
from affectd_models.measure import va_map, va_outputs
from affectd_models.measure.va_map import Prior
from affectd_models.training import inference


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments, fit and print."""
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

    report = fit(
        configuration.load(args.config),
        data=args.data,
        rating_table=args.ratings,
        model=args.model,
        out=args.out,
        prior=Prior(args.ridge, tuple(args.bounds)),
        count=args.faces,
    )
    sys.stdout.write((json.dumps(report.to_json()) if args.json else report.to_markdown()) + "\n")


def fit(
    config: Config, *, data: Path, rating_table: Path, model: Path, out: Path, prior: Prior, count: int
) -> va_outputs.Report:
    """Write the ONNX file `model` with fitted valence and arousal to `out`.

    `data` is the folder of FER+, and about `count` of its training faces are used to fit the last layer.
    """
    train, held = ferplus.split_holdout(ferplus.load(data, "train"), config["data"]["holdout"])
    images, rated = rated_faces(data, rating_table)
    predict = inference.deployed_predictor(model, config)
    before = predict(images)
    category_map, scores = va_outputs.fit_map(
        predict(held.images)[:, :CLASSES], held.label, before[:, :CLASSES], rated, prior
    )

    network = onnx.load(model)
    some = train.images[:: max(1, len(train) // count)]
    logits, features = inference.logits_and_features(network, config, some)
    explained = va_outputs.fit_last_layer(network, category_map, logits, features)
    onnx.save(network, out)
    after = inference.deployed_predictor(out, config)(images)
    return va_outputs.Report(
        rated_faces=len(images),
        prior=prior,
        category_map=category_map,
        before=va_outputs.concordance(before, rated),
        after=va_outputs.concordance(after, rated),
        cross_validated=scores,
        explained=explained,
    )


def rated_faces(
    data: Path, rating_table: Path
) -> tuple[UInt8[np.ndarray, "n 48 48"], Float[np.ndarray, "n 2"]]:
    """The usable rated faces of the validation split, and their ratings."""
    usable = ferplus.usable_rows(data, "valid")
    va = ratings.read(rating_table, len(usable)).of(usable).astype(np.float64)
    rated = ~np.isnan(va[:, 0])
    return ferplus.load(data, "valid").images[rated], va[rated]
