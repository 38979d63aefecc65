"""Distillation: targets that blend the votes with the predictions of trained networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor, nn
from tqdm import tqdm

from affectd_models.config import Config
from affectd_models.faces.ferplus import CATEGORIES, Faces
from affectd_models.training import device, inference

Teacher = tuple[nn.Module, Config]


def blend(
    faces: Faces, teachers: Sequence[Teacher], place: torch.device, weight: float
) -> tuple[Float32[np.ndarray, "n 8"], Float32[np.ndarray, "n 2"]]:
    """(targets, valence and arousal): the votes of `faces`, blended with the teachers' mean prediction.

    `weight` is the share of the teachers. Each teacher predicts every face and its mirror image once.
    """
    classes = len(CATEGORIES)
    answers = []
    for net, config in tqdm(teachers, "teachers", ncols=100):
        net = net.to(place, memory_format=torch.channels_last)
        seen = torch.from_numpy(inference.mirrored(inference.predictor(net, config, True))(faces.images))
        answers.append(torch.cat([seen[:, :classes].softmax(1), seen[:, classes:]], 1))
    answer = torch.stack(answers).mean(0).numpy()
    target, va = answer[:, :classes], answer[:, classes:]
    return faces.target + weight * (target - faces.target), faces.va + weight * (va - faces.va)


def shares(weight: float, stored: int, online: int) -> tuple[float, float]:
    """(share of the stored predictions in the stored targets, share of the online ones in the final targets).

    Of all teachers together the share is `weight`, and each of them counts as much as the others.
    """
    last = weight * online / (stored + online)
    first = weight * stored / (stored + online)
    return (first / (1 - last) if first > 0 else 0.0), last


class Online:
    """Teachers that predict every augmented batch, and so never the same picture twice."""

    def __init__(self, teachers: Sequence[Teacher], place: torch.device, part: int) -> None:
        self.teachers = [
            (net.to(place, memory_format=torch.channels_last).eval().requires_grad_(False), config)
            for net, config in teachers
        ]
        self.part = part
        self.bf16 = device.has_bf16(place)

    @torch.no_grad()
    def __call__(self, x: Float[Tensor, "n 1 size size"]) -> Float[Tensor, "n 10"]:
        """Mean over the teachers of (eight probabilities, valence, arousal) for faces in 0..1.

        Each predicts a face and its mirror image.
        """
        return torch.cat([self.mean(faces) for faces in x.split(self.part)])

    def mean(self, x: Float[Tensor, "n 1 size size"]) -> Float[Tensor, "n 10"]:
        """The same for faces that go through the networks at once."""
        both = torch.cat([x, x.flip(-1)])
        answers = []
        for net, config in self.teachers:
            size, data = config["model"]["size"], config["data"]
            seen = both
            if both.shape[-1] != size:
                seen = F.interpolate(both, (size, size), mode="bilinear", align_corners=False)
            seen = ((seen - data["mean"]) / data["std"]).to(memory_format=torch.channels_last)
            with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16):
                y = net(seen)
            y = y.float().view(2, len(x), -1).mean(0)
            answers.append(torch.cat([y[:, : len(CATEGORIES)].softmax(1), y[:, len(CATEGORIES) :]], 1))
        return torch.stack(answers).mean(0)
