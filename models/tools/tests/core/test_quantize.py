"""Quantized weights: within half a scale, and no pair of weights above the limit of the fast kernels."""

import unittest

import numpy as np
import onnx
import pytest

from affectd_models.bundle import quantize


class Symmetric(unittest.TestCase):
    def check(self, weight, axis):
        """Quantize, check the rounding, and return the sums of adjacent weights of the same sign."""
        values, scale = quantize.symmetric(weight, axis, paired=True)
        assert (values.dtype, scale.dtype, scale.shape) == (np.int8, np.float32, (weight.shape[axis],))
        steps = np.expand_dims(scale, tuple(i for i in range(weight.ndim) if i != axis))
        assert float(abs(values * steps - weight).max() / steps.max()) <= 0.5001
        assert int(abs(values.astype(int)).max()) <= 127
        # Output channels first, input channels last.
        order = {(2, 0): (0, 1), (2, 1): (1, 0), (4, 0): (0, 2, 3, 1)}[weight.ndim, axis]
        rows = values.transpose(order).reshape(weight.shape[axis], -1).astype(int)
        first, second = rows[:, :-1:2], rows[:, 1::2]
        same = np.sign(first) == np.sign(second)
        return np.where(same, abs(first + second), 0)

    def test_pairs_of_every_layout(self):
        generator = np.random.default_rng(1)
        for shape, axis in [
            ((40, 64), 0),
            ((64, 40), 1),
            ((41, 63, 1, 1), 0),
            ((24, 16, 3, 3), 0),
            ((8, 1, 3, 3), 0),
        ]:
            weight = generator.standard_normal(shape).astype(np.float32)
            pairs = self.check(weight, axis)
            assert int(pairs.max()) <= quantize.MAX_PAIR_SUM, shape
            # And no coarser than that.
            assert int(pairs.max()) >= quantize.MAX_PAIR_SUM - 1, shape

    def test_rounding_takes_no_pair_beyond(self):
        # Halves, of which both would be rounded up.
        weight = np.array([[0.6125, 0.6675], [0.6175, 0.6625], [0.5, 0.5]], np.float32)
        for nudge in np.linspace(-1e-6, 1e-6, 201):
            assert int(self.check((weight + nudge).astype(np.float32), 0).max()) <= quantize.MAX_PAIR_SUM

    def test_where_signs_differ_the_largest_weight_has_127_steps(self):
        values, scale = quantize.symmetric(np.array([[1, -1], [0, 0]], np.float32), 0, paired=True)
        assert values.tolist() == [[127, -127], [0, 0]]
        assert float(scale[0]) == pytest.approx(1 / 127)

    def test_alone_weights_have_the_finest_steps(self):
        values, _ = quantize.symmetric(np.array([[1, 1]], np.float32), 0, paired=False)
        assert values.tolist() == [[127, 127]]


class Files(unittest.TestCase):
    def test_only_what_is_multiplied_often_is_paired(self):
        """Two pixels; one, after pooling; and a depthwise convolution."""
        helper, tensor = onnx.helper, onnx.numpy_helper.from_array
        ones = np.ones((2, 2, 1, 1), np.float32)
        nodes = [
            helper.make_node("Conv", ["x", "pixels"], ["a"]),
            helper.make_node("Conv", ["a", "depthwise"], ["b"], group=2),
            helper.make_node("GlobalAveragePool", ["b"], ["c"]),
            helper.make_node("Conv", ["c", "alone"], ["d"]),
            helper.make_node("Flatten", ["d"], ["e"]),
            helper.make_node("MatMul", ["e", "head"], ["y"]),
        ]
        weights = {"pixels": ones, "depthwise": ones[:, :1], "alone": ones, "head": ones[..., 0, 0]}
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            nodes,
            "graph",
            [value("x", onnx.TensorProto.FLOAT, [1, 2, 1, 2])],
            [value("y", onnx.TensorProto.FLOAT, [1, 2])],
            [tensor(weight, name) for name, weight in weights.items()],
        )
        model = helper.make_model(graph)
        quantize.quantize(model)
        onnx.checker.check_model(model, full_check=True)
        stored = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
        largest = {name: int(stored[f"{name}.int8"].max()) for name in weights}
        assert largest == {"pixels": 64, "depthwise": 127, "alone": 127, "head": 127}
