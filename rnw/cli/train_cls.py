"""`rnw train-cls`: train a classification network."""

from typing import Any, Callable

import click

from rnw.cli.common import one_of
from rnw.cli.training import Arguments, Task, run_training, training_options
from rnw.data.own import description
from rnw.data.sets import catalog


def _make_validator(*arguments: Any, **options: Any) -> Callable:
    from rnw.evaluation.classification.validate import make_validator  # starts MXNet

    return make_validator(*arguments, **options)


CLASSIFICATION = Task(
    description.CLASSIFICATION, "ilsvrc-cls", catalog.find_dataset, _make_validator, best_by="top-1"
)


@click.command()
@click.option(
    "--dataset",
    help=f"Dataset to train on: {one_of(catalog.DATASETS)}, or the folder or description of your "
    "own (default: that of the recipe, or ilsvrc-cls).",
)
@training_options
def command(**options: Any) -> None:
    """Train a classification network.

    Without other options than devices, this is the paper's Model A on ILSVRC 2012.
    """
    run_training(CLASSIFICATION, Arguments(**options))
