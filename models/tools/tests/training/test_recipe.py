"""The whole recipe on 200 synthetic faces, by its commands: from a teacher to a shipped bundle."""

import copy
import json
import tomllib
from pathlib import Path

import dlib_writer
import numpy as np
import pytest
import tomli_w
from test_train import CONFIG, write_split

from affectd_models import cli
from affectd_models import config as configuration
from affectd_models.bundle import golden
from affectd_models.errors import InvalidInput
from affectd_models.faces import ferplus
from affectd_models.network import dlib_face, dlib_file
from affectd_models.training import inference, sampling, views


def write_config(path, **changes):
    """CONFIG with changed tables, as TOML."""
    config = copy.deepcopy(CONFIG) | {"version": "1", "provenance": "synthetic"}
    config["model"]["size"] = 24
    for table, entries in changes.items():
        config[table] = config.get(table, {}) | entries if table != "model" else entries
    path.parent.mkdir(exist_ok=True)
    path.write_text(tomli_w.dumps(config | {"name": path.stem}))
    return str(path)


def run(*arguments):
    assert cli.main([str(argument) for argument in arguments]) == 0


def test_recipe(tmp_path, monkeypatch, caplog, capsys):
    for module in (dlib_file, dlib_face):
        monkeypatch.setattr(module, "LEVELS", dlib_writer.LEVELS)
    dlib_writer.write(tmp_path / "dlib_face.dat")
    data = ("--data", tmp_path)
    for split, count in (("train", 200), ("valid", 60)):
        write_split(tmp_path, split, count, count)
    adamw = {"optimizer": "adamw", "epochs": 25, "lr": 0.01, "validate_every": 25}
    small = {"family": "dlib", "size": 32, "drop_path": 0.1, "dropout": 0.1}
    teacher = write_config(tmp_path / "configs" / "teacher.toml", model=small, train=adamw)
    student_train = {"epochs": 10, "validate_every": 5, "balance": 0.5}
    student = write_config(
        tmp_path / "configs" / "student.toml", train=student_train, teacher={"weight": 0.7}
    )
    init = ("--init", tmp_path / "dlib_face.dat")
    run("train", "--config", teacher, *data, "--out", tmp_path / "one", *init, "--threads", 1)

    checkpoint = tmp_path / "one" / "best.pt"
    store = ("views", "--config", student, *data, "--out", tmp_path / "views", "--views", 2)
    run(*store, "--teacher", checkpoint)
    first = np.load(tmp_path / "views" / "one.npy")
    assert first.shape == (2, 180, 10)
    np.testing.assert_allclose(first[:, :, :8].sum(-1), 1, atol=5e-3)
    # A second teacher is added, and the first one resumes after its stored view.
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "best.pt").write_bytes(checkpoint.read_bytes())
    np.save(tmp_path / "views" / "one.npy", first[:1])
    run(*store, "--teacher", checkpoint, tmp_path / "two" / "best.pt")
    for name in ("one", "two"):
        np.testing.assert_array_equal(np.load(tmp_path / "views" / f"{name}.npy"), first)

    distil = ("train", "--config", student, *data, "--views", tmp_path / "views", "--threads", 1)
    with caplog.at_level("INFO"):
        run(*distil, "--out", tmp_path / "student")
    assert "teachers: one, two" in caplog.text
    f32, int8 = tmp_path / "student.f32.onnx", tmp_path / "student.onnx"
    checkpoints = [tmp_path / "student" / name for name in ("best.pt", "last.pt")]
    run("average", "--checkpoint", *checkpoints, "--share", 0.5, 0.5, "--out", tmp_path / "average.pt")
    run("export", "--checkpoint", tmp_path / "average.pt", "--out", f32)
    run("quantize", "--model", f32, "--out", int8)
    run("manifest", "--config", student, *data, "--model", int8)
    manifest = tomllib.loads(int8.with_suffix(".toml").read_text())
    assert manifest["measured"]["accuracy"] > 0.9
    capsys.readouterr()
    run("evaluate", "--config", student, *data, "--model", f32)
    lines = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert abs(float(lines["accuracy"]) - manifest["measured"]["accuracy"]) < 0.05

    vectors = int8.with_suffix(".golden").read_bytes()
    count = manifest["golden"]["count"]
    numbers = np.frombuffer(vectors[4:], "<f4").reshape(count, -1)
    faces = numbers[:, :-10].reshape(count, 1, 24, 24)
    outputs = golden.outputs(golden.session(int8), faces)
    np.testing.assert_array_equal(np.concatenate(outputs), numbers[:, -10:])

    fit_prior(tmp_path, student, f32, capsys)
    fit_va(tmp_path, student, int8, capsys)


def fit_prior(folder, student, f32, capsys):
    """Every logit moves by about the same offset on all faces; valence and arousal stay."""
    fitted = folder / "prior.onnx"
    run("fit-prior", "--config", student, "--data", folder, "--model", f32, "--out", fitted)
    printed = capsys.readouterr().out.splitlines()[0].removeprefix("offsets: ")
    offsets = [float(named.split()[-1]) for named in printed.split(", ")]
    config, faces = configuration.load(Path(student)), ferplus.load(folder, "valid")
    before, after = (
        inference.onnx_predictor(golden.session(path), config)(faces.images) for path in (f32, fitted)
    )
    np.testing.assert_array_equal(before[:, 8:], after[:, 8:])
    change = (after - before)[:, :8]
    np.testing.assert_allclose(change.mean(0), offsets, atol=0.02)
    assert change.std(0).max() < 0.02


def fit_va(folder, student, int8, capsys):
    """Valence and arousal follow ratings that the categories explain; the logits stay."""
    votes = ferplus.load(folder, "valid")
    happy = votes.label == 1
    ratings = [
        "row,valence,arousal",
        *(f"{i},{0.6 if h else -0.7},{0.5 if h else -0.1}" for i, h in enumerate(happy)),
    ]
    (folder / "ratings.csv").write_text("\n".join(ratings))
    fitted = folder / "fitted.onnx"
    sources = ("--data", folder, "--ratings", folder / "ratings.csv")
    run("fit-va", "--config", student, *sources, "--model", int8, "--out", fitted)
    assert "map, cross-validated" in capsys.readouterr().out
    config = configuration.load(Path(student))
    before, after = (
        inference.onnx_predictor(golden.session(path), config)(votes.images) for path in (int8, fitted)
    )
    np.testing.assert_array_equal(before[:, :8], after[:, :8])
    np.testing.assert_allclose(after[happy, 8:].mean(0), [0.6, 0.5], atol=0.1)
    np.testing.assert_allclose(after[~happy, 8:].mean(0), [-0.7, -0.1], atol=0.1)


def test_views_of_other_faces_are_refused(tmp_path):
    write_split(tmp_path, "train", 40, 1)
    faces = ferplus.load(tmp_path, "train")
    views.check_origin(tmp_path, CONFIG, faces, 2)
    views.check_origin(tmp_path, CONFIG, faces, 2)
    with pytest.raises(InvalidInput, match="other faces"):
        views.check_origin(tmp_path, CONFIG, faces.take(np.arange(39)), 2)
    with pytest.raises(InvalidInput, match="other faces"):
        views.check_origin(tmp_path, CONFIG, faces, 3)
    origin = json.loads((tmp_path / "views.json").read_text())
    assert origin["augment"] == CONFIG["augment"]


def test_balanced_drawing():
    target = np.repeat(np.eye(8, dtype=np.float32), [800, 80, 40, 20, 20, 20, 10, 10], 0)
    share, shift = sampling.balance(target, 0)
    assert (share.min(), share.max(), abs(shift).max()) == (1, 1, 0)
    share, shift = sampling.balance(target, 0.5)
    # The weight of a category falls with the root of its frequency.
    assert share[0] / share[-1] == pytest.approx((10 / 800) ** 0.5)
    drawn = (share[:, None] * target).mean(0)
    np.testing.assert_allclose(drawn.sum(), 1, rtol=1e-5)
    np.testing.assert_allclose(np.exp(shift) * target.mean(0), drawn, rtol=1e-5)
