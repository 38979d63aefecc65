"""Tests of import_emotiefflib; run as those of import_cage."""

import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import import_emotiefflib  # noqa: E402
import package  # noqa: E402


def network(path, size, outputs):
    """A network of EmotiEffLib's inputs and outputs that looks at the mean colour only."""
    weight = np.random.default_rng(3).normal(size=(outputs, 3)).astype(np.float32)
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["input"], ["pool"]),
            helper.make_node("Flatten", ["pool"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weight"], ["output"], transB=1),
        ],
        "mean",
        [info("input", TensorProto.FLOAT, ["batch_size", 3, size, size])],
        [info("output", TensorProto.FLOAT, ["batch_size", outputs])],
        [numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
    model.ir_version = 9
    onnx.save(model, path)
    return weight


class Importing(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_both_families(self):
        for size, mean in ((112, [0.5, 0.5, 0.5]), (224, [0.485, 0.456, 0.406])):
            source = self.folder / "net_va_mtl.onnx"
            weight = network(source, size, 10)
            path = import_emotiefflib.convert(source, self.folder / "out", "net")
            manifest = tomllib.loads(path.read_text())
            self.assertEqual((manifest["input"]["width"], manifest["input"]["mean"]), (size, mean))
            self.assertEqual(manifest["output"]["categories"][4:6], ["happiness", "neutral"])
            self.assertEqual(manifest["file"]["sha256"], package.sha256(source))

            vectors = (path.parent / manifest["golden"]["path"]).read_bytes()
            self.assertEqual(int.from_bytes(vectors[:4], "little"), manifest["golden"]["count"])
            numbers = np.frombuffer(vectors[4:], "<f4").reshape(manifest["golden"]["count"], -1)
            self.assertEqual(numbers.shape[1], 3 * size * size + 10)
            pooled = numbers[:, :-10].reshape(-1, 3, size * size).mean(2)
            np.testing.assert_allclose(numbers[:, -10:], pooled @ weight.T, atol=1e-5)

    def test_other_layouts_and_files_are_refused(self):
        source = self.folder / "net.onnx"
        for size, outputs in ((224, 8), (260, 10)):
            network(source, size, outputs)
            with self.assertRaisesRegex(package.Refused, rf"3, {size}, {size}.* allowed are one input"):
                import_emotiefflib.convert(source, self.folder, "out")
        source.write_bytes(b"rubbish")
        for path in (source, self.folder / "none.onnx"):
            with self.assertRaisesRegex(package.Refused, "is no ONNX network"):
                import_emotiefflib.convert(path, self.folder, "out")
        self.assertFalse((self.folder / "out.toml").exists())


if __name__ == "__main__":
    unittest.main()
