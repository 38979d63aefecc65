"""Metrics with known values."""

import numpy as np
import pytest

from affectd_models.faces.ferplus import Faces
from affectd_models.measure import metrics


def test_accuracy_and_macro_f1():
    predicted, label = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])
    assert metrics.accuracy(predicted, label) == 0.5
    # F1 of the classes: 2/3, 1/2 and, never labelled, 0.
    assert metrics.macro_f1(predicted, label, 3) == pytest.approx((2 / 3 + 1 / 2) / 3)


def test_calibration_error():
    probability = np.array([[0.9, 0.1]] * 10 + [[0.4, 0.6]] * 10)
    label = np.array([0] * 9 + [1] + [1] * 6 + [0] * 4)
    assert metrics.ece(probability, label) == pytest.approx(0)
    assert metrics.ece(probability, 1 - label) == pytest.approx((0.8 + 0.2) / 2)


def test_soft_cross_entropy_of_the_targets_is_their_entropy():
    target = np.array([[0.5, 0.5], [1.0, 0.0]])
    assert metrics.soft_cross_entropy(target, target) == pytest.approx(np.log(2) / 2)


def test_concordance():
    x = np.linspace(-1, 1, 101)
    assert metrics.ccc(x, x) == pytest.approx(1)
    assert metrics.ccc(-x, x) == pytest.approx(-1)
    # Correlated perfectly, but shifted by d: 2 v / (2 v + d^2).
    assert metrics.ccc(x + 0.5, x) == pytest.approx(2 * x.var() / (2 * x.var() + 0.25))


def test_the_fitted_temperature_undoes_a_scale():
    random = np.random.default_rng(1)
    logits = random.normal(size=(4000, 8)) * 2
    probability = metrics.softmax(logits)
    label = (probability.cumsum(1) > random.random((4000, 1))).argmax(1)
    assert metrics.fit_temperature(logits * 1.7, label) == pytest.approx(1.7, rel=0.06)


def test_summary_clips_valence_and_arousal():
    target = np.eye(8, dtype=np.float32)
    faces = Faces.from_votes(np.zeros((8, 48, 48), np.uint8), target)
    outputs = np.concatenate([20 * target, faces.va], 1)
    outputs[0, 8] = -5
    figures = metrics.summary(outputs, faces)
    assert (figures["accuracy"], figures["macro_f1"], figures["n"]) == (1, 1, 8)
    assert figures["va_rmse"] == pytest.approx(0.97 / 4)
