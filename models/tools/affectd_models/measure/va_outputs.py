"""The fit of a network's valence and arousal to people's ratings, on arrays and an ONNX graph.

A map of the category probabilities is fitted to the ratings (va_map.py). The last layer is then fitted to the
predictions of the map, for which it needs no ratings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from jaxtyping import Float, Float32, Int

from affectd_models.bundle import last_layer
from affectd_models.faces.ferplus import CATEGORIES, CLASSES
from affectd_models.measure import metrics, va_map
from affectd_models.measure.va_map import Prior


@dataclass(frozen=True)
class CategoryMap:
    """Valence and arousal as a linear map of a network's category probabilities."""

    # Divides the logits.
    temperature: float
    # Valence and arousal of each category, -1..1.
    table: Float[np.ndarray, "8 2"]

    def __call__(self, logits: Float32[np.ndarray, "n 8"]) -> Float[np.ndarray, "n 2"]:
        """Valence and arousal of each face."""
        va: Float[np.ndarray, "n 2"] = probabilities(logits, self.temperature) @ self.table
        return va


@dataclass(frozen=True)
class Report:
    """The result of a fit. Concordances (CCC) are pairs of valence and arousal."""

    rated_faces: int
    prior: Prior
    category_map: CategoryMap
    # Concordance of the network with the ratings before and after the fit.
    before: Float[np.ndarray, " 2"]
    after: Float[np.ndarray, " 2"]
    # Concordance of the map in each repeat of the cross-validation.
    cross_validated: Float[np.ndarray, "repeats 2"]
    # Share of the map's variance that the last layer explains.
    explained: Float[np.ndarray, " 2"]

    def concordances(self) -> dict[str, list[float]]:
        """The concordances as they are printed."""
        return {
            "before": self.before.tolist(),
            "cross_validated": self.cross_validated.mean(0).tolist(),
            "cross_validated_deviation": self.cross_validated.std(0).tolist(),
            "after": self.after.tolist(),
        }

    def to_json(self) -> dict[str, Any]:
        """The values of one JSON object, as docs/figures/ratings.json holds it."""
        table = self.category_map.table.tolist()
        return {
            "rated_faces": self.rated_faces,
            "temperature": self.category_map.temperature,
            "ridge": self.prior.ridge,
            "bounds": self.prior.bounds,
            "ccc": self.concordances(),
            "map": dict(zip(CATEGORIES, table, strict=True)),
            "explained": self.explained.tolist(),
        }

    def to_markdown(self) -> str:
        """Tables for a reader."""
        ccc = self.concordances()
        rows = [
            ("before", ccc["before"]),
            ("map, cross-validated", ccc["cross_validated"]),
            ("standard deviation over repeats", ccc["cross_validated_deviation"]),
            ("after, on the faces of the fit", ccc["after"]),
        ]
        lines = [f"{self.rated_faces} rated faces, temperature {self.category_map.temperature:.3f}", ""]
        lines += ["| CCC | valence | arousal |", "| --- | --- | --- |"]
        lines += [f"| {title} | {valence:.3f} | {arousal:.3f} |" for title, (valence, arousal) in rows]
        lines += ["", "| category | valence | arousal |", "| --- | --- | --- |"]
        table = zip(CATEGORIES, self.category_map.table, strict=True)
        lines += [f"| {name} | {valence:.2f} | {arousal:.2f} |" for name, (valence, arousal) in table]
        valence, arousal = self.explained
        lines += ["", f"the last layer explains {valence:.3f} and {arousal:.3f} of the map's variance"]
        return "\n".join(lines)


def probabilities(logits: Float32[np.ndarray, "n 8"], temperature: float) -> Float[np.ndarray, "n 8"]:
    """The category probabilities in f64."""
    return metrics.softmax(logits.astype(np.float64) / temperature)


def fit_map(
    held_logits: Float32[np.ndarray, "held 8"],
    held_label: Int[np.ndarray, " held"],
    rated_logits: Float32[np.ndarray, "rated 8"],
    ratings: Float[np.ndarray, "rated 2"],
    prior: Prior,
) -> tuple[CategoryMap, Float[np.ndarray, "repeats 2"]]:
    """(map, concordance in each repeat of its cross-validation).

    The temperature is fitted to labelled faces that were held out from training, the map to the rated faces.
    """
    temperature = metrics.fit_temperature(held_logits, held_label)
    probability = probabilities(rated_logits, temperature)
    scores = va_map.cross_validated(probability, ratings, prior)
    return CategoryMap(temperature, va_map.fit(probability, ratings, prior)), scores


def fit_last_layer(
    network: onnx.ModelProto,
    category_map: CategoryMap,
    logits: Float32[np.ndarray, "n 8"],
    features: Float32[np.ndarray, "n features"],
) -> Float[np.ndarray, " 2"]:
    """Replace the network's two outputs, in place; returns the explained share of the map's variance.

    `logits` and `features`, the input of the last layer, are the network's own for any faces.
    """
    weights, explained = va_map.fit_head(features.astype(np.float64), category_map(logits))
    last_layer.replace_outputs(network, weights.astype(np.float32), CLASSES)
    onnx.checker.check_model(network, full_check=True)
    return explained


def concordance(
    outputs: Float32[np.ndarray, "n 10"], ratings: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, " 2"]:
    """The concordance of a network's valence and arousal, clipped as by the daemon, with the ratings."""
    return metrics.ccc_of_axes(outputs[:, CLASSES:].clip(-1, 1), ratings)
