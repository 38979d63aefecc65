"""Batched augmentation on tensors: a batch is f32 [N, 1, H, W] in 0..1, drawn anew at every step.

Everything is computed where the batch lies, on a CPU or on a GPU.
"""

import math

import torch
import torch.nn.functional as F


class Augment:
    """The random changes of one [augment] table, applied one after the other."""

    def __init__(self, table):
        self.table = table

    def __call__(self, x, size):
        """f32 [N, 1, h, w] -> f32 [N, 1, size, size]"""
        t = self.table
        x = affine(x, size, t["rotation"], t["scale"], t["shift"])
        x = light(x, t["brightness"], t["contrast"], t["gamma"])
        x = sometimes(x, t["blur"], blur)
        x = sometimes(x, t["low_resolution"], low_resolution)
        x = sometimes(x, t["blocks"], blocks)
        x = sometimes(x, t["noise"], noise)
        x = x.clamp(0, 1)
        return erase(x, t["erase"], t["erase_side"])


def uniform(x, low, high):
    """f32 [N], drawn evenly from low..high, for the batch `x`."""
    return torch.empty(len(x), device=x.device).uniform_(low, high)


def one_of(low, high):
    """A number drawn evenly from low..high, for a whole batch."""
    return float(torch.empty(1).uniform_(low, high))


def sometimes(x, probability, change):
    """Apply `change` to a random part of the batch."""
    # Drawn on the CPU, so that a GPU need not be asked how many they are.
    chosen = (torch.rand(len(x)) < probability).nonzero().flatten().to(x.device, non_blocking=True)
    if len(chosen) == 0:
        return x
    return x.index_copy(0, chosen, change(x[chosen]))


def affine(x, size, degrees, scale, shift):
    """Mirror, turn, zoom and move; [N, 1, h, w] -> [N, 1, size, size], reflected at the edges."""
    angle = uniform(x, -degrees, degrees) * (math.pi / 180)
    zoom_x = torch.exp(uniform(x, -scale, scale))
    zoom_y = zoom_x * torch.exp(uniform(x, -scale / 3, scale / 3))
    mirror = torch.where(uniform(x, 0, 1) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    theta = torch.stack(
        [
            torch.stack([mirror * cos * zoom_x, -sin * zoom_y, 2 * uniform(x, -shift, shift)], 1),
            torch.stack([mirror * sin * zoom_x, cos * zoom_y, 2 * uniform(x, -shift, shift)], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, [len(x), 1, size, size], align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def light(x, brightness, contrast, gamma):
    """Random exposure: gamma, then contrast about the mean of each face, then an offset."""
    x = x.clamp(1e-3, 1) ** torch.exp(uniform(x, -gamma, gamma)).view(-1, 1, 1, 1)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (x - mean) * torch.exp(uniform(x, -contrast, contrast)).view(-1, 1, 1, 1)
    return x + uniform(x, -brightness, brightness).view(-1, 1, 1, 1)


def blur(x):
    """A binomial 3x3 filter mixed in at a random share per face."""
    row = torch.tensor([0.25, 0.5, 0.25], device=x.device)
    soft = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), (row[:, None] * row).view(1, 1, 3, 3))
    share = uniform(x, 0.3, 1.0).view(-1, 1, 1, 1)
    return x + share * (soft - x)


def low_resolution(x):
    """A face taken from afar: shrunk to 40..80 % and enlarged again, one factor a batch."""
    side = x.shape[-1]
    small = int(side * one_of(0.4, 0.8))
    x = F.interpolate(x, (small, small), mode="area")
    return F.interpolate(x, (side, side), mode="bilinear", align_corners=False)


def blocks(x):
    """JPEG-like loss: the 8x8 cosine coefficients are rounded, the higher ones more coarsely."""
    n, _, height, width = x.shape
    k = torch.arange(8.0, device=x.device)
    basis = torch.cos(math.pi / 8 * (k[None, :] + 0.5) * k[:, None]) * 0.5
    basis[0] *= 0.5**0.5
    step = (0.01 + 0.012 * (k[:, None] + k[None, :])) * one_of(0.5, 2.5)
    tiles = x.reshape(n, height // 8, 8, width // 8, 8).transpose(2, 3)
    tiles = basis @ tiles @ basis.T
    tiles = torch.round(tiles / step) * step
    tiles = basis.T @ tiles @ basis
    return tiles.transpose(2, 3).reshape(n, 1, height, width)


def noise(x):
    """Sensor noise of a random strength per face."""
    return x + torch.randn_like(x) * uniform(x, 0.0, 0.06).view(-1, 1, 1, 1)


def erase(x, probability, longest):
    """Cover one rectangle per chosen face, sides up to `longest` of the face, with an even grey."""
    n, _, height, width = x.shape
    rows = torch.arange(height, device=x.device).view(1, -1, 1)
    columns = torch.arange(width, device=x.device).view(1, 1, -1)
    tall, wide = uniform(x, 0.1, longest) * height, uniform(x, 0.1, longest) * width
    top, left = uniform(x, 0, 1) * (height - tall), uniform(x, 0, 1) * (width - wide)
    inside = (rows >= top.view(n, 1, 1)) & (rows < (top + tall).view(n, 1, 1))
    inside = inside & (columns >= left.view(n, 1, 1)) & (columns < (left + wide).view(n, 1, 1))
    inside &= (uniform(x, 0, 1) < probability).view(n, 1, 1)
    return torch.where(inside[:, None], uniform(x, 0, 1).view(n, 1, 1, 1), x)


def mix(alpha, *tensors):
    """Mixup (Zhang et al. 2018): each entry of each tensor [N, ...] with a share of another's, the smaller part."""
    first = tensors[0]
    if alpha == 0:
        return tensors
    share = torch.distributions.Beta(alpha, alpha).sample((len(first),)).to(first.device)
    share = torch.maximum(share, 1 - share)
    other = torch.randperm(len(first), device=first.device)

    def mixed(tensor):
        weight = share.view(-1, *[1] * (tensor.ndim - 1))
        return tensor * weight + tensor[other] * (1 - weight)

    return tuple(mixed(tensor) for tensor in tensors)
