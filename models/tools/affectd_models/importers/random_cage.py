"""Checkpoints of CAGE's shapes with seeded random weights, for tests and benchmarks."""

from __future__ import annotations

import torch
import torchvision
from torch import Tensor, nn


def state(outputs: int, dropout: bool = False, seed: int = 7) -> dict[str, Tensor]:
    """A state_dict whose activations and outputs are about as large as a trained network's."""
    generator = torch.Generator().manual_seed(seed)
    net = torchvision.models.maxvit_t(num_classes=outputs)
    with torch.no_grad():
        for module in net.modules():
            draw(module, generator)
        for name, parameter in net.named_parameters():
            if name.endswith("relative_position_bias_table"):
                normal(parameter, 0, 0.5, generator)
        net.classifier[5].weight.mul_(4)
    tensors: dict[str, Tensor] = net.state_dict()
    if dropout:
        tensors["classifier.6.weight"] = tensors.pop("classifier.5.weight")
    return tensors


@torch.no_grad()
def draw(module: nn.Module, generator: torch.Generator) -> None:
    """Random parameters of one layer, and random statistics of a batch norm.

    Norms get different scales, shifts and statistics, so that an error in folding them shows.
    """
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        normal(module.weight, 0, module.weight[0].numel() ** -0.5, generator)
        if module.bias is not None:
            normal(module.bias, 0, 0.1, generator)
    elif isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)):
        normal(module.weight, 1, 0.2, generator)
        normal(module.bias, 0, 0.2, generator)
        if isinstance(module, nn.BatchNorm2d):
            normal(module.running_mean, 0, 0.2, generator)
            module.running_var.copy_(0.5 + torch.rand(module.running_var.shape, generator=generator))


def normal(tensor: Tensor, mean: float, std: float, generator: torch.Generator) -> None:
    """Fill a tensor with normally distributed values."""
    tensor.copy_(mean + std * torch.randn(tensor.shape, generator=generator))
