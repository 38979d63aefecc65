"""An exponential moving average of the weights, which generalizes better than the last step's."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Average:
    """Exponential moving average of a network's weights and of its batch norms' statistics."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Include the weights after one step; the first steps have a smaller decay."""
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 9))
        ours, theirs = list(self.net.parameters()), list(net.parameters())
        torch._foreach_lerp_(ours, theirs, 1 - decay)
        for mine, new in zip(self.net.buffers(), net.buffers(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(new, 1 - decay)
            else:
                mine.copy_(new)
