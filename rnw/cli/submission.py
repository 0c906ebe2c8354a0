"""`rnw submission`: predictions for benchmark servers."""

from pathlib import Path
from typing import Optional

import click

from rnw.cli.common import (
    FILE,
    Group,
    data_root_option,
    json_option,
    print_json,
    segmentation_dataset_option,
)
from rnw.errors import counted


@click.group(cls=Group)
def command() -> None:
    """Pack predictions for benchmark servers, and check such an archive."""


@command.command()
@click.argument("predictions", type=FILE)
@click.option(
    "--dataset",
    help="Dataset of the predictions (default: that of the weights they were made with).",
)
@click.option("-o", "--output", required=True, type=FILE, help="Archive to write.")
@click.option("--overwrite", is_flag=True, help="Replace the archive if it exists.")
def make(predictions: Path, dataset: Optional[str], output: Path, overwrite: bool) -> None:
    """Pack the predictions that `rnw eval-seg --save-predictions PREDICTIONS` wrote.

    The archive is as the server of the dataset expects it. Data of your own become a .zip or .tar
    of label maps with the numbers and colors of the classes, each named after its picture.
    """
    from rnw.evaluation.segmentation.kept import kept_dataset  # need an extra
    from rnw.evaluation.segmentation.submission import write_submission

    count = write_submission(predictions, kept_dataset(predictions, dataset), output, overwrite)
    click.echo(f"{output}: {counted(count, 'picture')}")


@command.command()
@click.argument("submission", type=FILE)
@segmentation_dataset_option
@click.option(
    "--split",
    help="Split that was predicted (default: test where the dataset has one, else the split that "
    "it is tested on).",
)
@data_root_option
@json_option
def check(
    submission: Path, dataset: str, split: Optional[str], data_root: Optional[Path], as_json: bool
) -> None:
    """List all that is wrong with SUBMISSION, a folder or an archive.

    The exit status is 2 when something is wrong.
    """
    from rnw.data.sets.catalog import find_segmentation_dataset  # need an extra
    from rnw.evaluation.segmentation.submission import check_submission

    problems = check_submission(submission, find_segmentation_dataset(dataset), data_root, split)
    if as_json:
        print_json({"problems": problems})
    elif problems:
        click.echo("\n".join(problems), err=True)
    else:
        click.echo(f"{submission}: nothing is wrong")
    raise SystemExit(2 if problems else 0)
