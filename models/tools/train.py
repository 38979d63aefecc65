"""Train a network as its configuration says; run again with the same --out to carry on.

    python models/tools/train.py --config models/tools/configs/NAME.toml --data DIR --out DIR
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

import device
import ferplus
import metrics
import model
import runner
import unpack
from augment import Augment
from ema import Average
from muon import Muon

SAVE_SECONDS = 180
PART = 64  # faces whose activations are alive at once: more fall out of the caches
MEASURED = 2000  # faces that give a packed model its batch norms back


def main():
    """Parse the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of the FER+ sheets and votes")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run's checkpoints")
    parser.add_argument("--init", type=Path, help="checkpoint whose averaged weights a fresh run starts from")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    config = tomllib.loads(args.config.read_text())
    run = Run(config, args.out)
    if (args.out / "last.pt").exists():
        run.resume()
    faces = ferplus.load(args.data, "train")
    faces, _ = ferplus.split_holdout(faces, config["data"]["holdout"])
    if args.init and not (args.out / "last.pt").exists():
        run.start_from(args.init, faces)
    run.train(faces, ferplus.load(args.data, "valid"))


class Run:
    """The state of one training run and the loop over it."""

    def __init__(self, config, out):
        torch.manual_seed(config["seed"])
        self.config, self.out = config, out
        self.net = model.build(config["model"]).to(memory_format=torch.channels_last)
        self.average = Average(self.net, config["train"]["ema"])
        self.optimizers = optimizers(self.net, config["train"])
        self.augment = Augment(config["augment"])
        self.bf16 = device.has_bf16(torch.device("cpu"))
        self.step, self.seconds, self.best = 0, 0.0, 0.0

    def train(self, faces, valid):
        """Epochs over `faces` until the schedule ends, each followed by a look at `valid`."""
        steps_per_epoch = len(faces) // self.config["train"]["batch"]
        self.last_step = steps_per_epoch * self.config["train"]["epochs"]
        while self.progress() < 1:
            epoch = self.step // steps_per_epoch
            self.one_epoch(faces, epoch, steps_per_epoch)
            self.validate(valid, epoch)

    def one_epoch(self, faces, epoch, steps_per_epoch):
        """The rest of `epoch`, in an order that depends on the seed and the epoch alone."""
        order = torch.Generator().manual_seed(self.config["seed"] * 1000 + epoch)
        order = torch.randperm(len(faces), generator=order)
        images = torch.from_numpy(faces.images)
        targets = torch.from_numpy(faces.target), torch.from_numpy(faces.va)
        batch = self.config["train"]["batch"]
        first = self.step % steps_per_epoch
        bar = tqdm(range(first, steps_per_epoch), f"epoch {epoch}", mininterval=20, ncols=100)
        begun = saved = time.monotonic()
        seen = 0.0
        self.net.train()
        for i in bar:
            chosen = order[i * batch : (i + 1) * batch]
            loss = self.one_step(images[chosen], *(t[chosen] for t in targets))
            now = time.monotonic()
            self.seconds += now - begun
            begun = now
            seen = loss if seen == 0 else seen + 0.02 * (loss - seen)
            bar.set_postfix(loss=f"{seen:.3f}", progress=f"{self.progress():.2f}", refresh=False)
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
        x = self.augment(images.unsqueeze(1).float() / 255, self.config["model"]["size"])
        x = ((x - data["mean"]) / data["std"]).to(memory_format=torch.channels_last)
        total = 0.0
        parts = [part.split(PART) for part in (x, target, va)]
        for part in zip(*parts):
            loss = self.loss(*part) * (len(part[0]) / len(x))
            loss.backward()
            total += float(loss.detach())
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.average.update(self.net)
        self.step += 1
        return total

    def loss(self, x, target, va):
        """Cross-entropy with the votes plus the square error of valence and arousal."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            y = self.net(x)
        y = y.float()
        categories = F.cross_entropy(y[:, : target.shape[1]], target)
        return categories + self.config["train"]["va_weight"] * F.mse_loss(y[:, target.shape[1] :], va)

    def progress(self):
        """Share of the schedule done, by steps or by the clock, whichever is further."""
        return max(self.step / self.last_step, self.seconds / (60 * self.config["train"]["minutes"]))

    def validate(self, valid, epoch):
        """Print the averaged network's figures and keep it if it is the best so far."""
        outputs = runner.predict(self.average.net, valid.images, self.config, autocast=self.bf16)
        figures = metrics.summary(outputs, valid)
        text = "  ".join(f"{name} {value:.4f}" for name, value in figures.items() if name != "n")
        print(f"epoch {epoch}  step {self.step}  minutes {self.seconds / 60:.1f}  {text}", flush=True)
        if figures["accuracy"] > self.best:
            self.best = figures["accuracy"]
            self.save("best.pt")
        self.save("last.pt")

    def save(self, name):
        """Write a checkpoint whole or not at all."""
        state = {
            "config": self.config,
            "net": self.net.state_dict(),
            "average": self.average.net.state_dict(),
            "average_steps": self.average.steps,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "random": torch.get_rng_state(),
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
        }
        torch.save(state, self.out / f"{name}.new")
        os.replace(self.out / f"{name}.new", self.out / name)

    def resume(self):
        """Carry on from last.pt."""
        state = torch.load(self.out / "last.pt", weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average.net.load_state_dict(state["average"])
        self.average.steps = state["average_steps"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        torch.set_rng_state(state["random"])
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]

    def start_from(self, path, faces):
        """Take over the averaged weights of another run's checkpoint, or those of a packed model."""
        if path.suffix == ".onnx":
            some = faces.images[:: max(1, len(faces) // MEASURED)]
            weights = unpack.load(path, self.config, some).state_dict()
        else:
            weights = torch.load(path, weights_only=True)["average"]
        self.net.load_state_dict(weights)
        self.average.net.load_state_dict(weights)


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
