"""dlib's network with batch norms, and training from it."""

import copy

import dlib_writer
import pytest
import torch
from test_train import CONFIG, CPU, write_split

from affectd_models import config as configuration
from affectd_models.errors import InvalidInput
from affectd_models.faces import ferplus
from affectd_models.network import dlib_face, dlib_file
from affectd_models.training import checkpoint, train


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """The file of a small network."""
    for module in (dlib_file, dlib_face):
        monkeypatch.setattr(module, "LEVELS", dlib_writer.LEVELS)
    path = tmp_path / "net.dat"
    dlib_writer.write(path)
    return path


def test_batch_norms_keep_the_features(weights):
    grey = torch.rand(6, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    net = dlib_face.with_batch_norms(weights, (grey - 0.5) / 0.25, 10, 0.5, 0.25)
    images = (grey * 255).permute(0, 2, 3, 1).expand(-1, -1, -1, 3)
    with torch.no_grad():
        expected = dlib_face.original(weights).features(dlib_face.prepare_rgb(images))
        found = net.features((grey - 0.5) / 0.25)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
        # The statistics are those of these faces: in training mode the features are the same.
        torch.testing.assert_close(net.train().features((grey - 0.5) / 0.25), expected, atol=1e-3, rtol=1e-2)


def test_a_teacher_learns(weights, tmp_path, caplog):
    config = copy.deepcopy(CONFIG)
    config["model"] = {"family": "dlib", "size": 32, "drop_path": 0.1, "dropout": 0.1}
    config["train"] |= {"optimizer": "adamw", "epochs": 40, "lr": 0.01, "validate_every": 10}
    configuration.check(config, "config")
    for split, count in (("train", 148), ("valid", 60)):
        write_split(tmp_path, split, count, count)
    faces, _ = ferplus.split_holdout(ferplus.load(tmp_path, "train"), 20)
    run = train.Run(config, tmp_path, CPU)
    run.start_from(weights, faces)
    with caplog.at_level("INFO"):
        run.train(faces, ferplus.load(tmp_path, "valid"))
    assert "unmirrored" in caplog.text
    assert run.best > 0.9
    net, _ = checkpoint.load(tmp_path / "best.pt")
    assert isinstance(net, dlib_face.FaceNet)


def test_no_other_family_starts_from_it(weights, tmp_path):
    run = train.Run(CONFIG, tmp_path, CPU)
    with pytest.raises(InvalidInput, match="only a network of the family dlib"):
        run.start_from(weights, None)
