"""Reading the weights of dlib's face recognition network from dlib's own serialization format."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from affectd_models.errors import InvalidInput

# (channels, residual blocks) of each level in the order of the forward pass.
LEVELS = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))
DESCRIPTOR = 128

CONVOLUTION, AFFINE, LINEAR = "con_4", "affine_", "fc_2"


class Convolution(NamedTuple):
    """A convolution and the per-channel affine layer after it, which was a batch norm while dlib trained."""

    filters: Float32[np.ndarray, "outputs inputs k k"]
    bias: Float32[np.ndarray, " outputs"]
    gamma: Float32[np.ndarray, " outputs"]
    beta: Float32[np.ndarray, " outputs"]


class Weights(NamedTuple):
    """The network's weights: the convolutions in the order of the forward pass, and the last linear layer."""

    convolutions: list[Convolution]
    last: Float32[np.ndarray, "256 128"]


class Reader:
    """Sequential reader of dlib's serialization format."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def integer(self) -> int:
        """Read a control byte (sign in the top bit, size in the low four), then the magnitude."""
        if self.position >= len(self.data):
            raise InvalidInput(f"byte {self.position}: the file ends where an integer is expected")
        control = self.data[self.position]
        size = control & 0x0F
        if not 1 <= size <= 8:
            raise InvalidInput(f"byte {self.position}: an integer of {size} bytes; allowed are 1 to 8")
        start = self.position + 1
        self.position = start + size
        value = int.from_bytes(self.data[start : self.position], "little")
        return -value if control & 0x80 else value

    def tensor(self) -> Float32[np.ndarray, "n c h w"]:
        """Read a tensor: format version 2, four dimensions, then the values as little-endian f32."""
        version = self.integer()
        if version != 2:
            raise InvalidInput(f"byte {self.position}: tensor format {version}; allowed is 2")
        shape = tuple(self.integer() for _ in range(4))
        count = int(np.prod(shape))
        start, self.position = self.position, self.position + 4 * count
        if min(shape) < 0 or self.position > len(self.data):
            raise InvalidInput(f"byte {start}: a tensor of {shape} exceeds the file")
        return np.frombuffer(self.data, "<f4", count, start).reshape(shape).astype(np.float32)

    def next_layer(self) -> str | None:
        """Skip to the parameters of the next layer that has some; returns its name, or None at the end."""
        found = []
        for name in (CONVOLUTION, AFFINE, LINEAR):
            # A string is serialized as the integer length and its bytes.
            serialized = bytes([1, len(name)]) + name.encode()
            offset = self.data.find(serialized, self.position)
            if offset >= 0:
                found.append((offset, len(serialized), name))
        if not found:
            return None
        offset, length, name = min(found)
        self.position = offset + length
        return name


def read(path: Path) -> Weights:
    """The weights in dlib's file. dlib serializes layers in the order of the forward pass."""
    reader = Reader(path.read_bytes())
    filters: list[tuple[np.ndarray, np.ndarray]] = []
    affines: list[tuple[np.ndarray, np.ndarray]] = []
    last = None
    while name := reader.next_layer():
        if name == LINEAR:
            outputs, inputs = reader.integer(), reader.integer()
            last = reader.tensor().reshape(inputs, outputs)
            continue
        parameters = reader.tensor().ravel()
        if name == AFFINE:
            gamma, beta = np.split(parameters, 2)
            affines.append((gamma, beta))
            continue
        outputs, rows, columns = (reader.integer() for _ in range(3))
        weights = len(parameters) - outputs
        filters.append((parameters[:weights].reshape(outputs, -1, rows, columns), parameters[weights:]))
    expected = 1 + 2 * sum(blocks for _, blocks in LEVELS)
    if last is None or len(filters) != expected or len(affines) != expected:
        raise InvalidInput(f"{path}: not dlib's face recognition network")
    pairs = zip(filters, affines, strict=True)
    return Weights([Convolution(*conv, *affine) for conv, affine in pairs], last)
