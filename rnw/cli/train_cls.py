"""`rnw train-cls`: train a classification network."""

import contextlib
from pathlib import Path
from typing import Iterator, Optional, Tuple

import click

from rnw.cli.common import FILE, data_root_option, device_options, show_warnings
from rnw.cli.display import Display
from rnw.runtime import make_contexts
from rnw.training.recipes import Recipe, find_recipe
from rnw.training.signals import RunStoppedError

DEFAULT_DATASET = "ilsvrc-cls"


@click.command()
@click.option("--recipe", help="A row of the recipe table; default: that of the data set.")
@click.option(
    "--dataset",
    help="ilsvrc-cls, places365-cls, digits or shapes-cls; default: the recipe's, or ilsvrc-cls.",
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a field.")
@click.option(
    "--kvstore", help="local, device, dist_sync, dist_device_sync or dist_async (see rnw launch)."
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option("--output", type=FILE, default="output", show_default=True, metavar="DIR")
@click.option("--overwrite", is_flag=True, help="Replace the checkpoints of an earlier run.")
@click.option("--weights", type=FILE, help="Start from this file, not the recipe's.")
@click.option("--recompute", is_flag=True, help="Less memory, more time.")
@click.option("--dry-run", is_flag=True, help="Print steps, memory and days; write nothing.")
@click.option("--resume", is_flag=True, help="Go on with the run in --output, if there is one.")
@click.option(
    "--checkpoint-every", type=click.IntRange(1), metavar="N", help="Save each N steps as well."
)
@click.option("--keep", type=click.IntRange(1), metavar="N", help="Keep the N newest epochs only.")
@click.option(
    "--keep-every", type=click.IntRange(1), metavar="N", help="With --keep: and each N-th epoch."
)
@click.option(
    "--val-every", type=click.IntRange(1), metavar="N", help="Test each N epochs; keep the best."
)
@click.option("--tensorboard", is_flag=True, help="Write event files for TensorBoard as well.")
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
    """Train a network; with nothing else but devices, the paper's Model A on ILSVRC 2012."""
    if kvstore is not None:
        overrides = (*overrides, f"kvstore={kvstore}")
    resolved = _resolve(recipe, dataset, overrides)
    contexts = make_contexts(gpus, cpus)
    if dry_run:
        from rnw.analysis.plan import plan_training

        plan = plan_training(
            resolved, contexts, data_root=data_root, weights=weights, recompute=recompute
        )
        click.echo(f"{plan}")
        return
    from rnw.data.loader import Loading  # needs an extra
    from rnw.evaluation.classification import make_validator  # starts MXNet
    from rnw.training.run import Checkpointing, Validation, train

    validation = None
    if val_every is not None:
        score = make_validator(resolved.dataset, contexts, data_root=data_root)
        validation = Validation(score, val_every)
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


def _resolve(recipe: Optional[str], dataset: Optional[str], overrides: Tuple[str, ...]) -> Recipe:
    from rnw.data.catalog import find_dataset  # needs an extra, which `--help` must not

    if dataset is None:
        return find_recipe(recipe or find_dataset(DEFAULT_DATASET).recipe, overrides)
    found = find_dataset(dataset)
    return find_recipe(recipe or found.recipe, [f"dataset={dataset}", *overrides])
