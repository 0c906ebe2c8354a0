"""`rnw train-seg`: train a segmentation network."""

from typing import Any, Callable

import click

from rnw.cli.common import one_of
from rnw.cli.training import Task, run_training, training_options
from rnw.data.sets import catalog


def _make_validator(*arguments: Any, **options: Any) -> Callable:
    from rnw.evaluation.segmentation.validate import make_validator  # starts MXNet

    return make_validator(*arguments, **options)


SEGMENTATION = Task(
    "train-seg", "voc", catalog.find_segmentation_dataset, _make_validator, best_by="mean-iou"
)


@click.command()
@click.option(
    "--dataset",
    help=f"{one_of(catalog.SEGMENTATION)}; default: that of the recipe, else voc.",
)
@training_options
def command(**options: Any) -> None:
    """Train a segmentation network from a classification network.

    With nothing else but devices, Model A1 on PASCAL VOC 2012. A recipe called `<name>_linear` is
    the second phase of `<name>`, and starts from what that left in --output.
    """
    run_training(SEGMENTATION, **options)
