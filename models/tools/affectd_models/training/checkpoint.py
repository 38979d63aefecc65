"""Reading a training checkpoint."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import cast

import torch
from torch import nn

from affectd_models.config import Config
from affectd_models.errors import InvalidInput
from affectd_models.network.build import build


def load(path: Path) -> tuple[nn.Module, Config]:
    """The network with the averaged weights, in eval mode, and its configuration."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        config = cast("Config", state["config"])
        average = state["average"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        raise InvalidInput(f"{path}: not a checkpoint of `affectd-models train` ({error})") from error
    net = build(config["model"])
    net.load_state_dict(average)
    return net.eval(), config
