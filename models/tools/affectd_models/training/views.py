"""Store the predictions of teachers for fixed augmented views of the training faces.

    affectd-models views --config configs/NAME.toml --data DIR --out VIEWS --teacher RUN/best.pt…

VIEWS/images.npy holds the views, and VIEWS/NAME.npy the predictions of the teacher RUN (eight probabilities,
valence and arousal, averaged over a view and its mirror image). The configuration is the student's: its
[augment] table defines the views, at its input size. The command can be repeated with more teachers, and
resumes after an interruption, because each view is stored as a whole.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float16, Float32, UInt8
from torch import nn
from tqdm import tqdm

from affectd_models import config as configuration
from affectd_models.config import Config
from affectd_models.errors import InvalidInput
from affectd_models.faces import ferplus
from affectd_models.faces.ferplus import Faces
from affectd_models.training import checkpoint, distill, inference
from affectd_models.training.augment import Augment

log = logging.getLogger(__name__)

BATCH = 256


def main(argv: Sequence[str] | None = None) -> None:
    """Make the views that are missing, and store the predictions that are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="the student's configuration")
    parser.add_argument("--data", type=Path, required=True, help="folder of the FER+ sheets and votes")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--views", type=int, default=8, help="views of each face")
    parser.add_argument("--teacher", type=Path, nargs="+", required=True, help="checkpoints, RUN/best.pt")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    if args.views < 1:
        parser.error(f"--views is {args.views}; at least 1 is expected")
    names = [path.parent.name for path in args.teacher]
    if len(set(names)) < len(names) or not all(names):
        parser.error("teachers are named by the folder of their checkpoint, and two have the same name")
    torch.set_num_threads(args.threads)

    config = configuration.load(args.config)
    faces, _ = ferplus.split_holdout(ferplus.load(args.data, "train"), config["data"]["holdout"])
    args.out.mkdir(parents=True, exist_ok=True)
    check_origin(args.out, config, faces, args.views)
    images = make_images(args.out / "images.npy", config, faces, args.views)
    for name, path in zip(names, args.teacher, strict=True):
        net, own = checkpoint.load(path)
        store_predictions(args.out / f"{name}.npy", net, own, images)


def check_origin(folder: Path, config: Config, faces: Faces, count: int) -> None:
    """Refuse a folder with views of other faces or from another augmentation."""
    origin = {
        "faces": digest(faces),
        "views": count,
        "seed": config["seed"],
        "size": config["model"]["size"],
        "augment": dict(config["augment"]),
    }
    path = folder / "views.json"
    if path.exists() and json.loads(path.read_text()) != origin:
        raise InvalidInput(f"{path}: these views are of other faces or from another configuration")
    path.write_text(json.dumps(origin, indent=2) + "\n")


def digest(faces: Faces) -> str:
    """The SHA-256 of the pictures, by which views are known to be of the same faces."""
    return hashlib.sha256(faces.images.tobytes()).hexdigest()


def make_images(
    path: Path, config: Config, faces: Faces, count: int
) -> UInt8[np.ndarray, "views n size size"]:
    """The augmented views, read from the file if it exists."""
    if path.exists():
        return np.load(path, mmap_mode="c")
    size = config["model"]["size"]
    augment = Augment(config["augment"])
    partial = path.with_suffix(".new")
    images = np.lib.format.open_memmap(partial, "w+", np.uint8, (count, len(faces), size, size))
    generator_state = torch.get_rng_state()
    for view in tqdm(range(count), "views", ncols=100):
        torch.manual_seed(config["seed"] * 1000 + view)
        for start in range(0, len(faces), BATCH):
            batch = torch.from_numpy(faces.images[start : start + BATCH]).unsqueeze(1).float() / 255
            augmented = (augment(batch, size).clamp(0, 1) * 255).round().byte()
            images[view, start : start + BATCH] = augmented[:, 0].numpy()
    torch.set_rng_state(generator_state)
    images.flush()
    partial.replace(path)
    return images


def store_predictions(
    path: Path, net: nn.Module, config: Config, images: UInt8[np.ndarray, "views n size size"]
) -> None:
    """Store a teacher's predictions for the views; those that the file already holds are kept."""
    stored: list[Float16[np.ndarray, "n 10"]] = list(np.load(path)) if path.exists() else []
    predict = inference.mirrored(inference.predictor(net.to(memory_format=torch.channels_last), config, True))
    for view in tqdm(range(len(stored), len(images)), path.stem, ncols=100):
        outputs = torch.from_numpy(predict(np.ascontiguousarray(images[view])))
        stored.append(inference.probabilities(outputs).numpy().astype(np.float16))
        partial = path.with_suffix(".new")
        with partial.open("wb") as file:
            np.save(file, np.stack(stored))
        partial.replace(path)


@dataclass
class Views:
    """Stored views, and the mean prediction of their teachers."""

    images: UInt8[np.ndarray, "views n size size"]
    # Eight probabilities, valence and arousal.
    prediction: Float32[np.ndarray, "views n 10"]

    @classmethod
    def load(cls, folder: Path, faces: Faces, config: Config) -> Views:
        """The views of the training faces in a folder, with all teachers that are stored there."""
        try:
            origin: dict[str, Any] = json.loads((folder / "views.json").read_text())
        except json.JSONDecodeError as error:
            raise InvalidInput(f"{folder}/views.json: {error}") from error
        if origin["faces"] != digest(faces):
            raise InvalidInput(f"{folder}: these views are of other faces than the training's")
        if origin["size"] != config["model"]["size"]:
            raise InvalidInput(f"{folder}: views of {origin['size']} pixels; the network takes another size")
        images = np.load(folder / "images.npy", mmap_mode="c")
        paths = sorted(path for path in folder.glob("*.npy") if path.name != "images.npy")
        predictions = [np.load(path) for path in paths]
        if not predictions or any(len(prediction) != len(images) for prediction in predictions):
            raise InvalidInput(f"{folder}: no teacher, or one without all {len(images)} views")
        log.info("teachers: %s", ", ".join(path.stem for path in paths))
        return cls(images, np.mean([prediction.astype(np.float32) for prediction in predictions], 0))

    def blend(
        self, view: int, faces: Faces, weight: float
    ) -> tuple[UInt8[np.ndarray, "n size size"], Float32[np.ndarray, "n 8"], Float32[np.ndarray, "n 2"]]:
        """(one view of each face, and its targets: the votes, blended with the teachers' prediction).

        The share of the prediction is `weight`.
        """
        target, va = distill.blend(faces, self.prediction[view], weight)
        return np.ascontiguousarray(self.images[view]), target, va
