"""The device that a run uses: its choice, properties and random numbers."""

from __future__ import annotations

from typing import Any

import torch

# Faces of a micro-batch on a CPU: the activations of more do not fit its caches.
CPU_MICRO_BATCH = 64


def pick(name: str) -> torch.device:
    """The device of this name; "auto" is a GPU if there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def has_bf16(device: torch.device) -> bool:
    """Whether products in bf16 are faster on `device` than in f32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX512"


def micro_batch(device: torch.device, batch: int) -> int:
    """Number of faces of a batch that go through the network at once."""
    return min(batch, CPU_MICRO_BATCH) if device.type == "cpu" else batch


def random_state(device: torch.device) -> dict[str, Any]:
    """The states of all random number generators that a run on `device` draws from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_state(device: torch.device, states: dict[str, Any]) -> None:
    """Continue from a `random_state`. A run that moves to a GPU or back draws other numbers from then on."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
