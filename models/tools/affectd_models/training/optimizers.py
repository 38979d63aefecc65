"""The optimizers of a run, and the schedule of their learning rate."""

from __future__ import annotations

import math

import torch
from torch import nn

from affectd_models.config import TrainTable
from affectd_models.network import dlib_face
from affectd_models.training.muon import Muon


def build(net: nn.Module, train: TrainTable) -> list[torch.optim.Optimizer]:
    """The optimizers that the [train] table chooses.

    By default Muon for matrices, and AdamW for depthwise filters, tables, norms, biases and the last layer.
    """
    if train.get("optimizer", "muon") == "adamw":
        return [adamw(net, train)]
    matrices, others, plain = [], [], []
    last = (net.last if isinstance(net, dlib_face.FaceNet) else net.classifier[-1]).weight
    for module in net.modules():
        for name, weight in module.named_parameters(recurse=False):
            is_matrix = isinstance(module, (nn.Linear, nn.Conv2d)) and name == "weight"
            if is_matrix and weight is not last and min(weight.flatten(1).shape) > 9:
                matrices.append(weight)
            elif is_matrix:
                others.append(weight)
            else:
                plain.append(weight)
    decay = train["weight_decay"]
    adam = [{"params": others, "weight_decay": decay}, {"params": plain, "weight_decay": 0.0}]
    return [
        Muon(matrices, train["lr"], train["momentum"], decay),
        torch.optim.AdamW(adam, train["lr"], betas=(0.9, 0.98)),
    ]


def adamw(net: nn.Module, train: TrainTable) -> torch.optim.Optimizer:
    """AdamW for all parameters, with weight decay for matrices and filters."""
    decayed = [weight for weight in net.parameters() if weight.ndim > 1]
    plain = [weight for weight in net.parameters() if weight.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": train["weight_decay"]},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, train["lr"], betas=(0.9, 0.99))


def schedule(progress: float, warmup: float, decay: float) -> float:
    """Factor of the learning rate: linear warm-up, constant, then cosine decay to zero."""
    if progress < warmup:
        return (progress + 1e-3) / (warmup + 1e-3)
    left = (1 - progress) / decay
    return 1.0 if left >= 1 else 0.5 - 0.5 * math.cos(math.pi * max(0.0, left))
