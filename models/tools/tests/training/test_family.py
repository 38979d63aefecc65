"""The random weights of `check-family`; the command itself needs the daemon's program."""

import numpy as np
import pytest

from affectd_models.bundle import quantize

pytest.importorskip("timm")
from affectd_models.importers import family


@pytest.mark.parametrize("shape", [(5, 7), (6, 4, 3, 3), (8, 1, 3, 3)])
def test_weights_on_the_grid_are_not_rounded(shape):
    weight = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    grid = family.on_grid(weight)
    largest = [abs(array).reshape(len(array), -1).max(1) for array in (grid, weight)]
    np.testing.assert_allclose(*largest, rtol=1e-6)
    for paired in (False, True):
        values, scale = quantize.symmetric(grid, 0, paired)
        np.testing.assert_allclose(quantize.dequantized(values, scale, 0), grid, rtol=1e-6)
