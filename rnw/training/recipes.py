"""TABLE of the paper's training settings, each with its source."""

import dataclasses
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, Optional, Tuple

from rnw.errors import InputError, look_up
from rnw.networks.heads import IGNORED_LABEL
from rnw.networks.zoo import network_names
from rnw.training.recipe import Recipe, SegmentationRecipe
from rnw.training.recipe_fields import parse_override
from rnw.training.recipe_file import is_recipe_file, read_recipe

MODELS = Path("models")  # where the original expects released files
OUTPUT = Path("output")  # where it writes its own
OWN = "own"  # stands for a dataset of one's own, which a folder or description tells


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
_COARSE = (
    "ours: fine and coarse labels together, 'fine; coarse' in the README of the original, where it "
    "is Model A2 (--set network=model_a2); as many updates as for fine ones"
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
        *_two_phases(
            "cityscapes_coarse",
            _COARSE,
            "cityscapes",
            19,
            (18, 8),
            split="train+",
            suffix="coarse",
            origin=2048,
        ),
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
        Recipe(
            "finetune-cls",
            "ours: half the rate of A tuned to A1 (README of the original), at a batch for few "
            "pictures; epochs are those of 2,000 updates, 5 to 60",
            OWN,
            "model_a1",
            1000,
            batch=32,
            epochs=60,
            base_lr=0.005,
            starts_from=_RELEASED_A1,
        ),
        Recipe(
            "scratch-cls",
            "ours: the rate of the paper (section 4) for a narrow network; epochs are those of "
            "6,000 updates, 15 to 100",
            OWN,
            "56-1-1-1-1-1-1-1",
            1000,
            width=0.25,
            batch=64,
            epochs=100,
            base_lr=0.1,
        ),
        SegmentationRecipe(
            "finetune-seg",
            "ours: rate and crop of the original (README, Cityscapes) at half its batch; epochs "
            "are those of 4,000 updates, 5 to 100",
            OWN,
            "model_a1",
            IGNORED_LABEL,
            batch=8,
            epochs=100,
            base_lr=0.0016,
            starts_from=_RELEASED_A1,
        ),
        SegmentationRecipe(
            "scratch-seg",
            "ours: a narrow network as for shapes, at a third of its rate, since nothing is known "
            "before; epochs are those of 6,000 updates, 15 to 150",
            OWN,
            "56-0-1-1-1-1-1-1",
            IGNORED_LABEL,
            width=0.25,
            batch=8,
            epochs=150,
            base_lr=0.01,
            dropout=(0.0, 0.0),
            loss="softmax",
            crop=240,
        ),
    )
}


def is_for_any_data(name: Optional[str]) -> bool:
    """Return whether a recipe is for no dataset in particular, and fits the one it is given."""
    return name in RECIPES and RECIPES[name].dataset == OWN


def find_recipe(name: str, overrides: Iterable[str] = ()) -> Recipe:
    """Return the recipe called `name`, or in the file `name`, changed by `key=value` strings.

    Raises InputError for an unknown recipe or field, for a value that the field may not have, and
    as `read_recipe`.
    """
    if name not in RECIPES and is_recipe_file(name):
        recipe = read_recipe(Path(name))
    else:
        recipe = look_up(RECIPES, name, "recipe")
    changes = dict(parse_override(recipe, override) for override in overrides)
    recipe = dataclasses.replace(recipe, **changes)
    recipe.check()
    return recipe


def named_weights(recipe: Recipe, folder: Path = OUTPUT) -> Optional[Path]:
    """Return the file that the recipe starts from, if any; it may not be there.

    It is expected in `models/`, that of a first phase in `folder`. A first phase is of the dataset,
    network, classes and stride that the recipe has, changed or not, and of as many epochs as its
    own recipe.
    """
    if recipe.first_phase:
        first = find_recipe(recipe.first_phase)
        label = dataclasses.replace(recipe.label, suffix=first.suffix)
        return folder / label.params_file(first.epochs)
    return MODELS / recipe.starts_from if recipe.starts_from else None


def starting_weights(
    recipe: Recipe, weights: Optional[Path] = None, folder: Path = OUTPUT
) -> Optional[Path]:
    """Return what a new run starts from: `weights`, else the `named_weights` of the recipe.

    None for a recipe that starts from scratch. Raises InputError for a file that is not there.
    """
    path = weights or named_weights(recipe, folder)
    if weights is None and path is not None and not path.is_file():
        how = "put the released file there (`rnw weights` lists them)"
        if path.parent != MODELS:
            how = f"train recipe {recipe.first_phase} first, with the same --output and network"
        raise InputError(
            f"{path}: not there, and recipe {recipe.name} starts from it: {how}, or pass other "
            "weights of the family with --weights"
        )
    return path
