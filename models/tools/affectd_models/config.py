"""A training configuration: its tables, and reading it from TOML with every key checked."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from affectd_models.errors import InvalidInput


class ModelTable(TypedDict):
    """The [model] table: the network. `FAMILIES` lists the further keys of each family."""

    family: NotRequired[str]
    size: int
    drop_path: float
    # MaxViT
    partition: NotRequired[int]
    stem: NotRequired[int]
    channels: NotRequired[list[int]]
    depths: NotRequired[list[int]]
    head_dim: NotRequired[int]
    expansion: NotRequired[int]
    mlp_ratio: NotRequired[int]
    # dlib's face recognition network
    dropout: NotRequired[float]


FAMILIES = {
    "maxvit": {"partition", "stem", "channels", "depths", "head_dim", "expansion", "mlp_ratio"},
    "dlib": {"dropout"},
}


class DataTable(TypedDict):
    """The [data] table: the split of the faces and their normalization."""

    holdout: int
    mean: float
    std: float
    mirror: NotRequired[bool]


class TrainTable(TypedDict):
    """The [train] table: schedule, optimizer and loss."""

    optimizer: NotRequired[str]
    epochs: int
    minutes: float
    batch: int
    warmup: float
    decay: float
    lr: float
    weight_decay: float
    momentum: NotRequired[float]
    ema: float
    va_weight: float
    balance: NotRequired[float]
    validate_every: int


class AugmentTable(TypedDict):
    """The [augment] table: ranges and probabilities of the augmentation."""

    rotation: float
    scale: float
    shift: float
    brightness: float
    contrast: float
    gamma: float
    blur: float
    low_resolution: float
    blocks: float
    noise: float
    erase: float
    erase_side: float
    mixup: float


class TeacherTable(TypedDict):
    """The [teacher] table: distillation."""

    weight: float


class Config(TypedDict):
    """A whole configuration."""

    name: str
    version: NotRequired[str]
    provenance: NotRequired[str]
    va: NotRequired[str]
    seed: int
    model: ModelTable
    data: DataTable
    train: TrainTable
    augment: AugmentTable
    teacher: NotRequired[TeacherTable]


OPTIMIZERS = ("muon", "adamw")

# The source of valence and arousal, as in the manifest.
VA = ("projected", "fitted")

TABLES: dict[str, type] = {
    "model": ModelTable,
    "data": DataTable,
    "train": TrainTable,
    "augment": AugmentTable,
    "teacher": TeacherTable,
}


def load(path: Path) -> Config:
    """Read a configuration; `InvalidInput` names the key that is missing, unknown or of another type."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path}: {error}") from error
    check(table, path)
    return cast("Config", table)


def check(table: Mapping[str, Any], source: Path) -> None:
    """Refuse a configuration with missing or unknown keys or with values of another type."""
    check_keys(table, Config, f"{source}")
    for name, kind in TABLES.items():
        if name not in table:
            continue
        if not isinstance(table[name], dict):
            raise InvalidInput(f"{source}: {name} is {table[name]!r}; a table is expected")
        check_keys(table[name], kind, f"{source}: [{name}]")
    if (va := table.get("va", VA[0])) not in VA:
        raise InvalidInput(f"{source}: va is {va!r}; allowed are {', '.join(VA)}")
    check_family(table["model"], f"{source}: [model]")
    train = table["train"]
    optimizer = train.get("optimizer", "muon")
    if optimizer not in OPTIMIZERS:
        raise InvalidInput(
            f"{source}: [train]: optimizer is {optimizer!r}; allowed are {', '.join(OPTIMIZERS)}"
        )
    if optimizer == "muon" and "momentum" not in train:
        raise InvalidInput(f"{source}: [train]: momentum missing")


def check_family(model: Mapping[str, Any], where: str) -> None:
    """Refuse a [model] table with keys of another family."""
    family = model.get("family", "maxvit")
    if family not in FAMILIES:
        raise InvalidInput(f"{where}: family is {family!r}; allowed are {', '.join(FAMILIES)}")
    own = {key for key in model if any(key in keys for keys in FAMILIES.values())}
    if missing := sorted(FAMILIES[family] - own):
        raise InvalidInput(f"{where}: {', '.join(missing)} missing")
    if unknown := sorted(own - FAMILIES[family]):
        raise InvalidInput(f"{where}: unknown {', '.join(unknown)} for {family}")


def check_keys(table: Mapping[str, Any], kind: type, where: str) -> None:
    """Refuse a table that differs from the keys and plain types of the TypedDict `kind`."""
    required: frozenset[str] = kind.__required_keys__  # type: ignore[attr-defined]
    if missing := sorted(required - set(table)):
        raise InvalidInput(f"{where}: {', '.join(missing)} missing")
    if unknown := sorted(set(table) - set(kind.__annotations__)):
        raise InvalidInput(f"{where}: unknown {', '.join(unknown)}")
    for key, value in table.items():
        allowed = plain_type(kind.__annotations__[key])
        if allowed is None:
            continue
        # An integer is also accepted as a float. A bool is not, although it is an int in Python.
        accepted = (int, float) if allowed is float else (allowed,)
        if not isinstance(value, accepted) or (isinstance(value, bool) and allowed is not bool):
            raise InvalidInput(f"{where}: {key} is {value!r}; {allowed.__name__} is expected")


def plain_type(annotation: Any) -> type | None:
    """The built-in type that a key's value must have; None for a table."""
    inner = (
        getattr(annotation, "__args__", (annotation,))[0] if "NotRequired" in repr(annotation) else annotation
    )
    inner = getattr(inner, "__origin__", inner)
    return inner if inner in (bool, int, float, str, list) else None
