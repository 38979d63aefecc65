"""The trained MaxViT for inference on one face: the same function, computed by fewer and simpler operators.

Batch norms are folded into the convolutions, the attention's scale into its query weights, and the look-up of
relative positions becomes a constant. Tokens stay in [tokens, channels] order from the window attention to
the grid attention.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def folded(net: nn.Module) -> FoldedMaxViT:
    """The inference form of a trained MaxViT, for input [1, c, size, size]."""
    return FoldedMaxViT(net.eval())


class FoldedMaxViT(nn.Module):
    """MaxViT with its batch norms folded, for a single face."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        first, second = net.stem
        self.stem = nn.Sequential(conv_norm(first[0], first[1]), first[2], as_conv(second[0]))
        self.layers = nn.Sequential(*[Layer(layer) for block in net.blocks for layer in block.layers])
        self.head = net.classifier[2:]

    def forward(self, x: Float[Tensor, "1 c size size"]) -> Float[Tensor, "1 outputs"]:
        """Logits, valence and arousal."""
        x = self.layers(self.stem(x))
        return self.head(x.mean((2, 3)))


class Layer(nn.Module):
    """MBConv, window attention, grid attention."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.convolutions = Bottleneck(layer.layers.MBconv)
        self.window = Attention(layer.layers.window_attention)
        self.grid = Attention(layer.layers.grid_attention)

    def forward(self, x: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 d h/stride w/stride"]:
        """The layer's activations."""
        x = self.convolutions(x)
        _, channels, height, width = x.shape
        x = x.permute(0, 2, 3, 1).reshape(height, width, channels)
        x = self.grid(self.window(x))
        return x.permute(2, 0, 1).reshape(1, channels, height, width)


class Bottleneck(nn.Module):
    """MBConv with its batch norms folded."""

    def __init__(self, mbconv: nn.Module) -> None:
        super().__init__()
        a, b = mbconv.layers.conv_a, mbconv.layers.conv_b
        self.expand = norm_conv(mbconv.layers.pre_norm, conv_norm(a[0], a[1]))
        self.depthwise = conv_norm(b[0], b[1])
        self.activation = a[2]
        self.squeeze = mbconv.layers.squeeze_excitation
        self.project = mbconv.layers.conv_c
        self.shortcut = mbconv.proj

    def forward(self, x: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 d h/stride w/stride"]:
        """The block's activations."""
        y = self.activation(self.expand(x))
        y = self.activation(self.depthwise(y))
        hidden = self.squeeze.activation(self.squeeze.fc1(y.mean((2, 3), keepdim=True)))
        y = y * self.squeeze.scale_activation(self.squeeze.fc2(hidden))
        return self.project(y) + self.shortcut(x)


class Attention(nn.Module):
    """Attention and MLP over windows or over the grid."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        norm, attention, _ = layer.attn_layer
        self.height, self.width = layer.grid_size
        self.is_grid = layer.partition_type == "grid"
        self.side = layer.g if self.is_grid else layer.p
        self.heads, self.depth = attention.n_heads, attention.head_dim
        self.norm = norm
        # One product for queries, keys and values; the scale is in the query weights.
        self.qkv = scaled_queries(attention.to_qkv, attention.scale_factor)
        self.register_buffer("bias", attention.get_relative_positional_bias().detach())
        self.merge = attention.merge
        self.mlp = layer.mlp_layer[:4]

    def forward(self, x: Float[Tensor, "h w c"]) -> Float[Tensor, "h w c"]:
        """The layer's activations."""
        x = self.gather(x)
        x = x + self.attend(self.norm(x))
        x = x + self.mlp(x)
        return self.scatter(x)

    def attend(self, x: Float[Tensor, "groups tokens c"]) -> Float[Tensor, "groups tokens c"]:
        """Multi-head attention within each group."""
        groups, tokens, channels = x.shape
        qkv = self.qkv(x).reshape(groups, tokens, 3, self.heads, self.depth).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        weights = torch.softmax(q @ k.transpose(-1, -2) + self.bias, -1)
        return self.merge((weights @ v).permute(0, 2, 1, 3).reshape(groups, tokens, channels))

    def gather(self, x: Float[Tensor, "h w c"]) -> Float[Tensor, "groups tokens c"]:
        """Partition into groups: a window's tokens are adjacent, a grid's are spread over the picture."""
        side, channels = self.side, x.shape[-1]
        rows, columns = self.height // side, self.width // side
        if self.is_grid:
            x = x.reshape(side, rows, side, columns, channels).permute(1, 3, 0, 2, 4)
        else:
            x = x.reshape(rows, side, columns, side, channels).permute(0, 2, 1, 3, 4)
        return x.reshape(rows * columns, side * side, channels)

    def scatter(self, x: Float[Tensor, "groups tokens c"]) -> Float[Tensor, "h w c"]:
        """The inverse of `gather`."""
        side, channels = self.side, x.shape[-1]
        x = x.reshape(self.height // side, self.width // side, side, side, channels)
        x = x.permute(2, 0, 3, 1, 4) if self.is_grid else x.permute(0, 2, 1, 3, 4)
        return x.reshape(self.height, self.width, channels)


def as_conv(conv: nn.Conv2d) -> nn.Conv2d:
    """A copy of `conv` as an nn.Conv2d with a bias."""
    copy = nn.Conv2d(
        conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, groups=conv.groups
    )
    copy.weight.data.copy_(conv.weight.data)
    copy.bias.data.copy_(conv.bias.data if conv.bias is not None else torch.zeros_like(copy.bias))
    return copy


def scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
    """(scale, shift) of a trained batch norm, which computes x * scale + shift for each channel."""
    scale = norm.weight.data * torch.rsqrt(norm.running_var + norm.eps)
    return scale, norm.bias.data - norm.running_mean * scale


def conv_norm(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """One convolution that computes `conv` followed by `norm`."""
    folded = as_conv(conv)
    scale, shift = scale_and_shift(norm)
    folded.weight.data *= scale.view(-1, 1, 1, 1)
    folded.bias.data = folded.bias.data * scale + shift
    return folded


def norm_conv(norm: nn.BatchNorm2d, conv: nn.Conv2d) -> nn.Conv2d:
    """One 1x1 convolution that computes `norm` followed by `conv`; exact because nothing is padded."""
    folded = as_conv(conv)
    scale, shift = scale_and_shift(norm)
    folded.bias.data += F.conv2d(shift.view(1, -1, 1, 1), conv.weight.data).flatten()
    folded.weight.data *= scale.view(1, -1, 1, 1)
    return folded


def scaled_queries(linear: nn.Linear, scale: float) -> nn.Linear:
    """A copy of `linear` with the first third of its outputs, the queries, multiplied by `scale`."""
    scaled = nn.Linear(linear.in_features, linear.out_features)
    scaled.load_state_dict(linear.state_dict())
    queries = linear.out_features // 3
    scaled.weight.data[:queries] *= scale
    scaled.bias.data[:queries] *= scale
    return scaled
