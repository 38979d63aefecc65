"""Running a network over a split."""

import numpy as np
import torch
import torch.nn.functional as F

import device


def prepare(images, size, data):
    """A tensor u8 [N, 48, 48] -> normalised f32 [N, 1, size, size], by the [data] table's mean and std."""
    x = images.unsqueeze(1).float() / 255
    if x.shape[-1] != size:
        x = F.interpolate(x, (size, size), mode="bilinear", align_corners=False)
    return (x - data["mean"]) / data["std"]


@torch.no_grad()
def predict(net, images, config, batch=256, autocast=False):
    """f32 [N, 10] by the PyTorch network, on the device that it is on."""
    net.eval()
    place = next(net.parameters()).device
    answers = []
    for start in range(0, len(images), batch):
        part = torch.as_tensor(images[start : start + batch]).to(place)
        x = prepare(part, config["model"]["size"], config["data"])
        with torch.autocast(place.type, torch.bfloat16, enabled=autocast and device.has_bf16(place)):
            answers.append(net(x.to(memory_format=torch.channels_last)).float())
    return torch.cat(answers).cpu().numpy()


def as_shown(predict, data):
    """`predict` for faces u8 [N, 48, 48] as the daemon does by a manifest with this [data] table's `mirror`."""
    return mirrored(predict) if data.get("mirror") else predict


def mirrored(predict):
    """`predict` with the mean over each face u8 [N, 48, 48] and its mirror image."""
    return lambda images: (predict(images) + predict(np.ascontiguousarray(images[:, :, ::-1]))) / 2


def predict_onnx(session, images, config):
    """f32 [N, 10] by an ONNX Runtime session of batch 1."""
    name = session.get_inputs()[0].name
    faces = prepare(torch.as_tensor(images), config["model"]["size"], config["data"]).numpy()
    return np.concatenate([session.run(None, {name: face[None]})[0] for face in faces])
