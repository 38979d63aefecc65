"""Average the weights of checkpoints that started from the same network.

    affectd-models average --checkpoint A.pt B.pt --share 0.7 0.3 --out C.pt

The result is a checkpoint for `evaluate`, `export` and `train --init`, with the first one's configuration.
Wortsman et al. 2022, "Model soups" (arXiv 2203.05482).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from affectd_models.config import Config
from affectd_models.errors import InvalidInput
from affectd_models.training import checkpoint


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments and write the average."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, nargs="+")
    parser.add_argument("--share", type=float, required=True, nargs="+", help="one for each, 1 in all")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    if len(args.share) != len(args.checkpoint):
        parser.error(f"{len(args.checkpoint)} checkpoints need as many shares; found {len(args.share)}")
    if min(args.share) < 0 or not math.isclose(sum(args.share), 1.0, abs_tol=1e-6):
        parser.error(f"shares are 0 at least and 1 in all; found {' '.join(map(str, args.share))}")
    average, config = averaged(args.checkpoint, args.share)
    torch.save({"config": config, "average": average}, args.out)


def averaged(paths: Sequence[Path], shares: Sequence[float]) -> tuple[dict[str, Tensor], Config]:
    """The weighted mean of weights and batch-norm statistics, and the first configuration."""
    networks = [checkpoint.load(path) for path in paths]
    states = [net.state_dict() for net, _ in networks]
    for path, state in zip(paths, states, strict=True):
        if {name: value.shape for name, value in state.items()} != {
            name: value.shape for name, value in states[0].items()
        }:
            raise InvalidInput(f"{path}: not a network of the same shape as {paths[0]}")

    def mean(name: str) -> Tensor:
        values = [state[name] for state in states]
        if not values[0].is_floating_point():
            return values[0]
        weighted = [share * value.double() for share, value in zip(shares, values, strict=True)]
        return torch.stack(weighted).sum(0).to(values[0].dtype)

    return {name: mean(name) for name in states[0]}, networks[0][1]
