"""Options and body of the commands that train."""

import contextlib
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple, Optional, Tuple

import click

from rnw.cli.common import (
    FILE,
    SEED,
    Choice,
    data_root_option,
    device_options,
    ending_at_once,
    show_warnings,
)
from rnw.cli.display import Display
from rnw.errors import InputError
from rnw.runtime import make_contexts
from rnw.training.recipes import Recipe, SegmentationRecipe, find_recipe
from rnw.training.signals import RunStoppedError

_OPTIONS = (
    click.option("--recipe", help="A row of the recipe table; default: that of the dataset."),
    click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a field."),
    click.option(
        "--kvstore",
        help="local, device, dist_sync, dist_device_sync or dist_async (see rnw launch).",
    ),
    click.option("--seed", type=SEED, default=0, show_default=True),
    click.option("--output", type=FILE, default="output", show_default=True, metavar="DIR"),
    click.option("--overwrite", is_flag=True, help="Replace the checkpoints of an earlier run."),
    click.option(
        "--weights", "--init", "weights", type=FILE, help="Start from this file, not the recipe's."
    ),
    click.option("--recompute", is_flag=True, help="Less memory, more time."),
    click.option("--dry-run", is_flag=True, help="Print steps, memory and days; write nothing."),
    click.option("--resume", is_flag=True, help="Go on with the run in --output, if there is one."),
    click.option(
        "--checkpoint-every", type=click.IntRange(1), metavar="N", help="Save each N steps as well."
    ),
    click.option(
        "--keep", type=click.IntRange(1), metavar="N", help="Keep the N newest epochs only."
    ),
    click.option(
        "--keep-every",
        type=click.IntRange(1),
        metavar="N",
        help="With --keep: and each N-th epoch.",
    ),
    click.option(
        "--val-every",
        type=click.IntRange(1),
        metavar="N",
        help="Test each N epochs; keep the best.",
    ),
    click.option("--tensorboard", is_flag=True, help="Write event files for TensorBoard as well."),
    click.option(
        "--workers", type=click.IntRange(0), metavar="N", help="Read pictures by N processes."
    ),
    click.option("--prefetcher", type=Choice(["process", "thread"]), default="process"),
    click.option(
        "--decoder", default="opencv", show_default=True, help="opencv, or the exact pillow."
    ),
    click.option(
        "--skip-bad-images", is_flag=True, help="Go on without pictures that are damaged."
    ),
    data_root_option,
    device_options,
)


def training_options(command: Callable) -> Callable:
    """Add all that `run_training` takes, and what signals do before and after the run."""
    command = ending_at_once(command)
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


class Task(NamedTuple):
    """What a command trains for; its functions import what starts MXNet or is of an extra.

    command: the name of the one for this task. find_dataset: in the table of the task, by name.
    make_validator: as that of `rnw.evaluation.classification.validate`; `best_by` is the score
    that counts.
    """

    command: str
    default_dataset: str
    find_dataset: Callable[[str], Any]
    make_validator: Callable[..., Callable]
    best_by: str

    def resolve(
        self, recipe: Optional[str], dataset: Optional[str], overrides: Tuple[str, ...]
    ) -> Recipe:
        """The recipe that options name; raises InputError for one of the other task."""
        if dataset is not None:
            overrides = (f"dataset={dataset}", *overrides)
        if recipe is None:
            recipe = self.find_dataset(dataset or self.default_dataset).recipe
        found = find_recipe(recipe, overrides)
        command = "train-seg" if isinstance(found, SegmentationRecipe) else "train-cls"
        if command != self.command:
            raise InputError(f"recipe {recipe} is for `rnw {command}`")
        return found


def run_training(
    task: Task,
    *,
    recipe: Optional[str],
    dataset: Optional[str],
    overrides: Tuple[str, ...],
    kvstore: Optional[str],
    seed: int,
    output: Path,
    overwrite: bool,
    weights: Optional[Path],
    recompute: bool,
    dry_run: bool,
    resume: bool,
    checkpoint_every: Optional[int],
    keep: Optional[int],
    keep_every: Optional[int],
    val_every: Optional[int],
    tensorboard: bool,
    workers: Optional[int],
    prefetcher: str,
    decoder: str,
    skip_bad_images: bool,
    data_root: Optional[Path],
    gpus: Optional[str],
    cpus: Optional[int],
) -> None:
    """Train as the options say, or tell what it will take."""
    if keep_every is not None and keep is None:
        raise InputError("--keep-every removes nothing by itself: add --keep N")
    if kvstore is not None:
        overrides = (*overrides, f"kvstore={kvstore}")
    resolved = task.resolve(recipe, dataset, overrides)
    contexts = make_contexts(gpus, cpus)
    if dry_run:
        from rnw.bench.plan import plan_training

        with show_warnings():
            plan = plan_training(
                resolved,
                contexts,
                data_root=data_root,
                weights=weights,
                folder=output,
                recompute=recompute,
            )
        click.echo(f"{plan}")
        return
    from rnw.data.loader import Loading  # needs an extra
    from rnw.training.run import Checkpointing, Validation, train  # starts MXNet

    validation = None
    if val_every is not None:
        score = task.make_validator(resolved.dataset, contexts, data_root=data_root)
        validation = Validation(score, val_every, task.best_by)
    with Display() as display, _exit_when_stopped(), show_warnings():
        path = train(
            resolved,
            contexts,
            output,
            seed=seed,
            data_root=data_root,
            overwrite=overwrite,
            resume=resume,
            weights=weights,
            recompute=recompute,
            checkpointing=Checkpointing(checkpoint_every, keep, keep_every),
            validation=validation,
            tensorboard=tensorboard,
            loading=Loading(decoder, workers, prefetcher == "thread", skip_bad_images),
            on_step=display.on_step,
            on_epoch=display.on_epoch,
            on_validation=display.on_validation,
            on_warm_start=lambda source, transfer: click.echo(f"{source}: {transfer}"),
        )
    click.echo(f"{path}")


@contextlib.contextmanager
def _exit_when_stopped() -> Iterator[None]:
    try:
        yield
    except RunStoppedError as stopped:
        click.echo(f"{stopped}; go on with --resume", err=True)
        raise SystemExit(stopped.exit_status) from None
