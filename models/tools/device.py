"""What the processor at hand does well."""

import torch


def has_bf16(device):
    """Whether products of bf16 are faster on `device` than those of f32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX512"
