"""Muon: momentum orthogonalized by Newton-Schulz iterations, for weights that are matrices.

After Keller Jordan, "Muon: an optimizer for hidden layers in neural networks" (2024). torch.optim.Muon
accepts 2-D weights only and updates one matrix at a time; here 1x1 convolutions count as matrices too, and
matrices of one shape are orthogonalized together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from affectd_models.training import devices


def orthogonal(g: Float[Tensor, "b m n"]) -> Float[Tensor, "b m n"]:
    """The matrices with their singular values set to nearly one; in bf16 where that is fast."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.bfloat16() if devices.has_bf16(g.device) else g
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Orthogonalized Nesterov momentum with decoupled weight decay."""

    def __init__(self, weights: Iterable[Tensor], lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # noqa: ARG002, the signature of Optimizer
        """Update every weight from its gradient."""
        for group in self.param_groups:
            same_shape = defaultdict(list)
            for weight in group["params"]:
                same_shape[weight.flatten(1).shape].append(weight)
            for shape, weights in same_shape.items():
                self.update(group, shape, weights)

    def update(self, group: dict[str, Any], shape: Sequence[int], weights: list[Tensor]) -> None:
        """One step for several weights whose flattened `shape` [m, n] is the same."""
        directions = []
        for weight in weights:
            state = self.state[weight]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(weight.grad)
            state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
            directions.append(weight.grad.lerp(state["momentum"], group["momentum"]).flatten(1))
        # An orthogonal [m, n] has entries of size 1/sqrt(max(m, n)). They are scaled to an RMS of 0.2, so
        # that one learning rate suits all shapes and compares with AdamW's.
        changes = orthogonal(torch.stack(directions)).float() * (0.2 * max(shape) ** 0.5)
        for weight, change in zip(weights, changes, strict=True):
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            weight.sub_(group["lr"] * change.view_as(weight))
