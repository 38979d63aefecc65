"""Distillation: targets that blend the votes with the predictions of trained networks.

A prediction has eight probabilities, valence and arousal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor, nn
from tqdm import tqdm

from affectd_models.config import Config
from affectd_models.faces.ferplus import CLASSES, Faces
from affectd_models.training import devices, inference

Teacher = tuple[nn.Module, Config]
Targets = tuple[Float32[np.ndarray, "n 8"], Float32[np.ndarray, "n 2"]]


def blend(faces: Faces, prediction: Float32[np.ndarray, "n 10"], weight: float) -> Targets:
    """(votes, valence and arousal) of `faces`, blended with a prediction, whose share is `weight`."""
    target = faces.target + weight * (prediction[:, :CLASSES] - faces.target)
    va = faces.va + weight * (prediction[:, CLASSES:] - faces.va)
    return target, va


def targets(faces: Faces, teachers: Sequence[Teacher], device: torch.device, weight: float) -> Targets:
    """The targets of `faces`, blended with the teachers' mean prediction, whose share is `weight`.

    Each teacher predicts every face and its mirror image once.
    """
    predictions = []
    for net, config in tqdm(teachers, "teachers", ncols=100):
        predict = inference.predictor(net.to(device, memory_format=torch.channels_last), config, True)
        outputs = inference.mirrored(predict)(faces.images)
        predictions.append(inference.probabilities(torch.from_numpy(outputs)))
    return blend(faces, torch.stack(predictions).mean(0).numpy(), weight)


def shares(weight: float, stored: int, online: int) -> tuple[float, float]:
    """(share of the stored predictions in the stored targets, share of the online ones in the final targets).

    `stored` and `online` are numbers of teachers. The share of all teachers together is `weight`, and each of
    them counts as much as the others.
    """
    last = weight * online / (stored + online)
    first = weight * stored / (stored + online)
    return (first / (1 - last) if first > 0 else 0.0), last


class Online:
    """Teachers that predict every augmented batch, and so never the same picture twice."""

    def __init__(self, teachers: Sequence[Teacher], device: torch.device, micro_batch: int) -> None:
        self.teachers = [
            (net.to(device, memory_format=torch.channels_last).eval().requires_grad_(False), config)
            for net, config in teachers
        ]
        self.micro_batch = micro_batch
        self.bf16 = devices.has_bf16(device)

    @torch.no_grad()
    def __call__(self, x: Float[Tensor, "n 1 size size"]) -> Float[Tensor, "n 10"]:
        """The mean prediction of the teachers for faces in 0..1, each from a face and its mirror image."""
        return torch.cat([self.mean(faces) for faces in x.split(self.micro_batch)])

    def mean(self, x: Float[Tensor, "n 1 size size"]) -> Float[Tensor, "n 10"]:
        """The same for faces that go through the networks at once."""
        both = torch.cat([x, x.flip(-1)])
        predictions = []
        for net, config in self.teachers:
            size, data = config["model"]["size"], config["data"]
            inputs = both
            if both.shape[-1] != size:
                inputs = F.interpolate(both, (size, size), mode="bilinear", align_corners=False)
            inputs = ((inputs - data["mean"]) / data["std"]).to(memory_format=torch.channels_last)
            with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16):
                outputs = net(inputs)
            predictions.append(inference.probabilities(outputs.float().view(2, len(x), -1).mean(0)))
        return torch.stack(predictions).mean(0)
