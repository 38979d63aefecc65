"""What the processor at hand is and does well."""

import torch

# Faces whose activations are alive at once: on a CPU, more fall out of the caches.
CPU_PART = 64


def pick(name):
    """The device of this name; "auto" is a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def has_bf16(device):
    """Whether products of bf16 are faster on `device` than those of f32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX512"


def part(device, batch):
    """How many faces of a batch to differentiate at once."""
    return min(batch, CPU_PART) if device.type == "cpu" else batch


def random_state(device):
    """The states of all random number generators that a run on `device` draws from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_state(device, states):
    """Go on where `random_state` was taken; a run may move to a GPU and back, and then draws other numbers."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
