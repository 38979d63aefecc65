"""Train a network by a configuration; run it again with the same --out to resume.

    affectd-models train --config configs/NAME.toml --data DIR --out RUN

A GPU is used if there is one. A configuration with a [teacher] table needs --teacher, --views or --online.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Int, UInt8
from torch import Tensor, nn
from tqdm import tqdm

from affectd_models import config as configuration
from affectd_models.config import Config
from affectd_models.errors import InvalidInput
from affectd_models.faces import ferplus
from affectd_models.faces.ferplus import CLASSES, OUTPUTS, Faces
from affectd_models.measure import metrics
from affectd_models.network import dlib_face, from_onnx, maxvit
from affectd_models.network.build import build
from affectd_models.training import checkpoint, devices, distill, inference, optimizers, sampling
from affectd_models.training.augment import Augment, mirror, mix
from affectd_models.training.ema import Average
from affectd_models.training.views import Views

log = logging.getLogger(__name__)

SAVE_SECONDS = 180
LOSS_EVERY = 10  # steps between two readings of the loss, each of which waits for a GPU
DLIB_STATISTICS_FACES = 500  # faces that dlib's batch norms are measured on, all in one batch
STATISTICS_FACES = 2000  # faces that the batch norms of a shipped model are measured on


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of the FER+ sheets and votes")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run's checkpoints")
    parser.add_argument(
        "--init",
        type=Path,
        help="checkpoint, shipped ONNX file or dlib network (.dat) that a new run starts from",
    )
    parser.add_argument("--teacher", type=Path, nargs="+", help="checkpoints or shipped ONNX files to distil")
    parser.add_argument(
        "--online", type=Path, nargs="+", help="checkpoints that predict every augmented batch"
    )
    parser.add_argument("--views", type=Path, help="folder of `affectd-models views`, to distil from")
    parser.add_argument(
        "--device", default="auto", help="cpu, cuda, cuda:1, …; default: a GPU if there is one"
    )
    parser.add_argument(
        "--compile", action="store_true", help="compile the network first, which takes minutes"
    )
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(argv)

    config = configuration.load(args.config)
    if args.views and (args.teacher or args.online):
        parser.error("--views has all teachers; --teacher and --online cannot be added")
    if ("teacher" in config) != bool(args.views or args.teacher or args.online):
        parser.error("a [teacher] table needs --teacher, --online or --views, which need a [teacher] table")
    if args.threads < 1:
        parser.error(f"--threads is {args.threads}; at least 1 is expected")
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    run = Run(config, args.out, devices.pick(args.device))
    faces = ferplus.load(args.data, "train")
    faces, _ = ferplus.split_holdout(faces, config["data"]["holdout"])
    if (args.out / "last.pt").exists():
        run.resume()
    elif args.init:
        run.start_from(args.init, faces)
    if args.compile:
        run.compile()
    if "teacher" in config and args.views:
        run.views = Views.load(args.views, faces, config)
    elif "teacher" in config:
        run.teach(faces, args.teacher or [], args.online or [])
    run.train(faces, ferplus.load(args.data, "valid"))


class Run:
    """The state of one training run, and its loop."""

    def __init__(self, config: Config, out: Path, device: torch.device) -> None:
        torch.manual_seed(config["seed"])
        self.config, self.out, self.device = config, out, device
        self.net = build(config["model"]).to(device, memory_format=torch.channels_last)
        self.forward = self.net
        self.average = Average(self.net, config["train"]["ema"])
        self.optimizers = optimizers.build(self.net, config["train"])
        self.augment = Augment(config["augment"])
        self.micro_batch = devices.micro_batch(device, config["train"]["batch"])
        self.bf16 = devices.has_bf16(device)
        self.step, self.seconds, self.best = 0, 0.0, 0.0
        self.last_step = 0
        self.views: Views | None = None
        self.online: distill.Online | None = None
        self.online_share = 0.0
        self.log_prior = torch.zeros(CLASSES, device=device)

    def compile(self) -> None:
        """Compile the network, or continue without compilation if that fails."""
        compiled = torch.compile(self.net)
        size = self.config["model"]["size"]
        face = torch.zeros(self.micro_batch, 1, size, size, device=self.device)
        states = devices.random_state(self.device)
        kept = {name: value.clone() for name, value in self.net.named_buffers()}
        self.net.train()
        try:
            with self.autocast():
                compiled(face.to(memory_format=torch.channels_last)).float().sum().backward()
            self.forward = compiled
        except Exception as error:  # noqa: BLE001  A missing or broken compiler can raise anything.
            log.warning("not compiled: %s", error)
        # Undo what the trial changed.
        self.net.zero_grad(set_to_none=True)
        for name, value in self.net.named_buffers():
            value.copy_(kept[name])
        devices.set_random_state(self.device, states)

    def teach(self, faces: Faces, stored: Sequence[Path], online: Sequence[Path]) -> None:
        """Blend the targets of `faces` with predictions of `stored`, and let `online` predict every batch."""
        weight = self.config["teacher"]["weight"]
        stored_share, self.online_share = distill.shares(weight, len(stored), len(online))
        if online:
            networks = [trained(path, self.config, faces) for path in online]
            self.online = distill.Online(networks, self.device, self.micro_batch)
        if stored:
            teachers = [trained(path, self.config, faces) for path in stored]
            faces.target, faces.va = distill.targets(faces, teachers, self.device, stored_share)

    def autocast(self) -> torch.autocast:
        """A context that computes in bf16 where that is fast."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def train(self, faces: Faces, valid: Faces) -> None:
        """Train on `faces` until the schedule ends, and validate on `valid` every few epochs."""
        train = self.config["train"]
        steps_per_epoch = len(faces) // train["batch"]
        self.last_step = steps_per_epoch * train["epochs"]
        share, shift = sampling.balance(faces.target, train.get("balance", 0.0))
        # Teachers do not see the votes that a face was drawn by, so their predictions need no correction.
        voted = 1 - self.config["teacher"]["weight"] if "teacher" in self.config else 1.0
        self.log_prior = torch.from_numpy(voted * shift).to(self.device)
        data = self.tensors((faces.images, faces.target, faces.va))
        while self.progress() < 1:
            epoch = self.step // steps_per_epoch
            if self.views is not None:
                view = epoch % len(self.views.images)
                data = self.tensors(self.views.blend(view, faces, self.config["teacher"]["weight"]))
            self.one_epoch(data, self.order(share, epoch), epoch, steps_per_epoch)
            if (epoch + 1) % train["validate_every"] == 0 or self.progress() >= 1:
                self.validate(valid, epoch)

    def tensors(self, arrays: Iterable[np.ndarray]) -> list[Tensor]:
        """The arrays as tensors on the run's device."""
        return [torch.from_numpy(array).to(self.device) for array in arrays]

    def order(self, share: Float32[np.ndarray, " n"], epoch: int) -> Int[Tensor, " n"]:
        """The faces of an epoch, given by seed and epoch alone: each once, or drawn by `share` if uneven."""
        generator = torch.Generator().manual_seed(self.config["seed"] * 1000 + epoch)
        if np.ptp(share) == 0:
            return torch.randperm(len(share), generator=generator).to(self.device)
        drawn = torch.multinomial(torch.from_numpy(share), len(share), replacement=True, generator=generator)
        return drawn.to(self.device)

    def one_epoch(
        self, data: list[Tensor], order: Int[Tensor, " n"], epoch: int, steps_per_epoch: int
    ) -> None:
        """Train on the rest of the epoch, with the faces in this order."""
        batch = self.config["train"]["batch"]
        first = self.step % steps_per_epoch
        bar = tqdm(range(first, steps_per_epoch), f"epoch {epoch}", mininterval=20, ncols=100)
        begun = saved = time.monotonic()
        self.net.train()
        for i in bar:
            chosen = order[i * batch : (i + 1) * batch]
            images, target, va = (tensor[chosen] for tensor in data)
            loss = self.one_step(images, target, va)
            if i % LOSS_EVERY == 0:
                shown = f"{float(loss):.3f}"
                bar.set_postfix(loss=shown, progress=f"{self.progress():.2f}", refresh=False)
            now = time.monotonic()
            self.seconds += now - begun
            begun = now
            if now - saved > SAVE_SECONDS:
                self.save("last.pt")
                saved = now
            if self.progress() >= 1:
                break

    def one_step(
        self, images: UInt8[Tensor, "n h h"], target: Float[Tensor, "n 8"], va: Float[Tensor, "n 2"]
    ) -> Float[Tensor, ""]:
        """One update of the weights; returns the loss."""
        train, data = self.config["train"], self.config["data"]
        rate = optimizers.schedule(self.progress(), train["warmup"], train["decay"])
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = train["lr"] * rate
        with torch.no_grad():
            x = images.unsqueeze(1).float() / 255
            # Views are already augmented, and their targets are those of their mirror images too.
            x = self.augment(x, self.config["model"]["size"]) if self.views is None else mirror(x)
            x, target, va = mix(self.config["augment"]["mixup"], x, target, va)
            if self.online is not None:
                prediction = self.online(x)
                target = target.lerp(prediction[:, :CLASSES], self.online_share)
                va = va.lerp(prediction[:, CLASSES:], self.online_share)
            x = (x - data["mean"]) / data["std"]
            x = x.to(memory_format=torch.channels_last)
        total = torch.zeros((), device=self.device)
        micro_batches = (tensor.split(self.micro_batch) for tensor in (x, target, va))
        for micro_x, micro_target, micro_va in zip(*micro_batches, strict=True):
            loss = self.loss(micro_x, micro_target, micro_va) * (len(micro_x) / len(x))
            loss.backward()
            total += loss.detach()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.average.update(self.net)
        self.step += 1
        return total

    def loss(
        self, x: Float[Tensor, "n 1 size size"], target: Float[Tensor, "n 8"], va: Float[Tensor, "n 2"]
    ) -> Float[Tensor, ""]:
        """Cross-entropy with the targets, plus the square error of valence and arousal."""
        with self.autocast():
            y = self.forward(x)
        y = y.float()
        categories = F.cross_entropy(y[:, :CLASSES] + self.log_prior, target)
        return categories + self.config["train"]["va_weight"] * F.mse_loss(y[:, CLASSES:], va)

    def progress(self) -> float:
        """Completed share of the schedule, by steps or by the clock, whichever is larger."""
        return max(self.step / self.last_step, self.seconds / (60 * self.config["train"]["minutes"]))

    def validate(self, valid: Faces, epoch: int) -> None:
        """Log the averaged network's metrics, and save it if its accuracy is the best so far."""
        predict = inference.predictor(self.average.net, self.config, autocast=True)
        plain = metrics.summary(predict(valid.images), valid)
        outputs = inference.as_deployed(predict, self.config["data"])(valid.images)
        figures = metrics.summary(outputs, valid)
        figures["unmirrored"] = plain["accuracy"]
        text = "  ".join(f"{name} {value:.4f}" for name, value in figures.items() if name != "n")
        log.info("epoch %d  step %d  minutes %.1f  %s", epoch, self.step, self.seconds / 60, text)
        if figures["accuracy"] > self.best:
            self.best = figures["accuracy"]
            self.save("best.pt")
        self.save("last.pt")

    def save(self, name: str) -> None:
        """Write a checkpoint atomically."""
        # best.pt holds what evaluation and export need: the averaged weights.
        state = {"config": self.config, "average": self.average.net.state_dict()}
        if name == "last.pt":
            state |= {
                "net": self.net.state_dict(),
                "average_steps": self.average.steps,
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "random": devices.random_state(self.device),
                "step": self.step,
                "seconds": self.seconds,
                "best": self.best,
            }
        torch.save(state, self.out / f"{name}.new")
        (self.out / f"{name}.new").replace(self.out / name)

    def resume(self) -> None:
        """Continue from last.pt, whichever device it was written on."""
        state = torch.load(self.out / "last.pt", map_location="cpu", weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average.net.load_state_dict(state["average"])
        self.average.steps = state["average_steps"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        devices.set_random_state(self.device, state["random"])
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]

    def start_from(self, path: Path, faces: Faces) -> None:
        """Start with the averaged weights of another run's checkpoint, or with those of a shipped ONNX file.

        A checkpoint's network may have another input size. A .dat file is dlib's face recognition network.
        """
        if path.suffix == ".dat":
            weights = self.dlib_weights(path, faces)
        else:
            net, _ = trained(path, self.config, faces)
            weights = maxvit.resized(net.state_dict(), self.net)
        self.net.load_state_dict(weights)
        self.average.net.load_state_dict(weights)

    def dlib_weights(self, path: Path, faces: Faces) -> dict[str, Tensor]:
        """The weights of dlib's network, whose batch norms are measured on some of the `faces`."""
        if self.config["model"].get("family") != "dlib":
            raise InvalidInput(f"{path}: only a network of the family dlib starts from it")
        data, size = self.config["data"], self.config["model"]["size"]
        some = torch.from_numpy(faces.images[:: max(1, len(faces) // DLIB_STATISTICS_FACES)])
        torch.manual_seed(self.config["seed"])
        x = inference.prepare(some, size, data)
        weights: dict[str, Tensor] = dlib_face.with_batch_norms(
            path, x, OUTPUTS, data["mean"], data["std"]
        ).state_dict()
        return weights


def trained(path: Path, config: Config, faces: Faces) -> tuple[nn.Module, Config]:
    """The network and configuration of a checkpoint, or of a shipped ONNX file of the configuration `config`.

    The batch norms of an ONNX file's network are measured on some of the `faces`.
    """
    if path.suffix != ".onnx":
        return checkpoint.load(path)
    return from_onnx.load(path, config, faces.images[:: max(1, len(faces) // STATISTICS_FACES)]), config
