"""Golden vectors: synthetic inputs, and the outputs that ONNX Runtime computes from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from jaxtyping import Float32


def inputs(
    count: int,
    channels: int,
    size: int,
    mean: float | Sequence[float],
    std: float | Sequence[float],
    seed: int = 2024,
) -> Float32[np.ndarray, "count channels size size"]:
    """Normalized smooth random fields, so that nobody's face is stored.

    `mean` and `std` are numbers, or one number for each channel.
    """
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, channels, 6, 6, generator=generator)
    fine = torch.rand(count, channels, size // 4, size // 4, generator=generator)
    field = torch.zeros(())
    for share, layer in ((0.7, coarse), (0.3, fine)):
        field = field + share * F.interpolate(layer, (size, size), mode="bicubic", align_corners=False)
    means, stds = (torch.tensor(value).reshape(-1, 1, 1) for value in (mean, std))
    normalized: Float32[np.ndarray, "count channels size size"] = ((field.clamp(0, 1) - means) / stds).numpy()
    return normalized


def session(network: Path | bytes, optimized: bool = False) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on one thread, by default without graph optimizations.

    With them, ONNX Runtime would also quantize the activations of a product with int8 weights. More threads
    gain nothing at batch 1, and spin while they wait.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])


def outputs(
    network: onnxruntime.InferenceSession, faces: Iterable[Float32[np.ndarray, "c h w"]]
) -> list[Float32[np.ndarray, "1 outputs"]]:
    """The outputs of a session of batch 1 for each face."""
    name = network.get_inputs()[0].name
    return [network.run(None, {name: face[None]})[0] for face in faces]
