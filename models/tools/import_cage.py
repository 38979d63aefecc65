"""Turn a checkpoint of CAGE into a model for affectd.

    python models/tools/import_cage.py model.pt --out DIR --name NAME

CAGE (Wagner et al., "CAGE: Circumplex Affect Guided Expression Inference", CVPR workshops 2024) trains
torchvision's maxvit_t with a last layer of 7 or 8 categories, of valence and arousal, or of both. Which one
it is follows from the number of outputs:

     2  valence, arousal
     7  AffectNet-7 categories
     8  AffectNet-8 categories
     9  AffectNet-7 categories, valence, arousal
    10  AffectNet-8 categories, valence, arousal
"""

import argparse
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
import torchvision
from PIL import Image
from tqdm import tqdm

import deploy
import export
import golden
import package
import quantize
from package import IMAGENET, Refused

SIZE = 224

# AffectNet's own numbering; AffectNet-7 leaves the last one out.
CATEGORIES = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]

# The last layer; in the valence-arousal variant a dropout stands in front of it.
LAST, LAST_AFTER_DROPOUT = "classifier.5.weight", "classifier.6.weight"

WRAPPERS = ("model_state_dict", "state_dict")

TOLERANCE = {"f32": 0.001, "int8-weights": 0.02}


@dataclass(frozen=True)
class Variant:
    """What the outputs are: the categories first, then valence and arousal."""

    task: str
    classes: int

    @property
    def outputs(self):
        return self.classes + (0 if self.task == "categories" else 2)

    def __str__(self):
        categories = [f"{self.classes} categories (AffectNet-{self.classes})"] if self.classes else []
        circumplex = [] if self.task == "categories" else ["valence", "arousal"]
        return ", ".join(categories + circumplex)

    def table(self):
        """The manifest's [output] table."""
        table = {}
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


def main():
    """Import one checkpoint and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder for NAME.onnx, NAME.golden, NAME.toml")
    parser.add_argument("--name", required=True, help="the model's name in affectd's configuration")
    parser.add_argument("--classes", type=int, choices=(7, 8), help="refuse a checkpoint of another number")
    tasks = ("combined", "categories", "valence-arousal")
    parser.add_argument("--task", choices=tasks, help="refuse a checkpoint of another task")
    parser.add_argument("--precision", choices=tuple(TOLERANCE), default="int8-weights", help="of the stored weights")
    parser.add_argument("--faces", type=Path, help="folder of cropped faces to compare the file with PyTorch on")
    parser.add_argument("--golden", type=int, default=package.GOLDEN_COUNT, help="golden vectors, 1 to 64")
    parser.add_argument(
        "--trust-pickle", action="store_true", help="unpickle a whole model: this runs any code that the file holds"
    )
    args = parser.parse_args()
    try:
        convert(args)
    except (Refused, OSError) as error:
        sys.exit(f"import_cage: {error}")


def convert(args):
    """From checkpoint to manifest."""
    package.check_name(args.name)
    if not 1 <= args.golden <= 64:
        raise Refused(f"--golden is {args.golden}; allowed is 1 to 64")
    crops = None if args.faces is None else pictures(args.faces)
    state = weights(read(args.checkpoint, args.trust_pickle))
    variant = detect(state, args.classes, args.task)
    print(f"{variant.outputs} outputs: {variant}")
    net = network(state, variant)

    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"{args.name}.onnx"
    graph = export.write(deploy.plain(net), torch.zeros(1, 3, SIZE, SIZE), path)
    if args.precision == "int8-weights":
        quantize.quantize(graph)
        onnx.checker.check_model(graph, full_check=True)
        onnx.save(graph, path)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")

    session = golden.session(path)
    faces = golden.inputs(args.golden, 3, SIZE, **IMAGENET)
    original = predict(net, faces)
    if args.precision == "f32":
        # So that the daemon's self-test compares with PyTorch.
        answers = original
    else:
        answers = golden.answers(session, faces)
        print(f"largest difference from PyTorch on the golden vectors: {largest(answers, original):.6f}")
    if crops is not None:
        compare(net, session, variant, crops)

    manifest = {
        "format": 1,
        "kind": "expression",
        "name": args.name,
        "version": package.sha256(args.checkpoint)[:12],
        "licence": "not redistributable: weights trained on AffectNet, for non-commercial research only",
        "provenance": f"CAGE (Wagner et al. 2024), torchvision maxvit_t, {variant}; imported from "
        f"{args.checkpoint.name}. The version is the start of its SHA-256.",
        "task": variant.task,
        "precision": args.precision,
        **({} if variant.task == "categories" else {"va": "annotated"}),
        "input": package.colour_input(SIZE, **IMAGENET),
        "output": variant.table(),
    }
    print(package.finish(args.out, manifest, faces, answers, TOLERANCE[args.precision]))


def read(path, trust_pickle=False):
    """What torch.save wrote; anything but tensors in plain containers only with `trust_pickle`."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        if not trust_pickle:
            if "Unsupported global" in str(error) or "Unsupported class" in str(error):
                raise Refused(
                    f"{path} holds a pickled object, whose loading would run code from the file; allowed is a "
                    "state_dict. If you trust its authors, give --trust-pickle"
                ) from error
            raise Refused(f"{path} is no PyTorch checkpoint, or a broken one; allowed is what torch.save wrote") from error
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # A pickle can fail with anything.
        raise Refused(f"{path} cannot be unpickled: {error}") from error


def weights(loaded):
    """The state_dict inside a checkpoint, without the prefix of DataParallel."""
    if isinstance(loaded, torch.nn.Module):
        loaded = loaded.state_dict()
    if not isinstance(loaded, dict):
        raise Refused(f"the checkpoint holds a {type(loaded).__name__}; allowed is a state_dict or a model")
    for wrapper in WRAPPERS:
        if wrapper in loaded:
            return weights(loaded[wrapper])
    others = [str(key) for key, value in loaded.items() if not isinstance(value, torch.Tensor)]
    if others or not loaded:
        raise Refused(
            f"the checkpoint holds {shortened(others) if others else 'nothing'}; "
            f"allowed is a state_dict, alone or under one of {', '.join(WRAPPERS)}"
        )
    return {key.removeprefix("module."): value for key, value in loaded.items()}


def detect(state, classes=None, task=None):
    """The variant, by the shape of the last layer; `classes` and `task` are what it must be."""
    last = next((key for key in (LAST_AFTER_DROPOUT, LAST) if key in state), None)
    if last is None:
        raise Refused(
            f"there is neither {LAST} nor {LAST_AFTER_DROPOUT} among its {len(state)} tensors "
            f"({shortened(list(state))}); allowed is torchvision's maxvit_t"
        )
    shape = tuple(state[last].shape)
    variant = VARIANTS.get(shape[0]) if len(shape) == 2 else None
    if variant is None:
        allowed = "; ".join(f"{outputs}: {variant}" for outputs, variant in sorted(VARIANTS.items()))
        raise Refused(f"its last layer, {last}, is {list(shape)}; allowed numbers of outputs are {allowed}")
    if task is not None and task != variant.task:
        raise Refused(f"its {variant.outputs} outputs are {variant}: the task is {variant.task}, not {task}")
    if classes is not None and variant.classes != classes:
        raise Refused(f"its {variant.outputs} outputs are {variant}: not {classes} categories")
    return variant


def network(state, variant):
    """torchvision's maxvit_t with these weights, in eval mode."""
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
        raise Refused(f"these are no weights of torchvision's maxvit_t: {'; '.join(complaints)}")
    if broken := [key for key, value in state.items() if not torch.isfinite(value).all()]:
        raise Refused(f"{len(broken)} tensors hold infinite numbers or none ({shortened(broken)})")
    net.load_state_dict(state)
    return net.eval()


@torch.no_grad()
def predict(net, faces):
    """The original network's answer to each face: a list of f32 [1, outputs]."""
    return [net(torch.as_tensor(face)[None]).numpy() for face in tqdm(faces, "PyTorch", disable=None)]


def compare(net, session, variant, faces):
    """Print how far the written file is from PyTorch on cropped faces."""
    found, wanted = golden.answers(session, faces), predict(net, faces)
    print(f"{len(faces)} faces: largest difference from PyTorch {largest(found, wanted):.4f}")
    found, wanted = np.concatenate(found), np.concatenate(wanted)
    if variant.classes:
        same = found[:, : variant.classes].argmax(1) == wanted[:, : variant.classes].argmax(1)
        print(f"the same category for {same.mean():.1%}")
    if variant.task != "categories":
        rms = np.sqrt(((found - wanted)[:, variant.classes :] ** 2).mean())
        print(f"valence and arousal differ by {rms:.4f} (root mean square)")


def pictures(folder):
    """f32 [n, 3, 224, 224], normalised: every picture of a folder, stretched to the input."""
    faces = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp", ".bmp"):
            try:
                picture = Image.open(path).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
            except OSError as error:
                raise Refused(f"{path} is no picture: {error}") from error
            faces.append((np.asarray(picture, np.float32) / 255 - IMAGENET["mean"]) / IMAGENET["std"])
    if not faces:
        raise Refused(f"{folder} holds no picture; allowed are jpg, png, webp and bmp files of cropped faces")
    return np.stack(faces).transpose(0, 3, 1, 2).astype(np.float32)


def largest(found, wanted):
    """Largest difference of any output."""
    return max(float(abs(a - b).max()) for a, b in zip(found, wanted, strict=True))


def shortened(names):
    """The first few of many names."""
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


if __name__ == "__main__":
    main()
