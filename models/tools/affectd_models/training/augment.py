"""Batched augmentation: a batch of faces in 0..1 is changed at random, differently at every step.

Everything is computed on the device of the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from affectd_models.config import AugmentTable
from affectd_models.errors import InvalidInput

Batch = Float[Tensor, "n 1 h w"]


class Augment:
    """The random changes of one [augment] table, applied one after the other."""

    def __init__(self, table: AugmentTable) -> None:
        self.table = table

    def __call__(self, x: Batch, size: int) -> Float[Tensor, "n 1 size size"]:
        """The batch, augmented and resampled to `size` pixels a side."""
        t = self.table
        x = affine(x, size, t["rotation"], t["scale"], t["shift"])
        x = light(x, t["brightness"], t["contrast"], t["gamma"])
        x = sometimes(x, t["blur"], blur)
        x = sometimes(x, t["low_resolution"], low_resolution)
        x = sometimes(x, t["blocks"], blocks)
        x = sometimes(x, t["noise"], noise)
        x = x.clamp(0, 1)
        return erase(x, t["erase"], t["erase_side"])


def uniform(x: Batch, low: float, high: float) -> Float[Tensor, " n"]:
    """One number for each face of the batch, uniform in low..high."""
    return torch.empty(len(x), device=x.device).uniform_(low, high)


def one_of(low: float, high: float) -> float:
    """A number for a whole batch, uniform in low..high."""
    return float(torch.empty(1).uniform_(low, high))


def sometimes(x: Batch, probability: float, change: Callable[[Batch], Batch]) -> Batch:
    """Apply `change` to each face with the given probability."""
    # Drawn on the CPU, so that the number of faces is known without waiting for a GPU.
    chosen = (torch.rand(len(x)) < probability).nonzero().flatten().to(x.device, non_blocking=True)
    if len(chosen) == 0:
        return x
    return x.index_copy(0, chosen, change(x[chosen]))


def affine(x: Batch, size: int, degrees: float, scale: float, shift: float) -> Float[Tensor, "n 1 size size"]:
    """Mirror, rotate, zoom and shift, with reflection at the edges."""
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


def mirror(x: Batch) -> Batch:
    """Each face or its mirror image, with equal probability."""
    return torch.where((uniform(x, 0, 1) < 0.5).view(-1, 1, 1, 1), x.flip(-1), x)


def light(x: Batch, brightness: float, contrast: float, gamma: float) -> Batch:
    """Random exposure: gamma, then contrast about the mean of each face, then an offset."""
    x = x.clamp(1e-3, 1) ** torch.exp(uniform(x, -gamma, gamma)).view(-1, 1, 1, 1)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (x - mean) * torch.exp(uniform(x, -contrast, contrast)).view(-1, 1, 1, 1)
    return x + uniform(x, -brightness, brightness).view(-1, 1, 1, 1)


def blur(x: Batch) -> Batch:
    """A binomial 3x3 filter, blended with the face by a random factor."""
    row = torch.tensor([0.25, 0.5, 0.25], device=x.device)
    soft = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), (row[:, None] * row).view(1, 1, 3, 3))
    share = uniform(x, 0.3, 1.0).view(-1, 1, 1, 1)
    return x + share * (soft - x)


def low_resolution(x: Batch) -> Batch:
    """A distant face: reduced to 40..80 % and enlarged again, one factor for each batch."""
    side = x.shape[-1]
    small = int(side * one_of(0.4, 0.8))
    x = F.interpolate(x, (small, small), mode="area")
    return F.interpolate(x, (side, side), mode="bilinear", align_corners=False)


def blocks(x: Batch) -> Batch:
    """JPEG-like artefacts: 8x8 cosine coefficients are rounded, those of high frequencies more coarsely."""
    n, _, height, width = x.shape
    if height % 8 or width % 8:
        raise InvalidInput(f"faces of {height}x{width} pixels: block artefacts need multiples of 8")
    k = torch.arange(8.0, device=x.device)
    basis = torch.cos(math.pi / 8 * (k[None, :] + 0.5) * k[:, None]) * 0.5
    basis[0] *= 0.5**0.5
    step = (0.01 + 0.012 * (k[:, None] + k[None, :])) * one_of(0.5, 2.5)
    tiles = x.reshape(n, height // 8, 8, width // 8, 8).transpose(2, 3)
    tiles = basis @ tiles @ basis.T
    tiles = torch.round(tiles / step) * step
    tiles = basis.T @ tiles @ basis
    return tiles.transpose(2, 3).reshape(n, 1, height, width)


def noise(x: Batch) -> Batch:
    """Sensor noise, with a random standard deviation for each face."""
    return x + torch.randn_like(x) * uniform(x, 0.0, 0.06).view(-1, 1, 1, 1)


def erase(x: Batch, probability: float, longest: float) -> Batch:
    """Cover one rectangle of a face by a uniform grey; `longest` is the largest side as a share."""
    n, _, height, width = x.shape
    rows = torch.arange(height, device=x.device).view(1, -1, 1)
    columns = torch.arange(width, device=x.device).view(1, 1, -1)
    tall, wide = uniform(x, 0.1, longest) * height, uniform(x, 0.1, longest) * width
    top, left = uniform(x, 0, 1) * (height - tall), uniform(x, 0, 1) * (width - wide)
    inside = (rows >= top.view(n, 1, 1)) & (rows < (top + tall).view(n, 1, 1))
    inside = inside & (columns >= left.view(n, 1, 1)) & (columns < (left + wide).view(n, 1, 1))
    inside &= (uniform(x, 0, 1) < probability).view(n, 1, 1)
    return torch.where(inside[:, None], uniform(x, 0, 1).view(n, 1, 1, 1), x)


def mix(alpha: float, *tensors: Float[Tensor, "n ..."]) -> tuple[Float[Tensor, "n ..."], ...]:
    """Mixup (Zhang et al. 2018): each entry is blended with another one, whose weight is at most one half."""
    first = tensors[0]
    if alpha == 0:
        return tensors
    share = torch.distributions.Beta(alpha, alpha).sample((len(first),)).to(first.device)
    share = torch.maximum(share, 1 - share)
    other = torch.randperm(len(first), device=first.device)

    def mixed(tensor: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        weight = share.view(-1, *[1] * (tensor.ndim - 1))
        return tensor * weight + tensor[other] * (1 - weight)

    return tuple(mixed(tensor) for tensor in tensors)
