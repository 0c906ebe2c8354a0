"""`rnw train-seg`: train a segmentation network."""

from typing import Any, Callable

import click

from rnw.cli.common import one_of
from rnw.cli.training import Arguments, Task, run_training, training_options
from rnw.data.own import description
from rnw.data.sets import catalog


def _make_validator(*arguments: Any, **options: Any) -> Callable:
    from rnw.evaluation.segmentation.validate import make_validator  # starts MXNet

    return make_validator(*arguments, **options)


SEGMENTATION = Task(
    description.SEGMENTATION,
    "voc",
    catalog.find_segmentation_dataset,
    _make_validator,
    best_by="mean-iou",
)


@click.command()
@click.option(
    "--dataset",
    help=f"Dataset to train on: {one_of(catalog.SEGMENTATION)}, or the folder or description of "
    "your own (default: that of the recipe, or voc).",
)
@training_options
def command(**options: Any) -> None:
    """Train a segmentation network from a classification network.

    Without other options than devices, this is Model A1 on PASCAL VOC 2012. The recipe
    `<name>_linear` is the second phase of the recipe `<name>`, and starts from the last checkpoint
    of the first phase in --output.
    """
    run_training(SEGMENTATION, Arguments(**options))
