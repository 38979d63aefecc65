"""Running a network over the faces of a split."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from affectd_models.bundle import golden, last_layer
from affectd_models.config import Config, DataTable
from affectd_models.faces.ferplus import CLASSES
from affectd_models.training import devices

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
        device = next(net.parameters()).device
        batches = []
        for start in range(0, len(images), BATCH):
            batch = torch.as_tensor(images[start : start + BATCH]).to(device)
            x = prepare(batch, config["model"]["size"], config["data"])
            bf16 = autocast and devices.has_bf16(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                batches.append(net(x.to(memory_format=torch.channels_last)).float())
        outputs: Float32[np.ndarray, "n 10"] = torch.cat(batches).cpu().numpy()
        return outputs

    return predict


def onnx_predictor(session: onnxruntime.InferenceSession, config: Config) -> Predict:
    """The outputs of an ONNX Runtime session of batch 1."""

    def predict(images: UInt8[np.ndarray, "n 48 48"]) -> Float32[np.ndarray, "n 10"]:
        return np.concatenate(golden.outputs(session, prepared(images, config)))

    return predict


def deployed_predictor(path: Path, config: Config) -> Predict:
    """The outputs of an ONNX file as the daemon computes them."""
    return as_deployed(onnx_predictor(golden.session(path), config), config["data"])


def as_deployed(predict: Predict, data: DataTable) -> Predict:
    """`predict` as the daemon runs a model whose manifest has this [data] table's `mirror`."""
    return mirrored(predict) if data.get("mirror") else predict


def mirrored(predict: Predict) -> Predict:
    """`predict` averaged over each face and its mirror image."""

    def average(images: UInt8[np.ndarray, "n 48 48"]) -> Float32[np.ndarray, "n 10"]:
        return (predict(images) + predict(np.ascontiguousarray(images[:, :, ::-1]))) / 2

    return average


def probabilities(outputs: Float[Tensor, "n 10"]) -> Float[Tensor, "n 10"]:
    """The outputs with probabilities instead of logits."""
    return torch.cat([outputs[:, :CLASSES].softmax(1), outputs[:, CLASSES:]], 1)


def logits_and_features(
    network: onnx.ModelProto, config: Config, images: UInt8[np.ndarray, "n 48 48"], optimized: bool = False
) -> tuple[Float32[np.ndarray, "n 8"], Float32[np.ndarray, "n features"]]:
    """The logits of an exported network, and the input of its last layer.

    `optimized` is faster, and for f32 files only.
    """
    session = golden.session(last_layer.with_features(network).SerializeToString(), optimized)
    results = [session.run(None, {"face": face[None]}) for face in prepared(images, config)]
    outputs, features = (np.concatenate(arrays) for arrays in zip(*results, strict=True))
    return outputs[:, :CLASSES], features
