"""A look at all data of one's own before a run, which does not start where it finds errors."""

from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

from rnw.data.sets.catalog import names_of
from rnw.data.sets.reading import read_split
from rnw.errors import InputError
from rnw.training.recipe import Recipe

if TYPE_CHECKING:
    from rnw.data.own.survey import Looked  # needs an extra


def check_own_data(
    recipe: Recipe, data_root: Optional[Path], on_step: "Callable[[Looked], None]"
) -> None:
    """Raise InputError for data of one's own in which `rnw dataset check` finds errors.

    All splits are read, also those that the run does not need: what is found in them would spoil
    its tests later. Nothing of a dataset of the catalog is read.
    """
    dataset = recipe.row
    if dataset.description is None:
        return
    from rnw.data.own.survey import survey  # needs an extra

    splits = dict.fromkeys([recipe.trained_split, *dataset.description.split_names])
    sources = {split: read_split(dataset, split, data_root) for split in splits}
    found = survey(sources, names_of(dataset), on_step)
    if found.refused:
        place = dataset.description.place
        raise InputError(
            f"{place}: {found.describe(found.refused[0])}; `rnw dataset check {place}` lists all "
            "that is wrong, and --unchecked trains all the same"
        )
