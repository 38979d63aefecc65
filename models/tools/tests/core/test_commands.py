"""The command line, configurations, plots, and files that commands read and write."""

import io
import json
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest

from affectd_models import cli, config
from affectd_models.bundle import quantize
from affectd_models.errors import InvalidInput
from affectd_models.importers import pypi
from affectd_models.measure import plot

TOOLS = Path(__file__).resolve().parents[2]


def test_every_command_has_a_module(capsys):
    for module, _ in cli.COMMANDS.values():
        assert (TOOLS / "affectd_models" / f"{module.replace('.', '/')}.py").is_file()
    assert cli.main(["--help"]) == 0
    assert "quantize" in capsys.readouterr().out


def test_errors_have_a_status_and_a_message(capsys, tmp_path):
    assert cli.main([]) == 2
    assert cli.main(["quantise"]) == 2
    assert "unknown command 'quantise'" in capsys.readouterr().err
    path = str(tmp_path / "none.onnx")
    assert cli.main(["quantize", "--model", path, "--out", path]) == 1
    assert "affectd-models quantize: " in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        cli.main(["quantize", "--model", path])


def test_no_module_of_this_tier_needs_pytorch():
    assert "torch" not in sys.modules


@pytest.mark.parametrize("path", sorted((TOOLS / "configs").glob("*.toml")), ids=lambda path: path.stem)
def test_configurations_are_complete(path):
    assert config.load(path)["name"] == path.stem


def test_wrong_configurations_are_refused(tmp_path):
    good = (TOOLS / "configs" / "maxvit-ferplus-64.toml").read_text()
    path = tmp_path / "config.toml"
    for before, after, message in (
        ("batch = 128\n", "", r"\[train\]: batch missing"),
        ("batch = 128\n", "batch = 128\nbatches = 2\n", r"\[train\]: unknown batches"),
        ("batch = 128\n", "batch = true\n", r"\[train\]: batch is True; int is expected"),
        ("batch = 128\n", 'batch = "128"\n', r"\[train\]: batch is '128'; int is expected"),
        ("channels = [48, 96, 192]", "channels = 48", r"\[model\]: channels is 48; list is expected"),
        ("seed = 33", 'seed = "31"', "seed is '31'; int is expected"),
        ("seed = 33", "seed =", "Invalid value"),
        ('va = "fitted"', 'va = "guessed"', "va is 'guessed'; allowed are projected, fitted"),
    ):
        assert before in good
        path.write_text(good.replace(before, after))
        with pytest.raises(InvalidInput, match=message):
            config.load(path)
    path.write_text(good.replace("weight_decay = 0.05", "weight_decay = 0"))
    assert config.load(path)["train"]["weight_decay"] == 0


def test_files_of_wheels_and_sdists(tmp_path):
    wheel, sdist = tmp_path / "a-1-py3-none-any.whl", tmp_path / "a-1.tar.gz"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a/data", b"content")
    with tarfile.open(sdist, "w:gz") as archive:
        entry = tarfile.TarInfo("a-1/a/data")
        entry.size = 7
        archive.addfile(entry, io.BytesIO(b"content"))
    for path in (wheel, sdist):
        assert pypi.read_member(path, "a/data") == b"content"
        with pytest.raises(InvalidInput, match="contains no a/none"):
            pypi.read_member(path, "a/none")


def test_plots(tmp_path):
    moments = {
        "valence": 0.5,
        "arousal": 0.1,
        "valence_deviation": 0.2,
        "arousal_deviation": 0.1,
        "correlation": 0.3,
    }
    happiness = {
        "category": "happiness",
        "n": 4,
        "predicted": [1, 3, 0, 0, 0, 0, 0, 0],
        "predicted_circumplex": moments,
        "labelled_circumplex": {"valence": 0.6, "arousal": 0.1},
    }
    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps({"categories": [happiness]}))
    plot.main(["--figures", str(figures), "--out", str(tmp_path / "net")])
    assert "75 %" in (tmp_path / "net.confusion.svg").read_text()
    assert (tmp_path / "net.circumplex.svg").read_text().count("<ellipse") == 1
    figures.write_text("{}")
    with pytest.raises(InvalidInput, match="not the output of"):
        plot.main(["--figures", str(figures), "--out", str(tmp_path / "net")])


def test_quantizing_a_file(tmp_path, caplog):
    """The shipped model's weights, dequantized, quantize to the same int8 values and scales."""
    shipped = TOOLS.parent / "maxvit-ferplus-64.onnx"
    model = onnx.load(shipped)
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    kept = [t for t in model.graph.initializer if not t.name.endswith((".int8", ".scale", ".zero"))]
    for node in [node for node in model.graph.node if node.op_type == "DequantizeLinear"]:
        axis = next(a.i for a in node.attribute if a.name == "axis")
        values, scale = stored[node.input[0]], stored[node.input[1]]
        shape = [-1 if i == axis else 1 for i in range(values.ndim)]
        weight = values.astype(np.float32) * scale.reshape(shape)
        kept.append(onnx.numpy_helper.from_array(weight, node.output[0]))
        model.graph.node.remove(node)
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    path, out = tmp_path / "f32.onnx", tmp_path / "int8.onnx"
    onnx.save(model, path)
    with caplog.at_level("INFO"):
        quantize.main(["--model", str(path), "--out", str(out)])
    assert "bytes" in caplog.text
    again = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(out).graph.initializer}
    names = [name for name in stored if name.endswith(".scale")]
    assert len(names) > 50
    for name in names:
        np.testing.assert_allclose(again[name], stored[name], rtol=2e-2)
        difference = (
            again[name.replace(".scale", ".int8")].astype(int) - stored[name.replace(".scale", ".int8")]
        )
        assert abs(difference).max() <= 2


def test_a_gemm_that_is_not_transposed_is_refused():
    helper = onnx.helper
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w"], ["y"], "head")],
        "graph",
        [value("x", onnx.TensorProto.FLOAT, [1, 2])],
        [value("y", onnx.TensorProto.FLOAT, [1, 3])],
        [onnx.numpy_helper.from_array(np.ones((2, 3), np.float32), "w")],
    )
    with pytest.raises(InvalidInput, match=r"Gemm 'head': .* allowed is transB = 1"):
        quantize.quantize(helper.make_model(graph))
