"""The map from probabilities to valence and arousal."""

import numpy as np
import pytest

from affectd_models.errors import InvalidInput
from affectd_models.faces.ferplus import CLASS_VA
from affectd_models.measure import metrics, va_map


def synthetic(noise, count=400):
    """Probabilities, ratings, and the map that the ratings follow apart from noise."""
    random = np.random.default_rng(1)
    probability = metrics.softmax(3 * random.normal(size=(count, 8)))
    table = random.uniform(-0.8, 0.8, (8, 2))
    return probability, probability @ table + noise * random.normal(size=(count, 2)), table


def test_a_map_without_noise_is_found():
    probability, ratings, table = synthetic(0)
    np.testing.assert_allclose(va_map.fit(probability, ratings, 1e-9), table, atol=1e-4)
    assert va_map.cross_validated(probability, ratings, 1e-9).min() > 0.999


def test_predictions_have_the_moments_of_the_ratings():
    probability, ratings, _ = synthetic(0.4)
    predicted = probability @ va_map.fit(probability, ratings, 0.1)
    np.testing.assert_allclose(predicted.mean(0), ratings.mean(0), atol=1e-9)
    np.testing.assert_allclose(predicted.std(0), ratings.std(0), atol=1e-9)


def test_ratings_without_relation_have_no_concordance():
    probability, ratings, _ = synthetic(0)
    shuffled = np.random.default_rng(2).permutation(ratings)
    assert abs(va_map.cross_validated(probability, shuffled, 0.03).mean()) < 0.1


def test_a_strong_prior_keeps_the_order_of_affectnet():
    probability, ratings, _ = synthetic(0.4)
    table = va_map.fit(probability, ratings, 1e6)
    for axis in range(2):
        assert np.corrcoef(table[:, axis], CLASS_VA[:, axis])[0, 1] == pytest.approx(1)


def test_the_last_layer_predicts_the_map():
    random = np.random.default_rng(3)
    features = np.tanh(random.normal(size=(500, 20)))
    weights = random.normal(size=(20, 2))
    found, explained = va_map.fit_head(features, features @ weights, 1e-9)
    np.testing.assert_allclose(found, weights, atol=1e-4)
    assert explained.min() > 0.999


def test_ratings_are_checked(tmp_path):
    path = tmp_path / "ratings.csv"
    lines = ["row,valence,arousal", *(f"{row},0.5,-0.5" for row in range(12))]
    path.write_text("\n".join(lines))
    assert va_map.read_ratings(path).va.tolist() == [[0.5, -0.5]] * 12
    for wrong in ("11,2,0", "10,0,0", "x,0,0"):
        path.write_text("\n".join([*lines[:-1], wrong]))
        with pytest.raises(InvalidInput):
            va_map.read_ratings(path)
