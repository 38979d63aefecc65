"""Writing a small network in dlib's serialization format, for tests."""

import numpy as np

# Levels of a network that is small enough for tests.
LEVELS = ((4, 2), (6, 1))


def integer(value):
    magnitude = abs(value).to_bytes(8, "little").rstrip(b"\0") or b"\0"
    return bytes([len(magnitude) | (0x80 if value < 0 else 0)]) + magnitude


def string(text):
    return integer(len(text)) + text.encode()


def tensor(values):
    values = np.asarray(values, "<f4")
    shape = (*values.shape, *[1] * (4 - values.ndim))
    return integer(2) + b"".join(map(integer, shape)) + values.tobytes()


def convolution(filters, bias):
    outputs, _, rows, columns = filters.shape
    parameters = np.concatenate([filters.ravel(), bias])
    # The file continues with stride, padding and learning rates, which are not read.
    more = (outputs, rows, columns, 2, 2, 0, 0)
    return string("con_4") + tensor(parameters) + b"".join(map(integer, more))


def write(path, seed=1):
    """Write random weights; return (filters, bias, gamma, beta) of each convolution, and the last layer's."""
    random = np.random.default_rng(seed)
    shapes = [(LEVELS[0][0], 3, 7)]
    inputs = LEVELS[0][0]
    for channels, count in LEVELS:
        for _ in range(count):
            shapes += [(channels, inputs, 3), (channels, channels, 3)]
            inputs = channels
    data, convolutions = string("loss_metric_2") + integer(-7), []
    for outputs, before, side in shapes:
        filters = random.normal(size=(outputs, before, side, side)) / (side * before**0.5)
        bias, beta = random.normal(size=(2, outputs)) / 4
        gamma = random.uniform(0.5, 1.5, outputs)
        parameters = [array.astype(np.float32) for array in (filters, bias, gamma, beta)]
        convolutions.append(parameters)
        data += convolution(*parameters[:2])
        data += string("affine_") + tensor(np.concatenate(parameters[2:])) + integer(300)
    last = random.normal(size=(inputs, 128)).astype(np.float32)
    data += string("fc_2") + integer(128) + integer(inputs) + tensor(last) + integer(1)
    path.write_bytes(data)
    return convolutions, last
