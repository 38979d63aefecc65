"""Convert a checkpoint of CAGE to a bundle.

    affectd-models import-cage model.pt --out DIR --name NAME

CAGE (Wagner et al., "CAGE: Circumplex Affect Guided Expression Inference", CVPR workshops 2024) trains
torchvision's maxvit_t with a last layer of 7 or 8 categories, of valence and arousal, or of both. The number
of outputs determines the variant:

     2  valence, arousal
     7  AffectNet-7 categories
     8  AffectNet-8 categories
     9  AffectNet-7 categories, valence, arousal
    10  AffectNet-8 categories, valence, arousal
"""

from __future__ import annotations

import argparse
import logging
import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
import torchvision
from jaxtyping import Float32
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from affectd_models.bundle import export, files, golden, quantize
from affectd_models.bundle.files import IMAGENET, Manifest
from affectd_models.errors import InvalidInput
from affectd_models.network import deploy

log = logging.getLogger(__name__)

State = dict[str, Tensor]
Outputs = list[Float32[np.ndarray, "1 outputs"]]  # one array for each face

SIZE = 224

# AffectNet's own numbering; AffectNet-7 leaves the last one out.
CATEGORIES = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]

# The last layer; the valence-arousal variant has a dropout before it.
LAST, LAST_AFTER_DROPOUT = "classifier.5.weight", "classifier.6.weight"

WRAPPERS = ("model_state_dict", "state_dict")

TOLERANCE = {"f32": 0.001, "int8-weights": 0.02}


@dataclass(frozen=True)
class Variant:
    """The meaning of the outputs: first the categories, then valence and arousal."""

    task: str
    classes: int

    @property
    def outputs(self) -> int:
        """The number of outputs."""
        return self.classes + (0 if self.task == "categories" else 2)

    def __str__(self) -> str:
        categories = [f"{self.classes} categories (AffectNet-{self.classes})"] if self.classes else []
        circumplex = [] if self.task == "categories" else ["valence", "arousal"]
        return ", ".join(categories + circumplex)

    def table(self) -> dict[str, Any]:
        """The manifest's [output] table."""
        table: dict[str, Any] = {}
        if self.classes:
            table["categories"] = CATEGORIES[: self.classes]
            table["logits"] = list(range(self.classes))
            table["temperature"] = 1.0
        if self.task != "categories":
            table["valence"] = self.classes
            table["arousal"] = self.classes + 1
        return table


VARIANTS = {
    variant.outputs: variant
    for variant in (
        Variant("valence-arousal", 0),
        Variant("categories", 7),
        Variant("categories", 8),
        Variant("combined", 7),
        Variant("combined", 8),
    )
}


def main(argv: Sequence[str] | None = None) -> None:
    """Import one checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for NAME.onnx, NAME.golden, NAME.toml"
    )
    parser.add_argument("--name", required=True, help="the model's name in affectd's configuration")
    parser.add_argument(
        "--classes", type=int, choices=(7, 8), help="refuse a checkpoint with another number of categories"
    )
    tasks = ("combined", "categories", "valence-arousal")
    parser.add_argument("--task", choices=tasks, help="refuse a checkpoint of another task")
    parser.add_argument(
        "--precision", choices=tuple(TOLERANCE), default="int8-weights", help="of the stored weights"
    )
    parser.add_argument(
        "--faces", type=Path, help="folder of cropped faces, to compare the file with PyTorch"
    )
    parser.add_argument("--golden", type=int, default=files.GOLDEN_COUNT, help="golden vectors, 1 to 64")
    parser.add_argument(
        "--trust-pickle",
        action="store_true",
        help="unpickle a whole model: this runs any code that the file holds",
    )
    args = parser.parse_args(argv)
    if not 1 <= args.golden <= 64:
        parser.error(f"--golden is {args.golden}; allowed is 1 to 64")
    files.check_name(args.name)
    crops = None if args.faces is None else pictures(args.faces)
    state = weights(read(args.checkpoint, args.trust_pickle))
    variant = detect(state, args.classes, args.task)
    log.info("%d outputs: %s", variant.outputs, variant)
    net = network(state, variant)

    args.out.mkdir(parents=True, exist_ok=True)
    session = write_network(args.out / f"{args.name}.onnx", net, args.precision)
    if crops is not None:
        compare(net, session, variant, crops)
    faces = golden.inputs(args.golden, 3, SIZE, IMAGENET["mean"], IMAGENET["std"])
    # PyTorch's outputs, with which the daemon's self-test then compares its runtime.
    outputs = predict(net, faces)
    if args.precision != "f32":
        exact, outputs = outputs, golden.outputs(session, faces)
        log.info("largest difference from PyTorch on the golden vectors: %.6f", largest(outputs, exact))
    tables = manifest(args.name, args.checkpoint, variant, args.precision)
    log.info("%s", files.finish(args.out, tables, faces, outputs, TOLERANCE[args.precision]))


def write_network(path: Path, net: nn.Module, precision: str) -> onnxruntime.InferenceSession:
    """Write the network for inference as ONNX with weights of this precision, and open it."""
    graph = export.write(deploy.folded(net), torch.zeros(1, 3, SIZE, SIZE), path)
    if precision == "int8-weights":
        quantize.quantize(graph)
        onnx.checker.check_model(graph, full_check=True)
        onnx.save(graph, path)
    log.info("%s: %.1f MB", path, path.stat().st_size / 1e6)
    return golden.session(path)


def manifest(name: str, checkpoint: Path, variant: Variant, precision: str) -> Manifest:
    """The manifest of a checkpoint, without the tables of the files."""
    return {
        "format": 1,
        "kind": "expression",
        "name": name,
        "version": files.sha256(checkpoint)[:12],
        "licence": "not redistributable: weights trained on AffectNet, for non-commercial research only",
        "provenance": f"CAGE (Wagner et al. 2024), torchvision maxvit_t, {variant}; imported from "
        f"{checkpoint.name}. The version is the start of its SHA-256.",
        "task": variant.task,
        "precision": precision,
        **({} if variant.task == "categories" else {"va": "annotated"}),
        "input": files.square_input(SIZE, IMAGENET),
        "output": variant.table(),
    }


def read(path: Path, trust_pickle: bool = False) -> Any:
    """The object that torch.save wrote; anything but tensors in plain containers needs `trust_pickle`."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        if not trust_pickle:
            if "Unsupported global" in str(error) or "Unsupported class" in str(error):
                raise InvalidInput(
                    f"{path} holds a pickled object, whose loading would run code from the file; "
                    "allowed is a state_dict. If you trust its authors, use --trust-pickle"
                ) from error
            raise InvalidInput(
                f"{path} is not a PyTorch checkpoint, or is damaged; allowed are files of torch.save"
            ) from error
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # A pickle can fail with anything.
        raise InvalidInput(f"{path} cannot be unpickled: {error}") from error


def weights(loaded: Any) -> State:
    """The state_dict inside a checkpoint, without the prefix of DataParallel."""
    if isinstance(loaded, torch.nn.Module):
        loaded = loaded.state_dict()
    if not isinstance(loaded, dict):
        raise InvalidInput(
            f"the checkpoint holds a {type(loaded).__name__}; allowed is a state_dict or a model"
        )
    for wrapper in WRAPPERS:
        if wrapper in loaded:
            return weights(loaded[wrapper])
    others = [str(key) for key, value in loaded.items() if not isinstance(value, torch.Tensor)]
    if others or not loaded:
        raise InvalidInput(
            f"the checkpoint holds {shortened(others) if others else 'nothing'}; "
            f"allowed is a state_dict, alone or under one of {', '.join(WRAPPERS)}"
        )
    return {key.removeprefix("module."): value for key, value in loaded.items()}


def detect(state: State, classes: int | None = None, task: str | None = None) -> Variant:
    """The variant, by the shape of the last layer; `classes` and `task` are those expected, if given."""
    last = next((key for key in (LAST_AFTER_DROPOUT, LAST) if key in state), None)
    if last is None:
        raise InvalidInput(
            f"there is neither {LAST} nor {LAST_AFTER_DROPOUT} among its {len(state)} tensors "
            f"({shortened(list(state))}); allowed is torchvision's maxvit_t"
        )
    shape = tuple(state[last].shape)
    variant = VARIANTS.get(shape[0]) if len(shape) == 2 else None
    if variant is None:
        allowed = "; ".join(f"{outputs}: {variant}" for outputs, variant in sorted(VARIANTS.items()))
        raise InvalidInput(
            f"its last layer, {last}, is {list(shape)}; allowed numbers of outputs are {allowed}"
        )
    if task is not None and task != variant.task:
        raise InvalidInput(
            f"its {variant.outputs} outputs are {variant}: the task is {variant.task}, not {task}"
        )
    if classes is not None and variant.classes != classes:
        raise InvalidInput(f"its {variant.outputs} outputs are {variant}: not {classes} categories")
    return variant


def network(state: State, variant: Variant) -> nn.Module:
    """Torchvision's maxvit_t with these weights, in eval mode."""
    state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    if LAST_AFTER_DROPOUT in state and LAST not in state:
        state[LAST] = state.pop(LAST_AFTER_DROPOUT)
    net = torchvision.models.maxvit_t(num_classes=variant.outputs)
    wanted = net.state_dict()
    complaints = []
    if missing := [key for key in wanted if key not in state]:
        complaints.append(f"{len(missing)} tensors are missing ({shortened(missing)})")
    if unknown := [key for key in state if key not in wanted]:
        complaints.append(f"{len(unknown)} are unknown ({shortened(unknown)})")
    if other := [
        f"{key} {list(state[key].shape)} instead of {list(value.shape)}"
        for key, value in wanted.items()
        if key in state and state[key].shape != value.shape
    ]:
        complaints.append(f"{len(other)} have another shape ({shortened(other)})")
    if complaints:
        raise InvalidInput(f"these are not weights of torchvision's maxvit_t: {'; '.join(complaints)}")
    if broken := [key for key, value in state.items() if not torch.isfinite(value).all()]:
        raise InvalidInput(f"{len(broken)} tensors hold infinities or NaN ({shortened(broken)})")
    net.load_state_dict(state)
    net.eval()
    return net


@torch.no_grad()
def predict(net: nn.Module, faces: Iterable[Float32[np.ndarray, "3 h w"]]) -> Outputs:
    """The original network's outputs for each face."""
    return [net(torch.as_tensor(face)[None]).numpy() for face in tqdm(faces, "PyTorch", disable=None)]


def compare(
    net: nn.Module,
    session: onnxruntime.InferenceSession,
    variant: Variant,
    faces: Float32[np.ndarray, "n 3 224 224"],
) -> None:
    """Log the difference between the written file and PyTorch on cropped faces."""
    outputs, exact = golden.outputs(session, faces), predict(net, faces)
    log.info("%d faces: largest difference from PyTorch %.4f", len(faces), largest(outputs, exact))
    found, expected = np.concatenate(outputs), np.concatenate(exact)
    if variant.classes:
        same = found[:, : variant.classes].argmax(1) == expected[:, : variant.classes].argmax(1)
        log.info("the same category for %.1f %%", 100 * same.mean())
    if variant.task != "categories":
        rms = np.sqrt(((found - expected)[:, variant.classes :] ** 2).mean())
        log.info("valence and arousal differ by %.4f (root mean square)", rms)


def pictures(folder: Path) -> Float32[np.ndarray, "n 3 224 224"]:
    """Every picture of a folder, resized to the input without keeping its aspect ratio, and normalized."""
    faces = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp", ".bmp"):
            try:
                picture = Image.open(path).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
            except OSError as error:
                raise InvalidInput(f"{path} is not a picture: {error}") from error
            faces.append((np.asarray(picture, np.float32) / 255 - IMAGENET["mean"]) / IMAGENET["std"])
    if not faces:
        raise InvalidInput(
            f"{folder} holds no picture; allowed are jpg, png, webp and bmp files of cropped faces"
        )
    return np.stack(faces).transpose(0, 3, 1, 2).astype(np.float32)


def largest(found: Outputs, expected: Outputs) -> float:
    """Largest difference of any output."""
    return max(float(abs(a - b).max()) for a, b in zip(found, expected, strict=True))


def shortened(names: Sequence[str]) -> str:
    """The first few of many names."""
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
