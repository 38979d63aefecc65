"""The network: torchvision's MaxViT, sized for boards, with one grey input channel."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.maxvit import MaxVit

from affectd_models.config import ModelTable
from affectd_models.faces.ferplus import OUTPUTS


class StridedDepthwise(nn.Conv2d):
    """A depthwise convolution with stride; the same weights and results as nn.Conv2d.

    While training on a CPU it convolves at stride 1 and then drops the pixels in between: oneDNN's backward
    pass of a strided depthwise convolution is about eight times slower than the dense one.
    """

    @classmethod
    def like(cls, conv: nn.Conv2d) -> StridedDepthwise:
        """The same layer as `conv`, with fresh weights."""
        return cls(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,
            conv.stride,
            conv.padding,
            groups=conv.groups,
            bias=conv.bias is not None,
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h/stride w/stride"]:
        """The convolution."""
        if not self.training or x.device.type != "cpu":
            return super().forward(x)
        dense = nn.functional.conv2d(x, self.weight, self.bias, 1, self.padding, 1, self.groups)
        # Pooling over single pixels is faster than slicing.
        return nn.functional.avg_pool2d(dense, 1, self.stride)


class Gelu(nn.GELU):
    """GELU in the tanh form, which needs no erf: that costs a table or a long polynomial on ARM.

    Compiled training on a CPU uses the equal form x * sigmoid(2t) instead of x * (1 + tanh(t)) / 2: an
    exponential is a fraction of the cost of a tanh.
    """

    def __init__(self) -> None:
        super().__init__(approximate="tanh")

    def forward(self, x: Float[Tensor, "n c ..."]) -> Float[Tensor, "n c ..."]:
        """The activation."""
        if self.training and x.device.type == "cpu" and torch.compiler.is_compiling():
            return x * torch.sigmoid(2 * math.sqrt(2 / math.pi) * x * (1 + 0.044715 * x * x))
        return super().forward(x)


def build(table: ModelTable) -> nn.Module:
    """MaxViT for [n, 1, size, size] -> [n, 10], freshly initialized; `table` is the [model] table."""
    net = MaxVit(
        input_size=(table["size"], table["size"]),
        stem_channels=table["stem"],
        partition_size=table["partition"],
        block_channels=table["channels"],
        block_layers=table["depths"],
        head_dim=table["head_dim"],
        stochastic_depth_prob=table["drop_path"],
        expansion_ratio=table["expansion"],
        mlp_ratio=table["mlp_ratio"],
        activation_layer=Gelu,
        num_classes=OUTPUTS,
    )
    colour = net.stem[0][0]
    net.stem[0][0] = nn.Conv2d(
        1, colour.out_channels, colour.kernel_size, colour.stride, colour.padding, bias=False
    )
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv2d) and child.groups > 1 and child.stride != (1, 1):
                setattr(module, name, StridedDepthwise.like(child))
    initialize(net)
    return net


def resized(weights: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """The state `weights` of a network that differs from `net` in the input size only, fitted to `net`.

    Convolutions and linear layers do not depend on the size. The tables of relative position bias do,
    [(2p - 1)^2, heads] for a partition of p: they are resampled as pictures of the offsets.
    """
    fitted = {}
    for name, own in net.state_dict().items():
        if name.endswith("relative_position_index"):
            fitted[name] = own
        elif name.endswith("relative_position_bias_table") and own.shape != weights[name].shape:
            before, after = (round(len(table) ** 0.5) for table in (weights[name], own))
            picture = weights[name].T.reshape(1, -1, before, before)
            picture = nn.functional.interpolate(picture, (after, after), mode="bicubic", align_corners=True)
            fitted[name] = picture.reshape(-1, after * after).T.contiguous()
        else:
            fitted[name] = weights[name]
    return fitted


def initialize(net: nn.Module) -> None:
    """Weights scaled by fan-in; torchvision's constant 0.02 suits wide networks and long runs."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=module.in_features**-0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    # Small initial outputs: the loss starts near that of a uniform prediction.
    with torch.no_grad():
        net.classifier[-1].weight.mul_(0.1)
