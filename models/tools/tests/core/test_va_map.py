"""The map from probabilities to valence and arousal."""

import numpy as np
import pytest

from affectd_models.errors import InvalidInput
from affectd_models.faces import ratings
from affectd_models.faces.ferplus import CLASS_VA
from affectd_models.measure import metrics, va_map


def synthetic(noise, count=400):
    """Probabilities, ratings, and the map that the ratings follow apart from noise."""
    random = np.random.default_rng(1)
    probability = metrics.softmax(3 * random.normal(size=(count, 8)))
    table = random.uniform(-0.8, 0.8, (8, 2))
    return probability, probability @ table + noise * random.normal(size=(count, 2)), table


# So weak and wide that it has no effect.
FREE = va_map.Prior(1e-9, (2.0, 2.0))


def test_a_map_without_noise_is_found():
    probability, ratings, table = synthetic(0)
    np.testing.assert_allclose(va_map.fit(probability, ratings, FREE), table, atol=1e-4)
    assert va_map.cross_validated(probability, ratings, FREE).min() > 0.999


def test_predictions_vary_as_much_as_the_ratings():
    probability, ratings, _ = synthetic(0.1)
    predicted = probability @ va_map.fit(probability, ratings, FREE)
    np.testing.assert_allclose(predicted.mean(0), ratings.mean(0), atol=1e-3)
    np.testing.assert_allclose(predicted.std(0), ratings.std(0), rtol=1e-3)


def test_noise_is_not_stretched_without_limit():
    probability, ratings, _ = synthetic(0)
    shuffled = np.random.default_rng(2).permutation(ratings)
    predicted = probability @ va_map.fit(probability, shuffled, FREE)
    assert (predicted.std(0) < 0.8 * ratings.std(0)).all()
    assert abs(va_map.cross_validated(probability, shuffled, FREE).mean()) < 0.1


def test_no_category_leaves_its_bounds():
    probability, ratings, _ = synthetic(0.4)
    table = va_map.fit(probability, ratings, va_map.Prior(1e-9, (0.2, 0.5)))
    distance = abs(table - CLASS_VA)
    assert (distance.max(0) < [0.2 + 1e-6, 0.5 + 1e-6]).all()
    # The bounds matter, but not for every category's arousal.
    assert (distance.max(0) > [0.2 - 1e-6, 0.5 - 1e-6]).all()
    assert distance[:, 1].min() < 0.4
    assert abs(table).max() <= 1


def test_a_strong_prior_gives_affectnet():
    probability, ratings, _ = synthetic(0.4)
    np.testing.assert_allclose(
        va_map.fit(probability, ratings, va_map.Prior(1e6, (2.0, 2.0))), CLASS_VA, atol=1e-3
    )


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
    assert ratings.read(path, 12).va.tolist() == [[0.5, -0.5]] * 12
    for wrong in ("11,2,0", "10,0,0", "x,0,0", "12,0,0", "-1,0,0"):
        path.write_text("\n".join([*lines[:-1], wrong]))
        with pytest.raises(InvalidInput):
            ratings.read(path, 12)


def test_ratings_belong_to_usable_faces():
    rated = ratings.Ratings(np.array([3, 1]), np.array([[0.5, -0.5], [1, 0]]))
    found = rated.of(np.array([True, True, False, True, True]))
    np.testing.assert_array_equal(found, np.array([[np.nan] * 2, [1, 0], [0.5, -0.5], [np.nan] * 2]))
