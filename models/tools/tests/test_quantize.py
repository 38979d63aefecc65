"""Weights in eight bits: within half a step, and no pair beyond what the daemon's fastest products take."""

import sys
import unittest
from pathlib import Path

import numpy as np
import onnx

sys.path.append(str(Path(__file__).resolve().parents[1]))

import quantize  # noqa: E402


class Symmetric(unittest.TestCase):
    def check(self, weight, axis):
        """Quantize, check the steps, and give the pairs of each output: what its positive and negative ones add up to."""
        values, scale = quantize.symmetric(weight, axis, paired=True)
        self.assertEqual((values.dtype, scale.dtype, scale.shape), (np.int8, np.float32, (weight.shape[axis],)))
        steps = np.expand_dims(scale, tuple(i for i in range(weight.ndim) if i != axis))
        self.assertLessEqual(float(abs(values * steps - weight).max() / steps.max()), 0.5001)
        self.assertLessEqual(int(abs(values.astype(int)).max()), 127)
        # Written out anew: outputs first, inputs last.
        order = {(2, 0): (0, 1), (2, 1): (1, 0), (4, 0): (0, 2, 3, 1)}[weight.ndim, axis]
        rows = values.transpose(order).reshape(weight.shape[axis], -1).astype(int)
        first, second = rows[:, :-1:2], rows[:, 1::2]
        same = np.sign(first) == np.sign(second)
        return np.where(same, abs(first + second), 0)

    def test_pairs_of_every_layout(self):
        generator = np.random.default_rng(1)
        for shape, axis in [((40, 64), 0), ((64, 40), 1), ((41, 63, 1, 1), 0), ((24, 16, 3, 3), 0), ((8, 1, 3, 3), 0)]:
            weight = generator.standard_normal(shape).astype(np.float32)
            pairs = self.check(weight, axis)
            self.assertLessEqual(int(pairs.max()), quantize.MOST_OF_PAIR, shape)
            # And no coarser than that.
            self.assertGreaterEqual(int(pairs.max()), quantize.MOST_OF_PAIR - 1, shape)

    def test_rounding_takes_no_pair_beyond(self):
        # Halves, of which both would be rounded up.
        weight = np.array([[0.6125, 0.6675], [0.6175, 0.6625], [0.5, 0.5]], np.float32)
        for nudge in np.linspace(-1e-6, 1e-6, 201):
            self.assertLessEqual(int(self.check((weight + nudge).astype(np.float32), 0).max()), quantize.MOST_OF_PAIR)

    def test_where_signs_differ_the_largest_weight_has_127_steps(self):
        values, scale = quantize.symmetric(np.array([[1, -1], [0, 0]], np.float32), 0, paired=True)
        self.assertEqual(values.tolist(), [[127, -127], [0, 0]])
        self.assertAlmostEqual(float(scale[0]), 1 / 127)

    def test_alone_weights_have_the_finest_steps(self):
        values, scale = quantize.symmetric(np.array([[1, 1]], np.float32), 0, paired=False)
        self.assertEqual(values.tolist(), [[127, 127]])


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
        self.assertEqual(largest, {"pixels": 64, "depthwise": 127, "alone": 127, "head": 127})


if __name__ == "__main__":
    unittest.main()
