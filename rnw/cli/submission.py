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


@click.group(cls=Group)
def command() -> None:
    """Pack predictions as benchmark servers take them, and check what was packed."""


@command.command()
@click.argument("predictions", type=FILE)
@segmentation_dataset_option
@click.option("-o", "--output", required=True, type=FILE, help="The archive.")
@click.option("--overwrite", is_flag=True, help="Replace the archive if it exists.")
def make(predictions: Path, dataset: str, output: Path, overwrite: bool) -> None:
    """Pack what `rnw eval-seg --save-predictions PREDICTIONS` kept."""
    from rnw.evaluation.segmentation.kept import kept_dataset  # need an extra
    from rnw.evaluation.segmentation.submission import write_submission

    count = write_submission(predictions, kept_dataset(predictions, dataset), output, overwrite)
    click.echo(f"{output}: {count} pictures")


@command.command()
@click.argument("submission", type=FILE)
@segmentation_dataset_option
@click.option("--split", help="Default: test, where the dataset has it, or its test split.")
@data_root_option
@json_option
def check(
    submission: Path, dataset: str, split: Optional[str], data_root: Optional[Path], as_json: bool
) -> None:
    """Name all that is wrong with SUBMISSION, a folder or an archive; status 2 if something is."""
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
