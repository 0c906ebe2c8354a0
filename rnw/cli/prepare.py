"""`rnw prepare`: from downloaded archives or folders to what the trainer reads."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional, Tuple, Union

import click

from rnw.cli.common import FILE, Choice, exit_when_interrupted, one_of
from rnw.data.sets import catalog

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

    from rnw.data.prepare.classification import Preparation
    from rnw.data.prepare.official import PreparationStep
    from rnw.data.prepare.packed import PackedPreparation
    from rnw.data.prepare.segmentation import SegmentationPreparation

DATASETS = catalog.to_prepare()
SECONDS = 1  # between two lines of progress


@click.command(epilog=f"DATASET is {one_of(DATASETS)}.")
@click.argument("dataset", type=Choice(DATASETS), metavar="DATASET")
@click.argument("sources", type=FILE, nargs=-1, metavar="[FOLDER]...")
@click.option(
    "--output",
    type=FILE,
    help="Folder to write to (default: the dataset's own folder below data/).",
)
@click.option(
    "--split",
    "splits",
    multiple=True,
    metavar="NAME",
    help="Split to prepare (may be repeated; default: all that are found).",
)
@click.option(
    "--subset",
    is_flag=True,
    help="Accept an incomplete dataset: check neither numbers of files nor checksums.",
)
@click.option(
    "--md5/--no-md5",
    default=True,
    help="Whether to verify the MD5 checksums of archives before extracting (default: yes).",
)
@click.option(
    "--pack", is_flag=True, help="Also pack the pictures into RecordIO files (classification only)."
)
@click.option(
    "--overwrite", is_flag=True, help="Replace lists, RecordIO files and label maps that exist."
)
@click.option(
    "--dry-run", is_flag=True, help="Print the steps to take and what is missing, and do nothing."
)
def command(
    dataset: str,
    sources: Tuple[Path, ...],
    output: Optional[Path],
    splits: Tuple[str, ...],
    subset: bool,
    md5: bool,
    pack: bool,
    overwrite: bool,
    dry_run: bool,
) -> None:
    """Prepare a dataset for training and testing from its official archives.

    Each FOLDER holds archives or what was extracted from them. Archives are extracted, folders are
    linked, then the lists of pictures are written. It can be stopped at any time: run the same
    command again to resume.
    """
    preparation = _preparation(
        dataset, output, splits, pack, sources=sources, subset=subset, md5=md5, overwrite=overwrite
    )
    steps = preparation.plan()
    if dry_run:
        for step in steps:
            click.echo(step.text)
        click.echo("this would be done" if steps else "nothing to do")
        return
    if steps:
        from rnw.data.prepare.official import take_steps

        with exit_when_interrupted(overwrite=overwrite):
            take_steps(preparation, _Progress)
    for line in preparation.summary():
        click.echo(line)


def _preparation(
    dataset: str, output: Optional[Path], splits: Tuple[str, ...], pack: bool, **options: Any
) -> "Union[Preparation, PackedPreparation, SegmentationPreparation]":
    from rnw.data.prepare.classification import Preparation  # need an extra
    from rnw.data.prepare.packed import PackedPreparation
    from rnw.data.prepare.segmentation import SegmentationPreparation
    from rnw.data.sets.publication import PackedPublication

    if dataset in catalog.DATASETS:
        row = catalog.find_dataset(dataset)
        folder = output or row.root
        if row.publication is None or folder is None:
            raise click.UsageError(f"{dataset} needs no preparation")
        if isinstance(row.publication, PackedPublication):
            if pack:
                raise click.UsageError(f"--pack: the pictures of {dataset} are packed as published")
            del options["overwrite"]  # nothing is written
            return PackedPreparation(row, row.publication, output=folder, splits=splits, **options)
        return Preparation(row.publication, output=folder, splits=splits, pack=pack, **options)
    if pack:
        raise click.UsageError(f"--pack is for pictures with one class each, not for {dataset}")
    labeled = catalog.find_segmentation_dataset(dataset)
    folder = output or labeled.root
    if folder is None:
        raise click.UsageError(f"{dataset} needs no preparation")
    return SegmentationPreparation(labeled, output=folder, splits=splits, **options)


class _Progress:
    """Shows the text of a step, then on a terminal a bar, elsewhere a line for each slow tenth.

    As a context it is the function that shows the progress.
    """

    def __init__(self, step: "PreparationStep"):
        click.echo(step.text)
        self._bar: Optional[ProgressBar[int]] = None
        self._tenths = 0
        self._when = time.monotonic()

    def __enter__(self) -> Callable[[int, int], None]:
        return self._show

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.render_finish()

    def _show(self, done: int, total: int) -> None:
        if sys.stdout.isatty():
            if self._bar is None:
                self._bar = click.progressbar(length=total)
            self._bar.update(done - self._bar.pos)
        elif done * 10 // total > self._tenths and time.monotonic() > self._when + SECONDS:
            self._tenths, self._when = done * 10 // total, time.monotonic()
            click.echo(f"  {self._tenths}0 %")
