"""`rnw train-cls`: train a classification network."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Optional, Tuple

import click

from rnw.cli.common import FILE, data_root_option, device_options, show_warnings
from rnw.runtime import make_contexts
from rnw.training.recipes import Recipe, find_recipe
from rnw.training.signals import RunStoppedError

if TYPE_CHECKING:
    from rnw.training.run import Progress

DEFAULT_DATASET = "ilsvrc-cls"
CLEAR_LINE = "\r\033[K\033[?25h"  # and show the cursor, which the bar hides


@click.command()
@click.option("--recipe", help="A row of the recipe table; default: that of the data set.")
@click.option(
    "--dataset", help="digits or ilsvrc-cls; default: that of the recipe, else ilsvrc-cls."
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a field.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option("--output", type=FILE, default="output", show_default=True, metavar="DIR")
@click.option("--overwrite", is_flag=True, help="Replace the checkpoints of an earlier run.")
@click.option("--weights", type=FILE, help="Start from this file where it fits.")
@click.option("--resume", is_flag=True, help="Go on with the run in --output, if there is one.")
@click.option(
    "--checkpoint-every", type=click.IntRange(1), metavar="N", help="Save each N steps as well."
)
@click.option("--keep", type=click.IntRange(1), metavar="N", help="Keep the N newest epochs only.")
@click.option(
    "--keep-every", type=click.IntRange(1), metavar="N", help="With --keep: and each N-th epoch."
)
@click.option(
    "--workers", type=click.IntRange(0), metavar="N", help="Read pictures by N processes."
)
@click.option("--prefetcher", type=click.Choice(["process", "thread"]), default="process")
@click.option("--decoder", default="opencv", show_default=True, help="opencv, or the exact pillow.")
@click.option("--skip-bad-images", is_flag=True, help="Go on without pictures that are damaged.")
@data_root_option
@device_options
def command(
    recipe: Optional[str],
    dataset: Optional[str],
    overrides: Tuple[str, ...],
    seed: int,
    output: Path,
    overwrite: bool,
    weights: Optional[Path],
    resume: bool,
    checkpoint_every: Optional[int],
    keep: Optional[int],
    keep_every: Optional[int],
    workers: Optional[int],
    prefetcher: str,
    decoder: str,
    skip_bad_images: bool,
    data_root: Optional[Path],
    gpus: Optional[str],
    cpus: Optional[int],
) -> None:
    """Train a network; with nothing else but devices, the paper's Model A on ILSVRC 2012."""
    resolved = _resolve(recipe, dataset, overrides)
    contexts = make_contexts(gpus, cpus)
    from rnw.data.loader import Loading  # needs an extra
    from rnw.training.run import Checkpointing, train  # starts MXNet

    with _Display() as display, _exit_when_stopped(), show_warnings():
        path = train(
            resolved,
            contexts,
            output,
            seed=seed,
            data_root=data_root,
            overwrite=overwrite,
            resume=resume,
            weights=weights,
            checkpointing=Checkpointing(checkpoint_every, keep, keep_every),
            loading=Loading(decoder, workers, prefetcher == "thread", skip_bad_images),
            on_step=display.on_step,
            on_epoch=display.on_epoch,
            on_warm_start=lambda transfer: click.echo(f"{weights}: {transfer}"),
        )
    click.echo(f"{path}")


@contextlib.contextmanager
def _exit_when_stopped() -> Iterator[None]:
    try:
        yield
    except RunStoppedError as stopped:
        click.echo(f"{stopped}; go on with --resume", err=True)
        raise SystemExit(stopped.exit_status) from None


def _resolve(recipe: Optional[str], dataset: Optional[str], overrides: Tuple[str, ...]) -> Recipe:
    from rnw.data.catalog import find_dataset  # needs an extra, which `--help` must not

    if dataset is None:
        return find_recipe(recipe or find_dataset(DEFAULT_DATASET).recipe, overrides)
    found = find_dataset(dataset)
    return find_recipe(recipe or found.recipe, [f"dataset={dataset}", *overrides])


class _Display:
    """On a terminal a bar for the epoch under way; a line for each epoch that is done."""

    def __init__(self):
        self._bar = None

    def __enter__(self) -> "_Display":
        return self

    def __exit__(self, *exception: object) -> None:
        self._remove_bar()

    def on_step(self, progress: "Progress") -> None:
        if not sys.stdout.isatty():
            return
        if self._bar is None:
            self._bar = click.progressbar(length=progress.steps)
        self._bar.label = str(progress)
        self._bar.update(progress.step - self._bar.pos)  # a resumed epoch starts further on

    def on_epoch(self, progress: "Progress") -> None:
        self._remove_bar()
        click.echo(progress.of_epoch())

    def _remove_bar(self) -> None:
        if self._bar is not None:
            click.echo(CLEAR_LINE, nl=False)
            self._bar = None
