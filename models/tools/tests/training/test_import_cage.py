"""Tests of `affectd-models import-cage`.

If AFFECTD is the path of the daemon's program, every variant is also imported from seeded random weights and
compared with PyTorch by `affectd model verify` on 32 inputs, which takes minutes.
"""

import os
import pickle
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from affectd_models.errors import InvalidInput
from affectd_models.importers import cage, random_cage


def head(outputs, key="classifier.5.weight"):
    """The part of a state_dict that determines the variant."""
    return {"stem.0.0.weight": torch.zeros(64, 3, 3, 3), key: torch.zeros(outputs, 512)}


class Detecting(unittest.TestCase):
    def test_every_number_of_outputs(self):
        for outputs, task, classes in (
            (2, "valence-arousal", 0),
            (7, "categories", 7),
            (8, "categories", 8),
            (9, "combined", 7),
            (10, "combined", 8),
        ):
            for key in ("classifier.5.weight", "classifier.6.weight"):
                variant = cage.detect(head(outputs, key))
                assert (variant.task, variant.classes, variant.outputs) == (task, classes, outputs)

    def test_nine_outputs_are_seven_categories_and_valence_and_arousal(self):
        variant = cage.detect(head(9), classes=7, task="combined")
        assert str(variant) == "7 categories (AffectNet-7), valence, arousal"
        table = variant.table()
        assert "contempt" not in table["categories"]
        assert (table["logits"], table["valence"], table["arousal"]) == (list(range(7)), 7, 8)

    def test_tables_name_only_what_the_task_has(self):
        assert cage.VARIANTS[2].table() == {"valence": 0, "arousal": 1}
        assert "valence" not in cage.VARIANTS[8].table()
        assert cage.VARIANTS[10].table()["categories"][7] == "contempt"

    def test_what_was_expected_is_checked(self):
        for wrong in ({"classes": 8}, {"task": "categories"}, {"task": "valence-arousal"}):
            with pytest.raises(InvalidInput, match=r"9 outputs are 7 categories"):
                cage.detect(head(9), **wrong)

    def test_other_heads_are_refused(self):
        with pytest.raises(InvalidInput, match=r"\[1000, 512\]; allowed .* 9: 7 categories"):
            cage.detect(head(1000))
        with pytest.raises(InvalidInput, match=r"neither classifier.5.weight nor .* maxvit_t"):
            cage.detect({"features.0.0.weight": torch.zeros(3)})


class CleaningUp(unittest.TestCase):
    def test_wrapped_and_prefixed_state_dicts(self):
        plain = head(10)
        parallel = {f"module.{key}": value for key, value in plain.items()}
        for loaded in (
            plain,
            parallel,
            {"state_dict": plain, "epoch": 3},
            {"model_state_dict": parallel, "optimizer_state_dict": {}},
        ):
            assert cage.weights(loaded).keys() == plain.keys()

    def test_a_whole_model(self):
        net = nn.DataParallel(nn.Linear(2, 2))
        assert cage.weights(net).keys() == {"weight", "bias"}

    def test_anything_else_is_refused(self):
        for loaded, found in (([1], "a list"), ({}, "nothing"), ({"epoch": 3, "lr": 0.1}, "epoch, lr")):
            with pytest.raises(InvalidInput, match=rf"holds {found}; allowed is a state_dict"):
                cage.weights(loaded)


class Runs:
    """A pickle of this leaves a file behind when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


class Reading(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "model.pt"

    def test_tensors_in_plain_containers(self):
        torch.save({"state_dict": head(8), "epoch": 3}, self.path)
        assert cage.weights(cage.read(self.path)).keys() == head(8).keys()

    def test_pickled_models_need_trust(self):
        torch.save(nn.Linear(2, 2), self.path)
        with pytest.raises(InvalidInput, match=r"would run code from the file.*--trust-pickle"):
            cage.read(self.path)
        loaded = cage.read(self.path, trust_pickle=True)
        assert cage.weights(loaded).keys() == {"weight", "bias"}

    def test_no_code_runs_without_trust(self):
        witness = self.path.with_name("witness")
        torch.save({"a": Runs(str(witness))}, self.path)
        with pytest.raises(InvalidInput):
            cage.read(self.path)
        assert not witness.exists()
        cage.read(self.path, trust_pickle=True)["a"].close()
        assert witness.exists()

    def test_files_that_are_no_checkpoint(self):
        with pytest.raises(InvalidInput, match=r"cannot read .*model.pt: No such file"):
            cage.read(self.path)
        for content in (b"", b"\x00\x01not a model", b"PK\x03\x04 cut short", pickle.dumps([1])[:-3]):
            self.path.write_bytes(content)
            with pytest.raises(InvalidInput, match=r"is not a PyTorch checkpoint"):
                cage.read(self.path)
            with pytest.raises(InvalidInput):
                cage.read(self.path, trust_pickle=True)


class Building(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.state = random_cage.state(9)

    def test_half_precision_is_widened(self):
        half = {
            key: value.half() if value.is_floating_point() else value for key, value in self.state.items()
        }
        net = cage.network(half, cage.VARIANTS[9])
        assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}
        assert not net.training

    def test_missing_unknown_misshapen_and_broken_tensors(self):
        key = "stem.0.0.weight"
        for change, words in (
            ({key: None}, f"1 tensors are missing .{key}"),
            ({"extra": torch.zeros(1)}, "1 are unknown .extra"),
            ({key: torch.zeros(64, 1, 3, 3)}, r"\[64, 1, 3, 3\] instead of \[64, 3, 3, 3\]"),
            ({key: torch.full((64, 3, 3, 3), torch.nan)}, f"infinities or NaN .{key}"),
        ):
            state = {name: value for name, value in {**self.state, **change}.items() if value is not None}
            with pytest.raises(InvalidInput, match=words):
                cage.network(state, cage.VARIANTS[9])


class Pictures(unittest.TestCase):
    def test_colours_are_normalized_by_channel(self):
        with tempfile.TemporaryDirectory() as folder:
            Image.new("RGB", (50, 40), (255, 0, 51)).save(Path(folder) / "face.png")
            faces = cage.pictures(Path(folder))
        assert faces.shape == (1, 3, 224, 224)
        for channel, value in enumerate(((1 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225)):
            assert float(faces[0, channel].max()) == pytest.approx(value, abs=1e-4)
            assert float(faces[0, channel].min()) == pytest.approx(value, abs=1e-4)

    def test_folders_without_faces_are_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            for path in (Path(folder), Path(folder) / "none"):
                with pytest.raises(InvalidInput, match=r"holds no picture"):
                    cage.pictures(path)
            (Path(folder) / "face.jpg").write_bytes(b"not a model")
            with pytest.raises(InvalidInput, match=r"face.jpg is not a picture"):
                cage.pictures(Path(folder))


@unittest.skipUnless("AFFECTD" in os.environ, "AFFECTD does not name the daemon's program")
class AgainstTheDaemon(unittest.TestCase):
    """End to end, from a checkpoint to the daemon's own figures."""

    def imported(self, outputs, *more):
        """The difference that `affectd model verify` reports for an imported random checkpoint."""
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = Path(folder) / "model.pt"
            torch.save(random_cage.state(outputs, dropout=outputs == 2), checkpoint)
            models = Path(folder) / "models"
            tool = [sys.executable, "-m", "affectd_models", "import-cage", checkpoint, "--out", models]
            subprocess.run([*tool, "--name", "cage", *more], check=True)
            verify = [os.environ["AFFECTD"], "model", "verify", "cage", "--set", f"models={models}"]
            line = subprocess.run(verify, check=True, capture_output=True, text=True).stdout
            return float(re.search(r"differ by at most ([0-9.]+)", line)[1])

    def test_f32_is_pytorch(self):
        for outputs in cage.VARIANTS:
            with self.subTest(outputs=outputs):
                assert self.imported(outputs, "--precision", "f32", "--golden", "32") <= 0.0001

    def test_int8_weights_are_onnx_runtime_to_256_steps(self):
        assert self.imported(10) <= 0.01
