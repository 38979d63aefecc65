"""The face recognition network of dlib in PyTorch: unchanged, and with batch norms for fine-tuning."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from affectd_models.network import dlib_file
from affectd_models.network.dlib_file import LEVELS

MEAN = (122.782, 117.001, 104.298)  # of red, green and blue, subtracted before the division by 256


class Affine(nn.Module):
    """One scale and one offset for each channel, with which dlib replaces a batch norm after training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The scaled activations."""
        return x * self.gamma.view(1, -1, 1, 1) + self.beta.view(1, -1, 1, 1)


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut. A halving block does not pad its first convolution, as in dlib."""

    def __init__(self, inputs: int, channels: int, halve: bool, norm: type[nn.Module]) -> None:
        super().__init__()
        stride, padding, bias = (2, 0, norm is Affine) if halve else (1, 1, norm is Affine)
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, padding, bias=bias)
        self.norm1 = norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=bias)
        self.norm2 = norm(channels)
        self.halve = halve
        self.drop_path = 0.0

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        """The block's activations."""
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        if self.training and self.drop_path > 0:
            kept = torch.rand(len(y), 1, 1, 1, device=y.device) >= self.drop_path
            y = y * (kept.to(y.dtype) / (1 - self.drop_path))
        if self.halve:
            x = F.avg_pool2d(x, 2)
            # dlib adds tensors of different sizes as if the smaller one were padded with zeros at its ends.
            rows, columns = max(x.shape[2], y.shape[2]), max(x.shape[3], y.shape[3])
            x, y = (padded(tensor, y.shape[1], rows, columns) for tensor in (x, y))
        return F.relu(x + y)


def padded(
    x: Float[Tensor, "n c h w"], channels: int, rows: int, columns: int
) -> Float[Tensor, "n channels rows columns"]:
    """`x` padded with zeros at the end of each dimension."""
    return F.pad(x, (0, columns - x.shape[3], 0, rows - x.shape[2], 0, channels - x.shape[1]))


class FaceNet(nn.Module):
    """The network; `norm` is `Affine` as in dlib's file, or nn.BatchNorm2d for training."""

    def __init__(self, colours: int, outputs: int, norm: type[nn.Module], last_bias: bool) -> None:
        super().__init__()
        first = LEVELS[0][0]
        self.stem = nn.Conv2d(colours, first, 7, 2, bias=norm is Affine)
        self.norm = norm(first)
        blocks, inputs = [], first
        for level, (channels, count) in enumerate(LEVELS):
            for i in range(count):
                blocks.append(Block(inputs, channels, level > 0 and i == 0, norm))
                inputs = channels
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(0.0)
        self.last = nn.Linear(inputs, outputs, bias=last_bias)

    def forward(self, x: Float[Tensor, "n colours h w"]) -> Float[Tensor, "n outputs"]:
        """The outputs of the last layer."""
        return self.last(self.dropout(self.features(x)))

    def features(self, x: Float[Tensor, "n colours h w"]) -> Float[Tensor, "n 256"]:
        """The globally pooled activations."""
        x = F.max_pool2d(F.relu(self.norm(self.stem(x))), 3, 2)
        return self.blocks(x).mean((2, 3))

    def regularize(self, drop_path: float, dropout: float) -> None:
        """Drop residual branches, with a rate that grows to `drop_path` in the last block, and features."""
        for i, block in enumerate(self.blocks):
            block.drop_path = drop_path * i / (len(self.blocks) - 1)
        self.dropout.p = dropout

    def pairs(self) -> list[tuple[nn.Conv2d, nn.Module]]:
        """Every convolution and the norm after it, in the order of the forward pass."""
        pairs = [(self.stem, self.norm)]
        for block in self.blocks:
            pairs += [(block.conv1, block.norm1), (block.conv2, block.norm2)]
        return pairs


@torch.no_grad()
def original(path: Path) -> FaceNet:
    """The network of dlib's file: `prepare_rgb` faces -> descriptors [n, 128]."""
    weights = dlib_file.read(path)
    net = FaceNet(3, dlib_file.DESCRIPTOR, Affine, last_bias=False).eval()
    for (conv, norm), stored in zip(net.pairs(), weights.convolutions, strict=True):
        conv.weight.copy_(torch.from_numpy(stored.filters))
        conv.bias.copy_(torch.from_numpy(stored.bias))
        norm.gamma.copy_(torch.from_numpy(stored.gamma))
        norm.beta.copy_(torch.from_numpy(stored.beta))
    net.last.weight.copy_(torch.from_numpy(weights.last.T.copy()))
    return net


def prepare_rgb(images: UInt8[Tensor, "n h w 3"]) -> Float[Tensor, "n 3 h w"]:
    """Normalize colour faces as dlib does."""
    return (images.permute(0, 3, 1, 2).float() - torch.tensor(MEAN).view(1, 3, 1, 1)) / 256


@torch.no_grad()
def with_batch_norms(
    path: Path, faces: Float[Tensor, "n 1 size size"], outputs: int, mean: float, std: float
) -> FaceNet:
    """The network for grey faces, with its affine layers turned into batch norms and a new last layer.

    `faces` are normalized training faces. Their statistics become the batch norms' running statistics, and
    weight and bias are chosen such that the features in eval mode do not change.
    """
    weights = dlib_file.read(path)
    net = FaceNet(1, outputs, nn.BatchNorm2d, last_bias=True).eval()
    hooks = []
    for i, ((conv, norm), stored) in enumerate(zip(net.pairs(), weights.convolutions, strict=True)):
        filters, bias, gamma, beta = (torch.from_numpy(array).double() for array in stored)
        if i == 0:
            # The three colours of a grey face are equal, so their filters add up. Nothing is padded, so the
            # normalization is one offset for each filter.
            bias = bias + (filters.sum((2, 3)) * (255 * mean - torch.tensor(MEAN).double())).sum(1) / 256
            filters = filters.sum(1, keepdim=True) * (255 * std / 256)
        conv.weight.copy_(filters)
        # A batch norm removes the bias of the convolution before it, so the bias moves into the norm's own.
        hooks.append(norm.register_forward_hook(partial(measure, gamma, beta + gamma * bias)))
    net.features(faces.to(memory_format=torch.channels_last))
    for hook in hooks:
        hook.remove()
    nn.init.trunc_normal_(net.last.weight, std=0.1 * net.last.in_features**-0.5)
    nn.init.zeros_(net.last.bias)
    return net


def measure(
    gamma: Float[Tensor, " c"],
    beta: Float[Tensor, " c"],
    norm: nn.BatchNorm2d,
    inputs: tuple[Float[Tensor, "n c h w"]],
    _output: Float[Tensor, "n c h w"],
) -> Float[Tensor, "n c h w"]:
    """Hook: set a batch norm to x * gamma + beta, with the statistics of its input; returns that output."""
    variance, average = torch.var_mean(inputs[0].double(), (0, 2, 3), correction=0)
    norm.running_mean.copy_(average)
    norm.running_var.copy_(variance)
    norm.weight.copy_(gamma * (variance + norm.eps).sqrt())
    norm.bias.copy_(beta + gamma * average)
    return inputs[0] * gamma.float().view(1, -1, 1, 1) + beta.float().view(1, -1, 1, 1)
