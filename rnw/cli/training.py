"""Options and body of the commands that train."""

import contextlib
import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Iterator,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
)

import click

from rnw.cli.common import (
    FILE,
    SEED,
    Choice,
    data_root_option,
    device_options,
    name_dataset,
    one_of,
    overrides_option,
    print_line,
    recipe_option,
    tell_held_out,
    val_fraction_option,
)
from rnw.cli.display import Display
from rnw.data.own.description import CLASSIFICATION, SEGMENTATION
from rnw.data.sets.rows import Row, note_on_tests
from rnw.errors import InputError
from rnw.runtime import make_contexts
from rnw.training.choices import KVSTORES
from rnw.training.signals import EndAtOnce, RunStoppedError
from rnw.weights.precision import PRECISIONS

if TYPE_CHECKING:
    from rnw.training.options import Options
    from rnw.training.recipe import Recipe

_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


class _Memory(click.ParamType):
    """A number of bytes such as 8GB, 7.5GiB or 8000000000; or True or False, as a flag is."""

    name = "memory"

    def convert(self, value: Any, *where: Any) -> Union[bool, int]:
        if isinstance(value, bool):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMG]I?B|)", value.strip().upper())
        if found is None or not float(found[1]):
            self.fail(f"{value!r}: expected a number of bytes such as 8GB or 7.5GiB", *where)
        return int(float(found[1]) * _UNITS[found[2]])


unchecked_option = click.option(
    "--unchecked",
    is_flag=True,
    help="Train on data of your own without reading all of it first, as `rnw dataset check` does, "
    "and even where that finds errors.",
)


def _whole_number(name: str, text: str) -> Callable:
    """Return an option that takes a whole number from 1 on."""
    return click.option(name, type=click.IntRange(1), metavar="N", help=text)


_OPTIONS = (
    recipe_option,
    overrides_option,
    click.option(
        "--split",
        help="Split of the dataset to train on (default: that of the recipe, or the dataset's "
        "training split).",
    ),
    click.option(
        "--kvstore",
        help=f"How devices and machines share gradients: {one_of(KVSTORES)} (default: that of the "
        "recipe; dist_* need `rnw launch`).",
    ),
    click.option(
        "--precision",
        type=Choice(tuple(PRECISIONS)),
        help="Numbers to compute the network in, with weights in float32: bfloat16 on CPUs with "
        "instructions for it, or float16 on GPUs (default: that of the recipe, else float32).",
    ),
    click.option(
        "--force-precision",
        is_flag=True,
        help="Compute in bfloat16 also on a CPU that only emulates it, slower than float32.",
    ),
    click.option(
        "--seed",
        type=SEED,
        default=0,
        show_default=True,
        help="Seed of initial values, order and augmentation.",
    ),
    click.option(
        "--output",
        type=FILE,
        default="output",
        show_default=True,
        metavar="DIR",
        help="Folder of the run: checkpoints, state and metrics.",
    ),
    click.option("--overwrite", is_flag=True, help="Replace the checkpoints of an earlier run."),
    click.option(
        "--weights",
        "--init",
        "weights",
        type=FILE,
        help="Weights file to start from (default: the one that the recipe names, if any).",
    ),
    click.option(
        "--recompute",
        is_flag=False,
        flag_value=True,
        default=False,
        type=_Memory(),
        metavar="[BYTES]",
        help="Recompute activations in the backward pass: less memory, more time. With BYTES, such "
        "as 8GB, only as many as it takes to fit into that memory: of each GPU, or on CPUs of the "
        "process.",
    ),
    click.option(
        "--dry-run",
        is_flag=True,
        help="Print the number of steps, the memory and the time the run will take; write nothing.",
    ),
    click.option("--resume", is_flag=True, help="Resume the run in --output, if there is one."),
    click.option(
        "--from-epoch",
        type=click.IntRange(0),
        default=0,
        metavar="N",
        help="Begin as if N epochs were done, with weights alone: those of --weights, or those of "
        "epoch N in --output. The schedule goes on there, momentum starts from zero.",
    ),
    click.option(
        "--states",
        type=FILE,
        metavar="FILE",
        help="Take momentum from a .states file of Module or of gluon.Trainer (with --weights).",
    ),
    _whole_number(
        "--stop-epoch",
        "End after epoch N, with the schedule of the whole run, which --resume continues.",
    ),
    _whole_number(
        "--checkpoint-every",
        "Also save the state of the run every N steps, not only after each epoch.",
    ),
    _whole_number("--keep", "Number of newest checkpoints to keep (default: all)."),
    _whole_number("--keep-every", "Also keep the checkpoint of every N-th epoch (with --keep)."),
    _whole_number("--val-every", "Test the network every N epochs, and keep the best checkpoint."),
    _whole_number(
        "--early-stop",
        "End the run after N tests in a row without a better score (with --val-every).",
    ),
    click.option(
        "--log-file",
        type=FILE,
        metavar="FILE",
        help="File to append the log to (default: <label>.log in --output).",
    ),
    click.option("--tensorboard", is_flag=True, help="Also write event files for TensorBoard."),
    click.option(
        "--workers",
        type=click.IntRange(0),
        metavar="N",
        help="Number of processes (or threads, see --prefetcher) that read pictures (default: one "
        "fewer than the cores).",
    ),
    click.option(
        "--prefetcher",
        type=Choice(["process", "thread"]),
        default="process",
        show_default=True,
        help="Whether pictures are read in processes or in threads.",
    ),
    click.option(
        "--decoder",
        default="opencv",
        show_default=True,
        help="Library that decodes pictures: opencv is faster, pillow gives exactly the pixels of "
        "the paper's code.",
    ),
    click.option(
        "--skip-bad-images",
        is_flag=True,
        help="Leave out damaged pictures in place of ending with an error.",
    ),
    unchecked_option,
    val_fraction_option,
    data_root_option,
    device_options,
)


def training_options(command: Callable) -> Callable:
    """Add the options of `Arguments`, and what signals do before and after the run."""
    command = _ending_at_once(command)
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _ending_at_once(command: Callable) -> Callable:
    """Let signals end a command that trains at once while no run handles them."""

    @functools.wraps(command)
    def run(**options: Any) -> None:
        with EndAtOnce(to_the_end=bool(click.get_current_context().find_root().obj)):
            command(**options)

    return run


COMMANDS = {CLASSIFICATION: "train-cls", SEGMENTATION: "train-seg"}


class Task(NamedTuple):
    """What a command trains for; its functions import what starts MXNet or is of an extra.

    name: that of the task in recipes. find_dataset: in the table of the task, by name.
    make_validator: as that of `rnw.evaluation.classification.validate`; `best_by` is the score
    that counts. own_recipe: for a dataset of one's own; empty: to fine-tune where there is what to
    start from.
    """

    name: str
    default_dataset: str
    find_dataset: Callable[[str], Any]
    make_validator: Callable[..., Callable]
    best_by: str
    own_recipe: str = ""

    def resolve(
        self,
        recipe: Optional[str],
        dataset: Optional[str],
        overrides: Tuple[str, ...],
        weights: Optional[Path] = None,
        data_root: Optional[Path] = None,
        split: Optional[str] = None,
    ) -> "Recipe":
        """Return the recipe that options name; raise InputError for one of the other task.

        For a dataset without a recipe, as those of one's own are, it is chosen by whether there are
        `weights` to start from, and fits the data, as does any recipe that is for no dataset.
        """
        from rnw.training.recipes import find_recipe, is_for_any_data

        if dataset is not None:
            overrides = (f"dataset={dataset}", *overrides)
        if split is not None:
            overrides = (*overrides, f"split={split}")
        row = self._row(recipe, dataset)
        if row is not None and (not row.recipe or is_for_any_data(recipe)):
            from rnw.training.own_recipes import choose_recipe, fit_recipe  # needs an extra

            if recipe is None:
                recipe = self.own_recipe or choose_recipe(row, weights)
                click.echo(f"trained by recipe {recipe}; --recipe chooses another", err=True)
            tell_held_out(row)
            if note_on_tests(row):
                print_line(note_on_tests(row), err=True)
            network = dict(text.partition("=")[::2] for text in overrides).get("network")
            fitted = fit_recipe(recipe, row, weights, data_root, network, split=split)
            overrides = (*fitted, *overrides)
        if recipe is None:
            recipe = row.recipe
        found = find_recipe(recipe, overrides)
        if found.task != self.name:
            raise InputError(f"recipe {recipe} is for `rnw {COMMANDS[found.task]}`")
        return found.with_row(row) if row is not None and found.dataset == dataset else found

    def _row(self, recipe: Optional[str], dataset: Optional[str]) -> Any:
        """Return the row of the dataset where it tells or changes the recipe, else None."""
        if recipe is None or dataset is not None:
            return self.find_dataset(dataset or self.default_dataset)
        return None


@dataclass(frozen=True)
class Arguments:
    """What the options of a command that trains say, by the names of their parameters."""

    recipe: Optional[str]
    dataset: Optional[str]
    overrides: Tuple[str, ...]
    split: Optional[str]
    kvstore: Optional[str]
    precision: Optional[str]
    force_precision: bool
    seed: int
    output: Path
    overwrite: bool
    weights: Optional[Path]
    recompute: Union[bool, int]
    dry_run: bool
    resume: bool
    from_epoch: int
    states: Optional[Path]
    stop_epoch: Optional[int]
    checkpoint_every: Optional[int]
    keep: Optional[int]
    keep_every: Optional[int]
    val_every: Optional[int]
    early_stop: Optional[int]
    log_file: Optional[Path]
    tensorboard: bool
    workers: Optional[int]
    prefetcher: str
    decoder: str
    skip_bad_images: bool
    unchecked: bool
    val_fraction: Optional[float]
    data_root: Optional[Path]
    gpus: Optional[str]
    cpus: Optional[int]

    def resolve(self, task: Task) -> "Recipe":
        """Return the recipe; raise InputError for options that do not go together."""
        if self.keep_every is not None and self.keep is None:
            raise InputError("--keep-every removes nothing by itself: add --keep N")
        if self.early_stop is not None and self.val_every is None:
            raise InputError("--early-stop counts tests of the network: add --val-every N")
        overrides = self.overrides
        if self.kvstore is not None:
            overrides = (*overrides, f"kvstore={self.kvstore}")
        if self.precision is not None:
            overrides = (*overrides, f"precision={self.precision}")
        dataset = name_dataset(self.dataset, self.val_fraction)
        return task.resolve(
            self.recipe, dataset, overrides, self.weights, self.data_root, self.split
        )

    def options(self, task: Task, dataset: Row, contexts: Sequence[Any]) -> "Options":
        """Return how the run is carried out."""
        from rnw.data.loader import Loading  # needs an extra
        from rnw.training.options import Options, Validation
        from rnw.training.run_folder import Checkpointing

        validation = None
        if self.val_every is not None:
            score = task.make_validator(dataset, contexts, data_root=self.data_root)
            validation = Validation(score, self.val_every, task.best_by, self.early_stop)
        threads = self.prefetcher == "thread"
        return Options(
            loading=Loading(self.decoder, self.workers, threads, self.skip_bad_images),
            recompute=self.recompute,
            checkpointing=Checkpointing(self.checkpoint_every, self.keep, self.keep_every),
            validation=validation,
            tensorboard=self.tensorboard,
            log_file=self.log_file,
            from_epoch=self.from_epoch,
            states=self.states,
            stop_epoch=self.stop_epoch,
            force_precision=self.force_precision,
            unchecked=self.unchecked,
        )


def run_training(task: Task, arguments: Arguments) -> None:
    """Train as the options say, or print what it will take."""
    recipe = arguments.resolve(task)
    contexts = make_contexts(arguments.gpus, arguments.cpus)
    if arguments.dry_run:
        _print_plan(recipe, contexts, arguments)
        return
    from rnw.training.run import train  # starts MXNet

    options = arguments.options(task, recipe.row, contexts)
    with Display() as display, _exit_when_stopped():
        path = train(
            recipe,
            contexts,
            arguments.output,
            seed=arguments.seed,
            data_root=arguments.data_root,
            weights=arguments.weights,
            resume=arguments.resume,
            overwrite=arguments.overwrite,
            options=options,
            observer=display,
        )
    stop = arguments.stop_epoch
    if stop is not None and stop < recipe.epochs:
        click.echo(f"--stop-epoch {stop} of {recipe.epochs}: --resume continues the run", err=True)
    click.echo(f"{path}")


def _print_plan(recipe: "Recipe", contexts: Sequence[Any], arguments: Arguments) -> None:
    from rnw.bench.plan import plan_training

    plan = plan_training(
        recipe,
        contexts,
        data_root=arguments.data_root,
        weights=arguments.weights,
        folder=arguments.output,
        recompute=arguments.recompute,
        epochs=(arguments.stop_epoch or recipe.epochs) - arguments.from_epoch,
        force_precision=arguments.force_precision,
    )
    click.echo(f"{plan}")


@contextlib.contextmanager
def _exit_when_stopped() -> Iterator[None]:
    try:
        yield
    except RunStoppedError as stopped:
        click.echo(f"{stopped}; run the same command with --resume to continue", err=True)
        raise SystemExit(stopped.exit_status) from None
