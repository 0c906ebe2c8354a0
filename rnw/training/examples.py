"""What a recipe trains on: the examples of its dataset's split, checked against the recipe."""

from pathlib import Path
from typing import Optional, Union

from rnw.data.picture_types import Classified, LabeledSource
from rnw.data.sets.catalog import (
    check_classes,
    check_label_maps,
    find_dataset,
    find_segmentation_dataset,
    read_examples,
    read_pictures,
)
from rnw.data.sets.subsets import match_labels, with_labels
from rnw.errors import InputError
from rnw.training.recipes import Recipe, SegmentationRecipe


def read_training_examples(
    recipe: Recipe, data_root: Optional[Path] = None
) -> Union[Classified, LabeledSource]:
    """The examples of a recipe, as `rnw.data.sets.catalog` reads them.

    Raises InputError for data that is missing or has no labels, and for other classes than those of
    the recipe.
    """
    if isinstance(recipe, SegmentationRecipe):
        return _read_pictures(recipe, data_root)
    dataset = find_dataset(recipe.dataset)
    split = dataset.train_split
    examples = read_examples(dataset, split, data_root)
    labels = match_labels(dataset, split, data_root, examples.labels, recipe.classes, "the recipe")
    check_classes(dataset, data_root, recipe.classes)
    return with_labels(examples, labels)


def _read_pictures(recipe: SegmentationRecipe, data_root: Optional[Path]) -> LabeledSource:
    dataset = find_segmentation_dataset(recipe.dataset)
    split = recipe.split or dataset.train_split
    pictures = read_pictures(dataset, split, data_root)
    if not pictures.has_labels:
        raise InputError(
            f"{dataset.title}, split {split!r}: its list names no label maps, so that nothing can "
            "be learnt from it; choose another with --set split=NAME"
        )
    if dataset.classes != recipe.classes:
        raise InputError(
            f"{dataset.title} has {dataset.classes} classes, the recipe {recipe.classes}"
        )
    check_label_maps(dataset, pictures)
    return pictures
