"""Drawing rare categories more often than they occur, and the correction of the loss for it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32


def balance(
    target: Float32[np.ndarray, "n 8"], exponent: float
) -> tuple[Float32[np.ndarray, " n"], Float32[np.ndarray, " 8"]]:
    """(how often to draw each face, with a mean of 1; what to add to the logits in the loss).

    A category's weight is its frequency to the power of minus `exponent`: 0 draws all faces equally often, 1
    all categories. The loss adds the log ratio of the drawn to the original frequencies, so that the network
    itself learns the latter (Menon et al. 2021).
    """
    if exponent == 0:
        return np.ones(len(target), np.float32), np.zeros(target.shape[1], np.float32)
    frequency = target.mean(0).clip(1e-6)
    share = target @ frequency**-exponent
    share = share / share.mean()
    drawn = (share[:, None] * target).mean(0).clip(1e-6)
    return share.astype(np.float32), np.log(drawn / frequency).astype(np.float32)
