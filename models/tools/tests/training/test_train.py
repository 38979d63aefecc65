"""From faces to a shipped model and back, with a tiny network on synthetic faces.

The tests need no GPU: bf16 and whole batches, which a GPU uses, are forced on the CPU.
"""

import contextlib
import copy
import io
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from affectd_models.bundle import export, quantize
from affectd_models.errors import InvalidInput
from affectd_models.faces import ferplus, images
from affectd_models.network import deploy, from_onnx
from affectd_models.training import augment, average, checkpoint, devices, distill, inference, train

CPU = torch.device("cpu")

CONFIG = {
    "name": "tiny",
    "seed": 1,
    "model": {
        "size": 24, "partition": 3, "stem": 8, "channels": [16, 32], "depths": [1, 1],
        "head_dim": 8, "expansion": 2, "mlp_ratio": 2, "drop_path": 0.1,
    },
    "data": {"holdout": 20, "mean": 0.5, "std": 0.25},
    "train": {
        "epochs": 3, "minutes": 1000, "batch": 32, "warmup": 0.1, "decay": 0.5, "lr": 0.005,
        "weight_decay": 0.05, "momentum": 0.95, "ema": 0.9, "va_weight": 1.0, "validate_every": 2,
    },
    "augment": {
        "rotation": 10.0, "scale": 0.1, "shift": 0.05, "brightness": 0.1, "contrast": 0.2, "gamma": 0.2,
        "blur": 0.5, "low_resolution": 0.5, "blocks": 0.5, "noise": 0.5, "erase": 0.5, "erase_side": 0.3,
        "mixup": 0.2,
    },
}  # fmt: skip


def write_split(folder, split, count, seed):
    """FER+ sheets and votes of synthetic faces: happy ones have a bright lower half, sad ones an upper."""
    random = np.random.default_rng(seed)
    happy = random.random(count) < 0.5
    faces = random.integers(60, 120, (count, ferplus.SIDE, ferplus.SIDE))
    half = ferplus.SIDE // 2
    faces[happy, half:] += 100
    faces[~happy, :half] += 100
    rows = -(-count // ferplus.PER_ROW)
    sheet = np.zeros((rows * ferplus.PER_ROW, ferplus.SIDE, ferplus.SIDE), np.uint8)
    sheet[:count] = faces
    sheet = sheet.reshape(rows, ferplus.PER_ROW, ferplus.SIDE, ferplus.SIDE).swapaxes(1, 2)
    sheet = sheet.reshape(rows * ferplus.SIDE, ferplus.PER_ROW * ferplus.SIDE)
    Image.fromarray(sheet).save(folder / f"ferplus_{split}_0.webp", lossless=True)
    columns = [
        "neutral",
        "happiness",
        "surprise",
        "sadness",
        "anger",
        "disgust",
        "fear",
        "contempt",
        "unknown",
        "NF",
    ]
    votes = np.zeros((count, 10), np.uint8)
    votes[happy, 1], votes[~happy, 3] = 9, 9
    votes[:, 0] = 1
    np.savez(folder / f"ferplus_{split}.npz", votes=votes, columns=columns)


class WithFaces(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def capture_log(self, caplog):
        self.caplog = caplog

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        write_split(self.folder, "train", 148, 1)
        write_split(self.folder, "valid", 60, 2)
        write_split(self.folder, "third", 30, 3)

    def run_of(self, name, config=CONFIG, stop=None, **more):
        """Train in the folder `name`; `stop` simulates the end of the process after that many steps."""
        out = self.folder / name
        out.mkdir(exist_ok=True)
        run = train.Run(config, out, CPU, **more)
        if (out / "last.pt").exists():
            run.resume()
        faces, _ = ferplus.split_holdout(ferplus.load(self.folder, "train"), config["data"]["holdout"])
        if stop is not None:
            step = run.one_step

            def stopping(*batch):
                if run.step == stop:
                    run.save("last.pt")
                    raise KeyboardInterrupt
                return step(*batch)

            run.one_step = stopping
        with self.caplog.at_level("INFO"), contextlib.suppress(KeyboardInterrupt):
            self.caplog.clear()
            run.train(faces, ferplus.load(self.folder, "valid"))
        return run, self.caplog.messages


class Training(WithFaces):
    def test_it_learns_and_looks_at_validation_when_asked(self):
        config = copy.deepcopy(CONFIG)
        config["train"]["epochs"] = 9
        run, lines = self.run_of("run", config)
        assert [line.split()[1] for line in lines] == ["1", "3", "5", "7", "8"]
        assert run.best > 0.9
        net, _ = checkpoint.load(self.folder / "run" / "best.pt")
        assert not net.training

    def test_an_interrupted_run_ends_as_one_that_was_not(self):
        whole, _ = self.run_of("whole")
        self.run_of("halves", stop=5)
        halves, _ = self.run_of("halves")
        assert (whole.step, halves.step) == (12, 12)
        for a, b in zip(*(run.average.net.state_dict().values() for run in (whole, halves)), strict=True):
            torch.testing.assert_close(a, b)

    def test_the_clock_ends_a_run_as_well(self):
        config = copy.deepcopy(CONFIG)
        config["train"]["minutes"] = 1e-9
        run, lines = self.run_of("run", config)
        assert (run.step, len(lines)) == (1, 1)

    def test_whole_batches_in_bf16_as_on_a_gpu(self):
        with (
            mock.patch.object(devices, "has_bf16", return_value=True),
            mock.patch.object(devices, "micro_batch", side_effect=lambda _device, batch: batch),
        ):
            run, lines = self.run_of("run")
        assert run.bf16
        assert "accuracy" in lines[0]

    def test_a_teacher_predicts_the_face_and_its_mirror_image(self):
        self.run_of("teacher")
        network = checkpoint.load(self.folder / "teacher" / "best.pt")
        faces = ferplus.load(self.folder, "train")
        with contextlib.redirect_stderr(io.StringIO()):
            taught = distill.targets(faces, [network], CPU, 0.5)
        np.testing.assert_allclose(taught[0].sum(1), np.ones(len(faces)), rtol=1e-5)
        chosen = taught[0][np.arange(len(faces)), faces.label]
        assert (chosen > 0.5).all()
        assert (taught[0] > 0).all()
        mirrored = ferplus.Faces.from_votes(faces.images[:, :, ::-1].copy(), faces.target)
        with contextlib.redirect_stderr(io.StringIO()):
            again = distill.targets(mirrored, [network, network], CPU, 0.5)
        for one, other in zip(taught, again, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)

    def test_a_teacher_predicts_every_batch_of_its_student(self):
        self.run_of("teacher")
        network, config = checkpoint.load(self.folder / "teacher" / "best.pt")
        faces = ferplus.load(self.folder, "train")
        predict = inference.mirrored(inference.predictor(network, config))
        outputs = torch.from_numpy(predict(faces.images))
        expected = torch.cat([outputs[:, :8].softmax(1), outputs[:, 8:]], 1)
        online = distill.Online([(network, config)] * 2, CPU, 16)
        predicted = online(torch.from_numpy(faces.images).unsqueeze(1).float() / 255)
        torch.testing.assert_close(predicted, expected, atol=0.02, rtol=0)
        student = train.Run(CONFIG | {"teacher": {"weight": 0.7}}, self.folder, CPU)
        path = self.folder / "teacher" / "best.pt"
        with contextlib.redirect_stderr(io.StringIO()):
            student.teach(faces, [path], [path])
            student.train(faces, ferplus.load(self.folder, "valid"))
        assert student.online_share == 0.35
        assert student.best > 0.5

    def test_checkpoints_are_averaged_by_their_shares(self):
        self.run_of("run")
        paths = [self.folder / "run" / name for name in ("best.pt", "last.pt")]
        one = torch.load(paths[0], weights_only=True)
        for value in one["average"].values():
            if value.is_floating_point():
                value += 1
        torch.save(one, paths[0])
        mean, config = average.averaged(paths, (0.25, 0.75))
        assert config["name"] == CONFIG["name"]
        states = [torch.load(path, weights_only=True)["average"] for path in paths]
        for name, value in mean.items():
            if value.is_floating_point():
                expected = torch.lerp(*(state[name].double() for state in states), 0.75)
                torch.testing.assert_close(value.double(), expected, atol=1e-6, rtol=1e-5)
        other = copy.deepcopy(CONFIG)
        other["model"] |= {"size": 32, "partition": 4}
        self.run_of("large", other)
        with pytest.raises(InvalidInput, match="not a network of the same shape"):
            average.averaged([paths[0], self.folder / "large" / "best.pt"], (0.5, 0.5))
        for shares in ([0.5, 0.6], [1.5, -0.5], [1.0]):
            with pytest.raises(SystemExit):
                average.main(["--checkpoint", *map(str, paths), "--share", *map(str, shares), "--out", "x"])

    def test_the_shares_of_stored_and_online_predictions(self):
        for stored, online in ((2, 0), (0, 1), (1, 2)):
            first, last = distill.shares(0.6, stored, online)
            votes, stored_share = (1 - last) * (1 - first), (1 - last) * first
            assert votes == pytest.approx(0.4)
            assert stored_share == pytest.approx(0.6 * stored / (stored + online))

    def test_weights_of_a_smaller_input_start_a_larger_one(self):
        self.run_of("small")
        config = copy.deepcopy(CONFIG)
        config["model"] |= {"size": 32, "partition": 4}
        run = train.Run(config, self.folder, CPU)
        run.start_from(self.folder / "small" / "best.pt", None)
        name = "blocks.0.layers.0.layers.window_attention.attn_layer.1.relative_position_bias_table"
        small = checkpoint.load(self.folder / "small" / "best.pt")[0].get_parameter(name)
        large = run.net.get_parameter(name)
        assert (small.shape, large.shape) == ((25, 2), (49, 2))
        # The corners and the centre are the same offsets relative to the partition's size.
        torch.testing.assert_close(large[[0, 6, 24, 42, 48]], small[[0, 4, 12, 20, 24]])
        # It already classifies the faces, which differ by their halves at any size.
        valid = ferplus.load(self.folder, "valid")
        outputs = inference.predictor(run.average.net, config)(valid.images)
        assert (outputs[:, :8].argmax(1) == valid.label).mean() > 0.8

    def test_a_compiler_that_fails_leaves_the_run_as_it_was(self):
        run = train.Run(CONFIG, self.folder, CPU)
        before = copy.deepcopy(run.net.state_dict())

        def broken(net):
            return lambda x: net(x) / object()

        with mock.patch.object(torch, "compile", broken), self.caplog.at_level("WARNING"):
            run.compile()
        assert "not compiled" in self.caplog.text
        assert run.forward is run.net
        for name, value in run.net.state_dict().items():
            torch.testing.assert_close(value, before[name])

    def test_a_compiled_network_is_used_and_gives_the_same(self):
        run = train.Run(CONFIG, self.folder, CPU)
        compiled = torch.compile(run.net, backend="aot_eager")
        with mock.patch.object(torch, "compile", return_value=compiled):
            run.compile()
        assert run.forward is compiled
        faces = torch.randn(4, 1, 24, 24)
        run.net.eval()
        with torch.no_grad():
            torch.testing.assert_close(run.forward(faces), run.net(faces))


class Exporting(WithFaces):
    def test_an_exported_model_trains_on(self):
        self.run_of("run")
        net, config = checkpoint.load(self.folder / "run" / "best.pt")
        path = self.folder / "tiny.onnx"
        with contextlib.redirect_stderr(io.StringIO()):
            graph = export.write(deploy.folded(net), torch.zeros(1, 1, 24, 24), path)
        quantize.quantize(graph)
        onnx.save(graph, path)

        valid = ferplus.load(self.folder, "valid").images
        loaded = from_onnx.load(path, config, valid)
        # With optimizations, ONNX Runtime would quantize activations as well.
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        exported = inference.onnx_predictor(onnxruntime.InferenceSession(path, options), config)(valid)
        np.testing.assert_allclose(inference.predictor(loaded, config)(valid), exported, atol=1e-4)
        # The filters before batch norms have the scale of freshly initialized ones.
        for module in loaded.modules():
            if isinstance(module, torch.nn.Conv2d) and module.bias is None:
                size = module.weight.detach().square().mean().sqrt() / (2 / module.weight[0].numel()) ** 0.5
                assert float(size) == pytest.approx(1, abs=1e-3)

        run = train.Run(config, self.folder / "run", CPU)
        faces = ferplus.load(self.folder, "train")
        run.start_from(path, faces)
        np.testing.assert_allclose(inference.predictor(run.average.net, config)(valid), exported, atol=1e-3)

        with contextlib.redirect_stderr(io.StringIO()):
            networks = [train.trained(one, config, faces) for one in (path, run.out / "best.pt")]
            targets = [distill.targets(faces, [network], CPU, 1) for network in networks]
        # They differ by the int8 quantization.
        for exported, plain in zip(*targets, strict=True):
            np.testing.assert_allclose(exported, plain, atol=0.03)


class Splits(WithFaces):
    def test_any_split_becomes_pictures_and_a_table(self):
        out = self.folder / "faces"
        images.main(["--data", str(self.folder), "--split", "third", "--out", str(out)])
        lines = (out / "third.csv").read_text().splitlines()
        assert len(lines) == 31
        assert lines[0].startswith("path,category,valence,arousal,votes_neutral,")
        name, category, valence, _, *votes = lines[1].split(",")
        assert len(votes) == len(ferplus.CHOICES)
        third = ferplus.load(self.folder, "third")
        assert (np.asarray(Image.open(out / name)) == third.images[0]).all()
        assert category == ferplus.CATEGORIES[third.label[0]]
        assert valence in ("0.6700", "-0.6300")


class Augmenting(unittest.TestCase):
    def test_mixing_keeps_sums_and_the_larger_part(self):
        torch.manual_seed(0)
        target = torch.eye(8).repeat(4, 1)
        x, mixed = augment.mix(0.4, torch.rand(32, 1, 6, 6), target)
        torch.testing.assert_close(mixed.sum(1), torch.ones(32))
        assert ((mixed * target).sum(1) >= 0.5 - 1e-06).all()
        assert (mixed.max(1).values < 1).any()
        assert x.shape == (32, 1, 6, 6)
        same = augment.mix(0.0, target)
        assert same[0] is target

    def test_faces_keep_their_range_at_any_size(self):
        torch.manual_seed(0)
        faces = augment.Augment(CONFIG["augment"])(torch.rand(16, 1, 48, 48), 64)
        assert faces.shape == (16, 1, 64, 64)
        assert ((faces >= 0) & (faces <= 1)).all()
