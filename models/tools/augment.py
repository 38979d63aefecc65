"""Batched augmentation on tensors: a batch is f32 [N, 1, H, W] in 0..1, drawn anew at every step."""

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


def uniform(n, low, high):
    """f32 [n] drawn evenly from low..high."""
    return torch.empty(n).uniform_(low, high)


def sometimes(x, probability, change):
    """Apply `change` to a random part of the batch."""
    chosen = torch.rand(len(x)) < probability
    if not chosen.any():
        return x
    x = x.clone()
    x[chosen] = change(x[chosen])
    return x


def affine(x, size, degrees, scale, shift):
    """Mirror, turn, zoom and move; [N, 1, h, w] -> [N, 1, size, size], reflected at the edges."""
    n = len(x)
    angle = uniform(n, -degrees, degrees) * (math.pi / 180)
    zoom_x = torch.exp(uniform(n, -scale, scale))
    zoom_y = zoom_x * torch.exp(uniform(n, -scale / 3, scale / 3))
    mirror = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    theta = torch.stack(
        [
            torch.stack([mirror * cos * zoom_x, -sin * zoom_y, 2 * uniform(n, -shift, shift)], 1),
            torch.stack([mirror * sin * zoom_x, cos * zoom_y, 2 * uniform(n, -shift, shift)], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, [n, 1, size, size], align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def light(x, brightness, contrast, gamma):
    """Random exposure: gamma, then contrast about the mean of each face, then an offset."""
    n = len(x)
    x = x.clamp(1e-3, 1) ** torch.exp(uniform(n, -gamma, gamma)).view(n, 1, 1, 1)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (x - mean) * torch.exp(uniform(n, -contrast, contrast)).view(n, 1, 1, 1)
    return x + uniform(n, -brightness, brightness).view(n, 1, 1, 1)


def blur(x):
    """A binomial 3x3 filter mixed in at a random share per face."""
    row = torch.tensor([0.25, 0.5, 0.25])
    soft = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), (row[:, None] * row).view(1, 1, 3, 3))
    share = uniform(len(x), 0.3, 1.0).view(-1, 1, 1, 1)
    return x + share * (soft - x)


def low_resolution(x):
    """A face taken from afar: shrunk to 40..80 % and enlarged again, one factor a batch."""
    side = x.shape[-1]
    small = int(side * float(uniform(1, 0.4, 0.8)))
    x = F.interpolate(x, (small, small), mode="area")
    return F.interpolate(x, (side, side), mode="bilinear", align_corners=False)


def blocks(x):
    """JPEG-like loss: the 8x8 cosine coefficients are rounded, the higher ones more coarsely."""
    n, _, height, width = x.shape
    k = torch.arange(8.0)
    basis = torch.cos(math.pi / 8 * (k[None, :] + 0.5) * k[:, None]) * 0.5
    basis[0] *= 0.5**0.5
    step = (0.01 + 0.012 * (k[:, None] + k[None, :])) * float(uniform(1, 0.5, 2.5))
    tiles = x.reshape(n, height // 8, 8, width // 8, 8).transpose(2, 3)
    tiles = basis @ tiles @ basis.T
    tiles = torch.round(tiles / step) * step
    tiles = basis.T @ tiles @ basis
    return tiles.transpose(2, 3).reshape(n, 1, height, width)


def noise(x):
    """Sensor noise of a random strength per face."""
    return x + torch.randn_like(x) * uniform(len(x), 0.0, 0.06).view(-1, 1, 1, 1)


def erase(x, probability, longest):
    """Cover one rectangle per chosen face, sides up to `longest` of the face, with an even grey."""
    n, _, height, width = x.shape
    rows, columns = torch.arange(height).view(1, -1, 1), torch.arange(width).view(1, 1, -1)
    tall, wide = uniform(n, 0.1, longest) * height, uniform(n, 0.1, longest) * width
    top, left = uniform(n, 0, 1) * (height - tall), uniform(n, 0, 1) * (width - wide)
    inside = (rows >= top.view(n, 1, 1)) & (rows < (top + tall).view(n, 1, 1))
    inside = inside & (columns >= left.view(n, 1, 1)) & (columns < (left + wide).view(n, 1, 1))
    inside &= (torch.rand(n) < probability).view(n, 1, 1)
    return torch.where(inside[:, None], torch.rand(n, 1, 1, 1), x)
