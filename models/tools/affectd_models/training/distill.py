"""Distillation: targets that blend the votes with the predictions of trained networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn
from tqdm import tqdm

from affectd_models.config import Config
from affectd_models.faces.ferplus import Faces
from affectd_models.training import inference

Teacher = tuple[nn.Module, Config]


def blend(
    faces: Faces, teachers: Sequence[Teacher], place: torch.device, weight: float
) -> tuple[Float32[np.ndarray, "n 8"], Float32[np.ndarray, "n 2"]]:
    """(targets, valence and arousal): the votes of `faces`, blended with the teachers' mean prediction.

    `weight` is the share of the teachers. Each teacher predicts every face and its mirror image once.
    """
    classes = faces.target.shape[1]
    answers = []
    for net, config in tqdm(teachers, "teachers", ncols=100):
        net = net.to(place, memory_format=torch.channels_last)
        seen = torch.from_numpy(inference.mirrored(inference.predictor(net, config, True))(faces.images))
        answers.append(torch.cat([seen[:, :classes].softmax(1), seen[:, classes:]], 1))
    answer = torch.stack(answers).mean(0).numpy()
    target, va = answer[:, :classes], answer[:, classes:]
    return faces.target + weight * (target - faces.target), faces.va + weight * (va - faces.va)
