"""TABLE of the paper's training settings, each with its source."""

import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, Optional, Tuple

from rnw.errors import InputError, did_you_mean, look_up
from rnw.networks.heads import IGNORED_LABEL
from rnw.networks.layout import LOSSES, SEGMENTATION_DROPOUT, NetworkConfig, configure
from rnw.networks.zoo import CLASSIFICATION_PREFIX, find_network, network_names
from rnw.weights.labels import ModelLabel, parse_label

MODELS = Path("models")  # where the original expects released files
OUTPUT = Path("output")  # where it writes its own
MAX_SUFFIX = 100
_SUFFIX = re.compile(rf"(?!ep-)[A-Za-z0-9_.+=-]{{0,{MAX_SUFFIX}}}")
LARGEST = 65_535  # pixels of the longer side: what a JPEG file can have
MAX_CLASSES = 1_000_000  # more than any dataset has; what MXNet can count is not far above
MAX_CROP = 1 << 14  # pixels a side; no picture has more


@dataclass(frozen=True)
class Recipe:
    """How a classification network is trained.

    `base_lr` follows `schedule` ('fixed', 'linear' down to `lr_floor`, or 'step' with a tenth at
    each of `lr_steps` updates); `batch` counts images over all devices. A fine-tuning starts from
    the released file `starts_from`, and `suffix` tells its checkpoints from those of others.
    """

    name: str
    source: str
    dataset: str
    network: str
    classes: int
    batch: int
    epochs: int
    base_lr: float
    width: float = 1.0
    schedule: str = "linear"
    lr_floor: float = 1e-6
    lr_steps: Tuple[int, ...] = ()
    optimizer: str = "torch_nesterov"
    momentum: float = 0.9
    weight_decay: float = 1e-4
    kvstore: str = "local"
    starts_from: str = ""
    suffix: str = ""

    def to_json(self) -> str:
        """The recipe as a JSON object, one field a line."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"


@dataclass(frozen=True)
class SegmentationRecipe(Recipe):
    """How a segmentation network is trained, from a classification network (section 5).

    `split` is that of the dataset by default. The longer side of pictures is `origin` times a rate
    in `rates`, crops have `crop` pixels, rounded up to whole strides. `dropout` is that of levels 6
    and 7. `loss` is 'softmax', or 'ohem' with online bootstrapping. A second phase starts from the
    last checkpoint of the recipe that it `continues`, of its own network, in the same folder.
    """

    split: str = ""
    stride: int = 8
    classifier: str = "2 conv"
    dropout: Tuple[float, float] = SEGMENTATION_DROPOUT
    loss: str = "ohem"
    crop: int = 500
    origin: int = 500
    rates: Tuple[float, float] = (0.7, 1.3)
    optimizer: str = "sgd"
    weight_decay: float = 5e-4
    continues: str = ""


def _from_scratch(network: str, source: str) -> Recipe:
    """ILSVRC training from scratch as the original's README gives it for Model A and A1."""
    return Recipe(network, source, "ilsvrc-cls", network, 1000, batch=256, epochs=90, base_lr=0.1)


_README = "README of the original, 'Train a new Model A from scratch'"
_SECTION = "section 4.1 of the paper, with the settings of Model A"
_RELEASED_A = "ilsvrc-cls_rna-a_cls1000_ep-0001.params"
_RELEASED_A1 = "ilsvrc-cls_rna-a1_cls1000_ep-0001.params"
_CITYSCAPES = "README of the original, 'Tune a Model A1' on Cityscapes; OHEM is in its code alone"
_OURS = (
    "ours: the commands for Cityscapes (README of the original) on pictures of the testing scale, "
    "for as many updates; the epochs are not published"
)
_COCO = (
    "ours: pre-tuning with COCO, then VOC (README of the original); its lengths are not published"
)


def _two_phases(
    name: str, source: str, dataset: str, classes: int, epochs: Tuple[int, int], **options: Any
) -> Iterator[Recipe]:
    """A1 tuned at a fixed rate, then from half of it down, with new momentum, as `<name>_linear`.

    `second` among the options are those that differ in the second phase.
    """
    second = options.pop("second", {})
    first = SegmentationRecipe(
        name,
        source,
        dataset,
        "model_a1",
        classes,
        batch=16,
        epochs=epochs[0],
        base_lr=0.0016,
        schedule="fixed",
        starts_from=_RELEASED_A1,
        **options,
    )
    yield first
    yield dataclasses.replace(
        first,
        name=f"{name}_linear",
        epochs=epochs[1],
        base_lr=0.0008,
        schedule="linear",
        starts_from="",
        continues=name,
        suffix="_".join(filter(None, (first.suffix, f"x1-{epochs[0]}"))),
        **second,
    )


RECIPES: Dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        *(
            _from_scratch(name, _README if name in ("model_a", "model_a1") else _SECTION)
            for name in network_names()
        ),
        Recipe(
            "places365_a2",
            "ours: Model A's settings; 64 epochs of Places365 are its 450k iterations",
            "places365-cls",
            "model_a2",
            365,
            batch=256,
            epochs=64,
            base_lr=0.1,
        ),
        Recipe(
            "a_to_a1",
            "README of the original, 'Tune a Model A1 from our released Model A' (45k iterations)",
            "ilsvrc-cls",
            "model_a1",
            1000,
            batch=256,
            epochs=9,
            base_lr=0.01,
            starts_from=_RELEASED_A,
            suffix="from-a",
        ),
        Recipe(
            "a_to_a2",
            "README of the original: A2, tuned from A for 45k iterations (6.4 epochs) on Places; "
            "the rate is that of A1",
            "places365-cls",
            "model_a2",
            365,
            batch=256,
            epochs=6,
            base_lr=0.01,
            starts_from=_RELEASED_A,
            suffix="from-a",
        ),
        Recipe(
            "digits",
            "ours: the paper's settings on a narrow network and small pictures",
            "digits",
            "28-1-1-1-1-1-1-1",
            10,
            width=0.125,
            batch=64,
            epochs=12,
            base_lr=0.1,
        ),
        Recipe(
            "shapes-cls",
            "ours: a narrow network that is at stride 8 as it is, for segmentation of shapes",
            "shapes-cls",
            "56-0-1-1-1-1-1-1",
            4,
            width=0.125,
            batch=32,
            epochs=3,
            base_lr=0.02,
        ),
        *_two_phases("cityscapes", _CITYSCAPES, "cityscapes", 19, (140, 64), origin=2048),
        *_two_phases("voc", _OURS, "voc", 21, (39, 18)),
        *_two_phases(
            "voc_coco",
            _COCO,
            "voc",
            21,
            (4, 18),
            split="train_coco",
            suffix="coco",
            second={"split": ""},
        ),
        *_two_phases("ade20k", _OURS, "ade20k", 150, (21, 9)),
        *_two_phases("pascal-context", _OURS, "pascal-context", 60, (83, 38)),
        SegmentationRecipe(
            "shapes",
            "ours: a narrow network on enlarged pictures, from one that knows the shapes (--init)",
            "shapes",
            "56-0-1-1-1-1-1-1",
            5,
            width=0.125,
            batch=8,
            epochs=24,
            base_lr=0.03,
            dropout=(0.0, 0.0),
            loss="softmax",
            crop=96,
            origin=128,
        ),
    )
}


def find_recipe(name: str, overrides: Iterable[str] = ()) -> Recipe:
    """The recipe called `name`, its fields replaced by `key=value` strings.

    Raises InputError for an unknown recipe or field and for a value of the wrong type.
    """
    recipe = look_up(RECIPES, name, "recipe")
    changes = dict(_parse_override(recipe, override) for override in overrides)
    recipe = dataclasses.replace(recipe, **changes)
    _check(recipe)
    return recipe


_KINDS = {
    int: "int",
    float: "float",
    Tuple[int, ...]: "whole numbers joined by commas",
    Tuple[float, float]: "two numbers joined by a comma",
}


def _parse_override(recipe: Recipe, text: str) -> Tuple[str, Any]:
    fields = {f.name: f for f in dataclasses.fields(recipe) if f.name not in ("name", "source")}
    key, equals, value = text.partition("=")
    if not equals or key not in fields:
        raise InputError(
            f"cannot set {text!r}: expected key=value, key one of {', '.join(fields)}"
            f"{did_you_mean(key, fields)}"
        )
    kind = fields[key].type
    try:
        if kind in (int, float, str):
            return key, kind(value)
        return key, tuple(kind.__args__[0](part) for part in value.split(",") if part)
    except ValueError:
        raise InputError(f"cannot set {key}={value}: expected {_KINDS[kind]}") from None


def _check(recipe: Recipe) -> None:
    for field in ("batch", "epochs", "classes"):
        if getattr(recipe, field) < 1:
            raise InputError(f"{field} is {getattr(recipe, field)}, expected at least 1")
    if recipe.classes == 1 and not isinstance(recipe, SegmentationRecipe):
        raise InputError("classes is 1, expected at least 2: there is nothing to tell apart")
    if recipe.classes > MAX_CLASSES:
        raise InputError(f"classes is {recipe.classes}, expected at most {MAX_CLASSES}")
    for field in ("base_lr", "momentum", "weight_decay", "lr_floor"):
        if not 0 <= getattr(recipe, field) < float("inf"):
            raise InputError(f"{field} is {getattr(recipe, field)}, expected 0 or more")
    _check_suffix(recipe)
    if recipe.schedule == "linear" and recipe.lr_floor > recipe.base_lr:
        raise InputError(
            f"lr_floor is {recipe.lr_floor}, above base_lr, {recipe.base_lr}, from which the rate "
            "is to fall: set both"
        )
    if any(step < 1 for step in recipe.lr_steps):
        raise InputError(f"lr_steps is {recipe.lr_steps}, expected numbers of updates from 1 on")
    if isinstance(recipe, SegmentationRecipe):
        _check_segmentation(recipe)


def _check_suffix(recipe: Recipe) -> None:
    """It is a part of file names, from which the network is found again."""
    if not _SUFFIX.fullmatch(recipe.suffix):
        raise InputError(
            f"suffix is {recipe.suffix!r}, expected at most {MAX_SUFFIX} letters a to z, digits "
            "and any of '_-.+=', not 'ep-' at first"
        )
    label = ModelLabel("dataset", "a", recipe.classes, _stride(recipe), recipe.suffix)
    if parse_label(label.params_file(1)) != label:
        raise InputError(f"suffix is {recipe.suffix!r}, which in file names would be the stride")


def _check_segmentation(recipe: SegmentationRecipe) -> None:
    if recipe.loss not in LOSSES:
        raise InputError(f"loss is {recipe.loss!r}, expected one of {', '.join(LOSSES)}")
    if recipe.classes > IGNORED_LABEL:
        raise InputError(
            f"classes is {recipe.classes}, expected at most {IGNORED_LABEL}: label maps have 8 "
            f"bits, and {IGNORED_LABEL} is ignored"
        )
    for field in ("crop", "origin", "stride"):
        if getattr(recipe, field) < 1:
            raise InputError(f"{field} is {getattr(recipe, field)}, expected at least 1")
    if recipe.crop > MAX_CROP:
        raise InputError(f"crop is {recipe.crop}, expected at most {MAX_CROP}")
    if not _are_rates(recipe):
        raise InputError(
            f"rates is {recipe.rates}, expected two numbers, the first not above the second, and a "
            f"pixel of origin at least, {LARGEST:,} at most (origin is {recipe.origin})"
        )


def _are_rates(recipe: SegmentationRecipe) -> bool:
    if len(recipe.rates) != 2:
        return False
    shortest, longest = (rate * recipe.origin for rate in recipe.rates)
    return 1 <= shortest <= longest <= LARGEST


def model_label(recipe: Recipe) -> ModelLabel:
    """The label of what the recipe trains."""
    network = find_network(recipe.network).name.replace(CLASSIFICATION_PREFIX, "")
    return ModelLabel(recipe.dataset, network, recipe.classes, _stride(recipe), recipe.suffix)


def _stride(recipe: Recipe) -> Optional[int]:
    return recipe.stride if isinstance(recipe, SegmentationRecipe) else None


def recipe_network(recipe: Recipe) -> NetworkConfig:
    """The network that the recipe trains; raises InputError as `configure` does."""
    options: Dict[str, Any] = {"head": "softmax"}
    if isinstance(recipe, SegmentationRecipe):
        options = {
            "head": recipe.loss,
            "stride": recipe.stride,
            "classifier": recipe.classifier,
            "dropout": recipe.dropout,
        }
    return configure(recipe.network, recipe.classes, width=recipe.width, **options)


def input_size(recipe: Recipe) -> int:
    """Pixels a side of what the network sees in training."""
    if not isinstance(recipe, SegmentationRecipe):
        return find_network(recipe.network).size
    return -(-recipe.crop // recipe.stride) * recipe.stride


def named_weights(recipe: Recipe, folder: Path = OUTPUT) -> Optional[Path]:
    """The file that the recipe starts from, in `models/` or of a first phase in `folder`, if any.

    It may not be there. A first phase is of the dataset, network, classes and stride that the
    recipe has, changed or not, and of as many epochs as its own recipe.
    """
    if isinstance(recipe, SegmentationRecipe) and recipe.continues:
        first = find_recipe(recipe.continues)
        label = dataclasses.replace(model_label(recipe), suffix=first.suffix)
        return folder / label.params_file(first.epochs)
    return MODELS / recipe.starts_from if recipe.starts_from else None


def starting_weights(
    recipe: Recipe, weights: Optional[Path] = None, folder: Path = OUTPUT
) -> Optional[Path]:
    """What a new run starts from: `weights`, else what the recipe names (see `named_weights`).

    None for a recipe that starts from scratch. Raises InputError for a file that is not there.
    """
    path = weights or named_weights(recipe, folder)
    if weights is None and path is not None and not path.is_file():
        how = "put the released file there (`rnw weights` lists them)"
        if path.parent != MODELS:
            how = f"train recipe {recipe.continues} first, with the same --output and network"
        raise InputError(
            f"{path}: not there, and recipe {recipe.name} starts from it: {how}, or pass other "
            "weights of the family with --weights"
        )
    return path
