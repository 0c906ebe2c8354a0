"""TABLE of the paper's training settings, each with its source."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, Optional, Tuple

from rnw.errors import InputError
from rnw.networks.layout import NetworkConfig, configure
from rnw.networks.zoo import CLASSIFICATION_PREFIX, find_network, network_names
from rnw.weights.labels import ModelLabel

MODELS = Path("models")  # where the original expects released files


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


def _from_scratch(network: str, source: str) -> Recipe:
    """ILSVRC training from scratch as the original's README gives it for Model A and A1."""
    return Recipe(network, source, "ilsvrc-cls", network, 1000, batch=256, epochs=90, base_lr=0.1)


_README = "README of the original, 'Train a new Model A from scratch'"
_SECTION = "section 4.1 of the paper, with the settings of Model A"
_RELEASED_A = "ilsvrc-cls_rna-a_cls1000_ep-0001.params"

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
            epochs=5,
            base_lr=0.02,
        ),
    )
}


def find_recipe(name: str, overrides: Iterable[str] = ()) -> Recipe:
    """The recipe called `name`, its fields replaced by `key=value` strings.

    Raises InputError for an unknown recipe or field and for a value of the wrong type.
    """
    if name not in RECIPES:
        raise InputError(f"unknown recipe {name!r}: expected one of {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    changes = dict(_parse_override(override) for override in overrides)
    recipe = dataclasses.replace(recipe, **changes)
    _check(recipe)
    return recipe


def _parse_override(text: str) -> Tuple[str, Any]:
    fields = {f.name: f for f in dataclasses.fields(Recipe) if f.name not in ("name", "source")}
    key, equals, value = text.partition("=")
    if not equals or key not in fields:
        raise InputError(f"cannot set {text!r}: expected key=value, key one of {', '.join(fields)}")
    kind = fields[key].type
    try:
        if kind in (int, float, str):
            return key, kind(value)
        return key, tuple(int(step) for step in value.split(",") if step)
    except ValueError:
        wanted = kind.__name__ if isinstance(kind, type) else "whole numbers joined by commas"
        raise InputError(f"cannot set {key}={value}: expected {wanted}") from None


def _check(recipe: Recipe) -> None:
    for field in ("batch", "epochs", "classes"):
        if getattr(recipe, field) < 1:
            raise InputError(f"{field} is {getattr(recipe, field)}, expected at least 1")
    for field in ("base_lr", "momentum", "weight_decay", "lr_floor"):
        if not 0 <= getattr(recipe, field) < float("inf"):
            raise InputError(f"{field} is {getattr(recipe, field)}, expected 0 or more")


def model_label(recipe: Recipe) -> ModelLabel:
    """The label of what the recipe trains."""
    network = find_network(recipe.network).name.replace(CLASSIFICATION_PREFIX, "")
    return ModelLabel(recipe.dataset, network, recipe.classes, suffix=recipe.suffix)


def recipe_network(recipe: Recipe) -> NetworkConfig:
    """The network that the recipe trains; raises InputError as `configure` does."""
    return configure(recipe.network, recipe.classes, width=recipe.width, head="softmax")


def starting_weights(recipe: Recipe, weights: Optional[Path] = None) -> Optional[Path]:
    """What a new run starts from: `weights`, else the file in `models/` that the recipe names.

    None for a recipe that starts from scratch. Raises InputError for a file that is not there.
    """
    if weights is not None or not recipe.starts_from:
        return weights
    path = MODELS / recipe.starts_from
    if not path.is_file():
        raise InputError(
            f"{path}: not there, and recipe {recipe.name} starts from it: put the released file "
            "there (`rnw weights` lists them), or pass other weights of the family with --weights"
        )
    return path
