"""Bundles: names, golden vectors and manifests."""

import hashlib
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tomli_w

from affectd_models import config as configuration
from affectd_models.bundle import ferplus_manifest, files
from affectd_models.errors import InvalidInput

TOOLS = Path(__file__).resolve().parents[2]
MODELS = TOOLS.parent


def test_names():
    files.check_name("cage-8.va_1")
    for name in ("", "-a", "a/b", "..", "a b", "a" * 65):
        with pytest.raises(InvalidInput):
            files.check_name(name)


def test_golden_vectors_and_manifest(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"network")
    inputs = np.arange(8, dtype=np.float32).reshape(2, 1, 2, 2)
    outputs = [np.float32([[1, 2]]), np.float32([[3, 4]])]
    path = files.finish(tmp_path, {"name": "net"}, inputs, outputs, 0.01)
    vectors = (tmp_path / "net.golden").read_bytes()
    assert vectors[:4] == b"\x02\0\0\0"
    assert np.frombuffer(vectors[4:], "<f4").tolist() == [0, 1, 2, 3, 1, 2, 4, 5, 6, 7, 3, 4]
    manifest = tomllib.loads(path.read_text())
    assert manifest["file"] == {"path": "net.onnx", "sha256": hashlib.sha256(b"network").hexdigest()}
    assert (manifest["golden"]["count"], manifest["golden"]["tolerance"]) == (2, 0.01)


def test_the_shipped_manifest_is_written_from_its_configuration():
    path = MODELS / "maxvit-ferplus-64.toml"
    shipped = tomllib.loads(path.read_text(encoding="utf-8"))
    config = configuration.load(TOOLS / "configs" / path.name)
    ferplus_manifest.check(config, path)
    tables = ferplus_manifest.tables(
        config=config,
        model=path.with_suffix(".onnx"),
        vectors=path.with_suffix(".golden"),
        golden_count=files.GOLDEN_COUNT,
        figures=shipped["measured"],
        temperature=shipped["output"]["temperature"],
        runtime=shipped["measured"]["runtime"],
    )
    assert tomllib.loads(tomli_w.dumps(tables)) == shipped


def test_manifests_of_projected_valence_and_arousal_have_their_errors():
    config = configuration.load(TOOLS / "configs" / "maxvit-ferplus-48.toml")
    figures = {
        "accuracy": 0.5,
        "macro_f1": 0.5,
        "ece": 0.5,
        "soft_ce": 1,
        "va_rmse": 0.25,
        "va_ccc": 0.5,
        "n": 7,
    }
    model = MODELS / "maxvit-ferplus-64.onnx"
    tables = ferplus_manifest.tables(
        config=config,
        model=model,
        vectors=model,
        golden_count=2,
        figures=figures,
        temperature=1,
        runtime="none",
    )
    expected = (
        "accuracy = 0.5000\nmacro_f1 = 0.5000\nece = 0.5000\nva_rmse = 0.2500\nva_ccc = 0.5000\nn = 7\n"
    )
    assert tomli_w.dumps(tables).endswith(expected)
    with pytest.raises(InvalidInput, match="a manifest needs version and provenance"):
        ferplus_manifest.check({"name": "net"}, model)
