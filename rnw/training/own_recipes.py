"""Which recipe trains on data that has none of its own, and how its size changes the recipe."""

import math
from pathlib import Path
from typing import List, NamedTuple, Optional, Tuple

from rnw.data.sets.reading import count_pictures
from rnw.data.sets.rows import Row, SegmentationDataset
from rnw.training.recipes import RECIPES, named_weights
from rnw.weights.formats import read_parameters
from rnw.weights.meaning import meaning_of


class Length(NamedTuple):
    """How long a recipe trains: so many updates, if that is between `fewest` and `most` epochs."""

    updates: int
    fewest: int
    most: int

    def epochs(self, pictures: int, batch: int) -> int:
        """Return the number of epochs for so many pictures."""
        return min(max(math.ceil(self.updates * batch / pictures), self.fewest), self.most)


LENGTHS = {
    "finetune-cls": Length(2000, 5, 60),
    "scratch-cls": Length(6000, 15, 100),
    "finetune-seg": Length(4000, 5, 100),
    "scratch-seg": Length(6000, 15, 150),
}


def choose_recipe(dataset: Row, weights: Optional[Path]) -> str:
    """Return the recipe for a dataset without one: to fine-tune where there is what to start from.

    That is `weights`, or the released file that the recipe names.
    """
    task = "seg" if isinstance(dataset, SegmentationDataset) else "cls"
    released = named_weights(RECIPES[f"finetune-{task}"])
    there = weights is not None or (released is not None and released.is_file())
    return f"finetune-{task}" if there else f"scratch-{task}"


def fit_recipe(
    name: str,
    dataset: Row,
    weights: Optional[Path],
    data_root: Optional[Path] = None,
    network: Optional[str] = None,
    *,
    split: Optional[str] = None,
) -> Tuple[str, ...]:
    """Return the changes `key=value` of a recipe for a dataset that has none of its own.

    The batch is at most the number of pictures of `split`, by default the training split, and the
    epochs follow it; the network is that of `weights`, which may be said to belong to `network`.
    Raises InputError for data or weights that cannot be read.
    """
    changes = [f"classes={dataset.classes}"]
    if name in LENGTHS:
        pictures = count_pictures(dataset, split or dataset.train_split, data_root)
        batch = min(RECIPES[name].batch, pictures)
        changes += [f"batch={batch}", f"epochs={LENGTHS[name].epochs(pictures, batch)}"]
        if isinstance(dataset, SegmentationDataset):
            changes.append(f"origin={dataset.test_size}")
        changes += _network_of(weights, network)
    return tuple(changes)


def _network_of(weights: Optional[Path], network: Optional[str]) -> List[str]:
    if weights is None:
        return []
    config = meaning_of(weights, read_parameters(weights), network=network).config
    return [f"network={config.spec.name}", f"width={config.width}"]
