"""Tests of import_cage.

    python -m unittest discover -s models/tools/tests

takes seconds. With the daemon's program named, every variant is also imported from seeded random weights and
compared with PyTorch by `affectd model verify` on 32 inputs, which takes minutes:

    AFFECTD=target/release/affectd python -m unittest discover -s models/tools/tests
"""

import os
import pickle
import re
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOOLS), str(TOOLS / "tests")]

import torch  # noqa: E402
from PIL import Image  # noqa: E402
from torch import nn  # noqa: E402

import import_cage  # noqa: E402
import package  # noqa: E402
import random_cage  # noqa: E402
from package import Refused  # noqa: E402


def head(outputs, key="classifier.5.weight"):
    """As much of a state_dict as tells the variant."""
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
                variant = import_cage.detect(head(outputs, key))
                self.assertEqual((variant.task, variant.classes, variant.outputs), (task, classes, outputs))

    def test_nine_outputs_are_seven_categories_and_valence_and_arousal(self):
        variant = import_cage.detect(head(9), classes=7, task="combined")
        self.assertEqual(str(variant), "7 categories (AffectNet-7), valence, arousal")
        table = variant.table()
        self.assertNotIn("contempt", table["categories"])
        self.assertEqual((table["logits"], table["valence"], table["arousal"]), (list(range(7)), 7, 8))

    def test_tables_name_only_what_the_task_has(self):
        self.assertEqual(import_cage.VARIANTS[2].table(), {"valence": 0, "arousal": 1})
        self.assertNotIn("valence", import_cage.VARIANTS[8].table())
        self.assertEqual(import_cage.VARIANTS[10].table()["categories"][7], "contempt")

    def test_what_was_expected_is_checked(self):
        for wrong in ({"classes": 8}, {"task": "categories"}, {"task": "valence-arousal"}):
            with self.assertRaisesRegex(Refused, "9 outputs are 7 categories"):
                import_cage.detect(head(9), **wrong)

    def test_other_heads_are_refused(self):
        with self.assertRaisesRegex(Refused, r"\[1000, 512\]; allowed .* 9: 7 categories"):
            import_cage.detect(head(1000))
        with self.assertRaisesRegex(Refused, "neither classifier.5.weight nor .* maxvit_t"):
            import_cage.detect({"features.0.0.weight": torch.zeros(3)})


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
            self.assertEqual(import_cage.weights(loaded).keys(), plain.keys())

    def test_a_whole_model(self):
        net = nn.DataParallel(nn.Linear(2, 2))
        self.assertEqual(import_cage.weights(net).keys(), {"weight", "bias"})

    def test_anything_else_is_refused(self):
        for loaded, found in (([1], "a list"), ({}, "nothing"), ({"epoch": 3, "lr": 0.1}, "epoch, lr")):
            with self.assertRaisesRegex(Refused, f"holds {found}; allowed is a state_dict"):
                import_cage.weights(loaded)


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
        self.assertEqual(import_cage.weights(import_cage.read(self.path)).keys(), head(8).keys())

    def test_pickled_models_need_trust(self):
        torch.save(nn.Linear(2, 2), self.path)
        with self.assertRaisesRegex(Refused, "would run code from the file.*--trust-pickle"):
            import_cage.read(self.path)
        loaded = import_cage.read(self.path, trust_pickle=True)
        self.assertEqual(import_cage.weights(loaded).keys(), {"weight", "bias"})

    def test_no_code_runs_without_trust(self):
        witness = self.path.with_name("witness")
        torch.save({"a": Runs(str(witness))}, self.path)
        with self.assertRaises(Refused):
            import_cage.read(self.path)
        self.assertFalse(witness.exists())
        import_cage.read(self.path, trust_pickle=True)["a"].close()
        self.assertTrue(witness.exists())

    def test_files_that_are_no_checkpoint(self):
        with self.assertRaisesRegex(Refused, "cannot read .*model.pt: No such file"):
            import_cage.read(self.path)
        for content in (b"", b"\x00\x01rubbish", b"PK\x03\x04 cut short", pickle.dumps([1])[:-3]):
            self.path.write_bytes(content)
            with self.assertRaisesRegex(Refused, "is no PyTorch checkpoint"):
                import_cage.read(self.path)
            with self.assertRaises(Refused):
                import_cage.read(self.path, trust_pickle=True)


class Building(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.state = random_cage.state(9)

    def test_half_precision_is_widened(self):
        half = {key: value.half() if value.is_floating_point() else value for key, value in self.state.items()}
        net = import_cage.network(half, import_cage.VARIANTS[9])
        self.assertEqual({parameter.dtype for parameter in net.parameters()}, {torch.float32})
        self.assertFalse(net.training)

    def test_missing_unknown_misshapen_and_broken_tensors(self):
        key = "stem.0.0.weight"
        for change, words in (
            ({key: None}, f"1 tensors are missing .{key}"),
            ({"extra": torch.zeros(1)}, "1 are unknown .extra"),
            ({key: torch.zeros(64, 1, 3, 3)}, r"\[64, 1, 3, 3\] instead of \[64, 3, 3, 3\]"),
            ({key: torch.full((64, 3, 3, 3), torch.nan)}, f"infinite numbers or none .{key}"),
        ):
            state = {name: value for name, value in {**self.state, **change}.items() if value is not None}
            with self.assertRaisesRegex(Refused, words):
                import_cage.network(state, import_cage.VARIANTS[9])


class Pictures(unittest.TestCase):
    def test_colours_are_normalised_by_channel(self):
        with tempfile.TemporaryDirectory() as folder:
            Image.new("RGB", (50, 40), (255, 0, 51)).save(Path(folder) / "face.png")
            faces = import_cage.pictures(Path(folder))
        self.assertEqual(faces.shape, (1, 3, 224, 224))
        for channel, value in enumerate(((1 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225)):
            self.assertAlmostEqual(float(faces[0, channel].max()), value, places=4)
            self.assertAlmostEqual(float(faces[0, channel].min()), value, places=4)

    def test_folders_without_faces_are_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            for path in (Path(folder), Path(folder) / "none"):
                with self.assertRaisesRegex(Refused, "holds no picture"):
                    import_cage.pictures(path)
            (Path(folder) / "face.jpg").write_bytes(b"rubbish")
            with self.assertRaisesRegex(Refused, "face.jpg is no picture"):
                import_cage.pictures(Path(folder))


class Packing(unittest.TestCase):
    def test_toml_reads_back(self):
        inner = {"mean": [0.5, 0.25], "names": ["x", "y"], "small": 1e-05}
        table = {"name": "a \"b\" \u00e9", "count": 2, "input": inner}
        self.assertEqual(tomllib.loads(package.toml(table)), table)

    def test_names(self):
        package.check_name("cage-8.va_1")
        for name in ("", "-a", "a/b", "..", "a b", "a" * 65):
            with self.assertRaises(Refused):
                package.check_name(name)


@unittest.skipUnless("AFFECTD" in os.environ, "AFFECTD does not name the daemon's program")
class AgainstTheDaemon(unittest.TestCase):
    """The whole way, from a checkpoint to the daemon's own figures."""

    def imported(self, outputs, *more):
        """What `affectd model verify` says of an imported random checkpoint: the difference it found."""
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = Path(folder) / "model.pt"
            torch.save(random_cage.state(outputs, dropout=outputs == 2), checkpoint)
            models = Path(folder) / "models"
            tool = [sys.executable, str(TOOLS / "import_cage.py"), str(checkpoint), "--out", str(models)]
            subprocess.run([*tool, "--name", "cage", *more], check=True)
            verify = [os.environ["AFFECTD"], "model", "verify", "cage", "--set", f"models={models}"]
            line = subprocess.run(verify, check=True, capture_output=True, text=True).stdout
            print(line)
            return float(re.search(r"differ by at most ([0-9.]+)", line)[1])

    def test_f32_is_pytorch(self):
        for outputs in import_cage.VARIANTS:
            with self.subTest(outputs=outputs):
                self.assertLessEqual(self.imported(outputs, "--precision", "f32", "--golden", "32"), 1e-4)

    def test_int8_weights_are_onnx_runtime_to_256_steps(self):
        self.assertLessEqual(self.imported(10), 0.01)


if __name__ == "__main__":
    unittest.main()
