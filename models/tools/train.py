"""Train a network as its configuration says; run again with the same --out to carry on.

    python models/tools/train.py --config models/tools/configs/NAME.toml --data DIR --out DIR

A GPU is used where there is one. A configuration with a [teacher] table needs --teacher.
"""

import argparse
import math
import os
import time
import tomllib
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

import checkpoint
import device
import ferplus
import metrics
import model
import runner
import teacher
import unpack
from augment import Augment, mix
from ema import Average
from muon import Muon

SAVE_SECONDS = 180
SHOWN = 10  # steps between two looks at the loss, which a GPU must be waited for
MEASURED = 2000  # faces that give a packed model its batch norms back


def main():
    """Parse the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of the FER+ sheets and votes")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run's checkpoints")
    parser.add_argument("--init", type=Path, help="checkpoint or packed model whose weights a fresh run starts from")
    parser.add_argument(
        "--teacher", type=Path, nargs="+", help="checkpoints, or a packed model, whose answers are learnt as well"
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, …; default: a GPU where there is one")
    parser.add_argument("--compile", action="store_true", help="compile the network first: minutes, worth it on a GPU")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    config = tomllib.loads(args.config.read_text())
    if ("teacher" in config) != (args.teacher is not None):
        parser.error("a configuration with a [teacher] table needs --teacher, and no other takes one")
    place = device.pick(args.device)
    run = Run(config, args.out, place)
    faces = ferplus.load(args.data, "train")
    faces, _ = ferplus.split_holdout(faces, config["data"]["holdout"])
    if (args.out / "last.pt").exists():
        run.resume()
    elif args.init:
        run.start_from(args.init, faces)
    if args.compile:
        run.compile()
    if args.teacher:
        teachers = [trained(path, config, faces) for path in args.teacher]
        faces.target, faces.va = teacher.advise(faces, teachers, place, config["teacher"]["weight"])
    run.train(faces, ferplus.load(args.data, "valid"))


class Run:
    """The state of one training run and the loop over it."""

    def __init__(self, config, out, place):
        torch.manual_seed(config["seed"])
        self.config, self.out, self.device = config, out, place
        self.net = model.build(config["model"]).to(place, memory_format=torch.channels_last)
        self.forward = self.net
        self.average = Average(self.net, config["train"]["ema"])
        self.optimizers = optimizers(self.net, config["train"])
        self.augment = Augment(config["augment"])
        self.part = device.part(place, config["train"]["batch"])
        self.bf16 = device.has_bf16(place)
        self.step, self.seconds, self.best = 0, 0.0, 0.0

    def compile(self):
        """Compile the network's passes, or go on without where that fails."""
        compiled = torch.compile(self.net)
        size = self.config["model"]["size"]
        face = torch.zeros(self.part, 1, size, size, device=self.device)
        states = device.random_state(self.device)
        kept = {name: value.clone() for name, value in self.net.named_buffers()}
        self.net.train()
        try:
            with self.autocast():
                compiled(face.to(memory_format=torch.channels_last)).float().sum().backward()
            self.forward = compiled
        except Exception as error:  # A compiler that is missing or broken fails with anything.
            print(f"not compiled: {error}", flush=True)
        # The trial must leave no trace.
        self.net.zero_grad(set_to_none=True)
        for name, value in self.net.named_buffers():
            value.copy_(kept[name])
        device.set_random_state(self.device, states)

    def autocast(self):
        """bf16 where that is fast."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def train(self, faces, valid):
        """Epochs over `faces` until the schedule ends, looking at `valid` every few of them and at the end."""
        train = self.config["train"]
        steps_per_epoch = len(faces) // train["batch"]
        self.last_step = steps_per_epoch * train["epochs"]
        data = [torch.from_numpy(part).to(self.device) for part in (faces.images, faces.target, faces.va)]
        while self.progress() < 1:
            epoch = self.step // steps_per_epoch
            self.one_epoch(data, epoch, steps_per_epoch)
            if (epoch + 1) % train["validate_every"] == 0 or self.progress() >= 1:
                self.validate(valid, epoch)

    def one_epoch(self, data, epoch, steps_per_epoch):
        """The rest of `epoch`, in an order that depends on the seed and the epoch alone."""
        order = torch.Generator().manual_seed(self.config["seed"] * 1000 + epoch)
        order = torch.randperm(len(data[0]), generator=order).to(self.device)
        batch = self.config["train"]["batch"]
        first = self.step % steps_per_epoch
        bar = tqdm(range(first, steps_per_epoch), f"epoch {epoch}", mininterval=20, ncols=100)
        begun = saved = time.monotonic()
        self.net.train()
        for i in bar:
            chosen = order[i * batch : (i + 1) * batch]
            loss = self.one_step(*(part[chosen] for part in data))
            if i % SHOWN == 0:
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

    def one_step(self, images, target, va):
        """One update from images u8 [N, 48, 48], target [N, 8], va [N, 2]; returns the loss."""
        train, data = self.config["train"], self.config["data"]
        rate = schedule(self.progress(), train["warmup"], train["decay"])
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = train["lr"] * rate
        with torch.no_grad():
            x = self.augment(images.unsqueeze(1).float() / 255, self.config["model"]["size"])
            x = (x - data["mean"]) / data["std"]
            x, target, va = mix(self.config["augment"]["mixup"], x, target, va)
            x = x.to(memory_format=torch.channels_last)
        total = torch.zeros((), device=self.device)
        parts = [part.split(self.part) for part in (x, target, va)]
        for part in zip(*parts):
            loss = self.loss(*part) * (len(part[0]) / len(x))
            loss.backward()
            total += loss.detach()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.average.update(self.net)
        self.step += 1
        return total

    def loss(self, x, target, va):
        """Cross-entropy with the votes plus the square error of valence and arousal."""
        with self.autocast():
            y = self.forward(x)
        y = y.float()
        categories = F.cross_entropy(y[:, : target.shape[1]], target)
        return categories + self.config["train"]["va_weight"] * F.mse_loss(y[:, target.shape[1] :], va)

    def progress(self):
        """Share of the schedule done, by steps or by the clock, whichever is further."""
        return max(self.step / self.last_step, self.seconds / (60 * self.config["train"]["minutes"]))

    def validate(self, valid, epoch):
        """Print the averaged network's figures and keep it if it is the best so far."""

        def predict(images):
            return runner.predict(self.average.net, images, self.config, autocast=True)

        outputs = runner.as_shown(predict, self.config["data"])(valid.images)
        figures = metrics.summary(outputs, valid)
        text = "  ".join(f"{name} {value:.4f}" for name, value in figures.items() if name != "n")
        print(f"epoch {epoch}  step {self.step}  minutes {self.seconds / 60:.1f}  {text}", flush=True)
        if figures["accuracy"] > self.best:
            self.best = figures["accuracy"]
            self.save("best.pt")
        self.save("last.pt")

    def save(self, name):
        """Write a checkpoint whole or not at all."""
        # What is measured and packed later needs the averaged weights alone.
        state = {"config": self.config, "average": self.average.net.state_dict()}
        if name == "last.pt":
            state |= {
                "net": self.net.state_dict(),
                "average_steps": self.average.steps,
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "random": device.random_state(self.device),
                "step": self.step,
                "seconds": self.seconds,
                "best": self.best,
            }
        torch.save(state, self.out / f"{name}.new")
        os.replace(self.out / f"{name}.new", self.out / name)

    def resume(self):
        """Carry on from last.pt, whatever device it was written on."""
        state = torch.load(self.out / "last.pt", map_location="cpu", weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average.net.load_state_dict(state["average"])
        self.average.steps = state["average_steps"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        device.set_random_state(self.device, state["random"])
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]

    def start_from(self, path, faces):
        """Take over the averaged weights of another run's checkpoint, or those of a packed model.

        A checkpoint may be of a network with another input size.
        """
        net, _ = trained(path, self.config, faces)
        weights = model.resized(net.state_dict(), self.net)
        self.net.load_state_dict(weights)
        self.average.net.load_state_dict(weights)


def trained(path, config, faces):
    """The network of a checkpoint and its configuration, or that of a packed model, whose configuration is `config`.

    A packed model gets its batch norms back on some of the `faces`.
    """
    if path.suffix != ".onnx":
        return checkpoint.load(path)
    return unpack.load(path, config, faces.images[:: max(1, len(faces) // MEASURED)]), config


def optimizers(net, train):
    """Muon for matrices, AdamW for depthwise filters, tables, norms, biases and the last layer."""
    matrices, others, plain = [], [], []
    last = net.classifier[-1].weight
    for module in net.modules():
        for name, weight in module.named_parameters(recurse=False):
            is_matrix = isinstance(module, (nn.Linear, nn.Conv2d)) and name == "weight"
            if is_matrix and weight is not last and min(weight.flatten(1).shape) > 9:
                matrices.append(weight)
            elif is_matrix:
                others.append(weight)
            else:
                plain.append(weight)
    decay = train["weight_decay"]
    adam = [{"params": others, "weight_decay": decay}, {"params": plain, "weight_decay": 0.0}]
    return [
        Muon(matrices, train["lr"], train["momentum"], decay),
        torch.optim.AdamW(adam, train["lr"], betas=(0.9, 0.98)),
    ]


def schedule(progress, warmup, decay):
    """Learning rate factor: a linear rise, a plateau, a cosine fall to zero."""
    if progress < warmup:
        return (progress + 1e-3) / (warmup + 1e-3)
    left = (1 - progress) / decay
    return 1.0 if left >= 1 else 0.5 - 0.5 * math.cos(math.pi * max(0.0, left))


if __name__ == "__main__":
    main()
