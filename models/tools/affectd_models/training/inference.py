"""Running a network over a split."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from affectd_models.config import Config, DataTable
from affectd_models.training import device

# Faces to outputs (8 logits, valence, arousal).
Predict = Callable[[UInt8[np.ndarray, "n 48 48"]], Float32[np.ndarray, "n 10"]]

BATCH = 256


def prepare(images: UInt8[Tensor, "n h h"], size: int, data: DataTable) -> Float[Tensor, "n 1 size size"]:
    """Resample faces and normalize them by the [data] table's mean and std."""
    x = images.unsqueeze(1).float() / 255
    if x.shape[-1] != size:
        x = F.interpolate(x, (size, size), mode="bilinear", align_corners=False)
    return (x - data["mean"]) / data["std"]


def prepared(images: UInt8[np.ndarray, "n 48 48"], config: Config) -> Float32[np.ndarray, "n 1 size size"]:
    """`prepare` for arrays."""
    faces = prepare(torch.as_tensor(images), config["model"]["size"], config["data"])
    array: Float32[np.ndarray, "n 1 size size"] = faces.numpy()
    return array


def predictor(net: nn.Module, config: Config, autocast: bool = False) -> Predict:
    """The outputs of a PyTorch network, computed on the device that it is on."""

    @torch.no_grad()
    def predict(images: UInt8[np.ndarray, "n 48 48"]) -> Float32[np.ndarray, "n 10"]:
        net.eval()
        place = next(net.parameters()).device
        answers = []
        for start in range(0, len(images), BATCH):
            part = torch.as_tensor(images[start : start + BATCH]).to(place)
            x = prepare(part, config["model"]["size"], config["data"])
            with torch.autocast(place.type, torch.bfloat16, enabled=autocast and device.has_bf16(place)):
                answers.append(net(x.to(memory_format=torch.channels_last)).float())
        outputs: Float32[np.ndarray, "n 10"] = torch.cat(answers).cpu().numpy()
        return outputs

    return predict


def onnx_predictor(session: onnxruntime.InferenceSession, config: Config) -> Predict:
    """The outputs of an ONNX Runtime session of batch 1."""
    name = session.get_inputs()[0].name

    def predict(images: UInt8[np.ndarray, "n 48 48"]) -> Float32[np.ndarray, "n 10"]:
        return np.concatenate([session.run(None, {name: face[None]})[0] for face in prepared(images, config)])

    return predict


def as_shown(predict: Predict, data: DataTable) -> Predict:
    """`predict` as the daemon runs a model whose manifest has this [data] table's `mirror`."""
    return mirrored(predict) if data.get("mirror") else predict


def mirrored(predict: Predict) -> Predict:
    """`predict` averaged over each face and its mirror image."""

    def average(images: UInt8[np.ndarray, "n 48 48"]) -> Float32[np.ndarray, "n 10"]:
        return (predict(images) + predict(np.ascontiguousarray(images[:, :, ::-1]))) / 2

    return average
