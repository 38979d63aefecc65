"""Golden vectors: made-up inputs and the outputs that the shipped file gives for them."""

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F


def inputs(count, channels, size, mean, std, seed=2024):
    """f32 [count, channels, size, size], normalised: smooth random fields, so that no one's face is stored.

    `mean` and `std` are numbers or one number a channel.
    """
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, channels, 6, 6, generator=generator)
    fine = torch.rand(count, channels, size // 4, size // 4, generator=generator)
    field = sum(
        share * F.interpolate(layer, (size, size), mode="bicubic", align_corners=False)
        for share, layer in ((0.7, coarse), (0.3, fine))
    )
    mean, std = (torch.tensor(value).reshape(-1, 1, 1) for value in (mean, std))
    return ((field.clamp(0, 1) - mean) / std).numpy()


def session(path):
    """An ONNX Runtime session that computes what the file says.

    Optimised, it would round the activations of a product with int8 weights as well.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def answers(session, faces):
    """What an ONNX Runtime session of batch 1 gives for each face: a list of f32 [1, outputs]."""
    name = session.get_inputs()[0].name
    return [session.run(None, {name: face[None]})[0] for face in faces]


def write(path, faces, answers):
    """Little endian: u32 count, then per face its input and its output as f32."""
    with path.open("wb") as file:
        file.write(np.uint32(len(faces)).astype("<u4").tobytes())
        for face, answer in zip(faces, answers, strict=True):
            file.write(face.astype("<f4").tobytes() + answer.astype("<f4").tobytes())
