"""Tests of `affectd-models import-emotiefflib`."""

import tempfile
import tomllib
import unittest
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from affectd_models.bundle import files
from affectd_models.errors import InvalidInput
from affectd_models.importers import emotiefflib


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
            path = emotiefflib.convert(source, self.folder / "out", "net")
            manifest = tomllib.loads(path.read_text())
            assert (manifest["input"]["width"], manifest["input"]["mean"]) == (size, mean)
            assert manifest["output"]["categories"][4:6] == ["happiness", "neutral"]
            assert manifest["file"]["sha256"] == files.sha256(source)

            vectors = (path.parent / manifest["golden"]["path"]).read_bytes()
            assert int.from_bytes(vectors[:4], "little") == manifest["golden"]["count"]
            numbers = np.frombuffer(vectors[4:], "<f4").reshape(manifest["golden"]["count"], -1)
            assert numbers.shape[1] == 3 * size * size + 10
            pooled = numbers[:, :-10].reshape(-1, 3, size * size).mean(2)
            np.testing.assert_allclose(numbers[:, -10:], pooled @ weight.T, atol=1e-5)

    def test_other_layouts_and_files_are_refused(self):
        source = self.folder / "net.onnx"
        for size, outputs in ((224, 8), (260, 10)):
            network(source, size, outputs)
            with pytest.raises(InvalidInput, match=rf"3, {size}, {size}.* allowed are one input"):
                emotiefflib.convert(source, self.folder, "out")
        source.write_bytes(b"not a model")
        for path in (source, self.folder / "none.onnx"):
            with pytest.raises(InvalidInput, match="is not an ONNX network"):
                emotiefflib.convert(path, self.folder, "out")
        assert not (self.folder / "out.toml").exists()
