"""Options and output that several commands share."""

import contextlib
import functools
import importlib
import json
import logging
import os
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
    Type,
    Union,
)

import click

from rnw.data.picture_types import INTERPOLATIONS
from rnw.data.sets.catalog import SEGMENTATION, hold_out
from rnw.data.sets.rows import Row
from rnw.errors import InputError, did_you_mean, printable
from rnw.evaluation.computing import Computing
from rnw.evaluation.engines.providers import OF_GPUS, PROVIDERS
from rnw.evaluation.engines.table import ENGINES, open_engine
from rnw.memory import AUTO
from rnw.networks.layout import POOLINGS
from rnw.runtime import make_contexts
from rnw.training.signals import RunStoppedError
from rnw.weights.precision import FLOAT32, PRECISIONS

SUMMARY = 150  # letters of a command in the list of commands, enough for a sentence
INTERRUPTED = 130  # the status of what Ctrl-C ended


class _File(click.Path):
    """The name of a file or folder, which need not exist."""

    def convert(self, value: Any, *where: Any) -> Path:
        if not value or "\0" in str(value):
            raise InputError(f"{str(value)!r} is not a file name")
        return Path(os.fsdecode(super().convert(value, *where)))


class Group(click.Group):
    """A command with subcommands, which lists whole sentences and knows mistyped names."""

    def sections(self, ctx: click.Context) -> Dict[str, List[str]]:
        """Return the names of the subcommands below each heading of the help."""
        return {"Commands": self.list_commands(ctx)}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first sentence of each command's help below the heading of its section."""
        width = max(map(len, self.list_commands(ctx)))
        for heading, names in self.sections(ctx).items():
            commands = ((name, self.get_command(ctx, name)) for name in names)
            rows = [
                (f"{name:{width}}", command.get_short_help_str(limit=SUMMARY))
                for name, command in commands
                if command is not None
            ]
            with formatter.section(heading):
                formatter.write_dl(rows)

    def resolve_command(self, ctx: click.Context, args: List[str]) -> Any:
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not ctx.resilient_parsing and not name.startswith("-"):
            ctx.fail(f"No such command {name!r}{did_you_mean(name, known)}")
        return super().resolve_command(ctx, args)


class Folder(Group):
    """A command with a module of `package` for each subcommand, imported when it is called."""

    def __init__(self, *values: Any, package: str, names: Iterable[str], **options: Any):
        super().__init__(*values, **options)
        self._package, self._names = package, list(names)

    def list_commands(self, ctx: click.Context) -> List[str]:
        return list(self._names)

    def get_command(self, ctx: click.Context, name: str) -> Optional[click.Command]:
        if name not in self._names:
            return None
        return importlib.import_module(f"{self._package}.{name.replace('-', '_')}").command


class Choice(click.Choice):
    """One of several words, which suggests the one most like a mistyped word."""

    def convert(self, value: Any, *where: Any) -> Any:
        try:
            return super().convert(value, *where)
        except click.BadParameter as error:
            message = error.message.rstrip(".") + did_you_mean(str(value), self.choices)
            raise click.BadParameter(message, error.ctx, error.param) from None


class _Tile(click.ParamType):
    """A number of pixels, or the word auto."""

    name = "tile"

    def convert(self, value: Any, *where: Any) -> Union[int, str]:
        return value if value == AUTO else click.IntRange(1).convert(value, *where)


FILE = _File(path_type=Path)
SEED = click.IntRange(0, 2**32 - 1)


def one_of(names: Iterable[str]) -> str:
    """Return names as help lists them: 'a, b or c'."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def take(kind: Type[Any], options: Dict[str, Any]) -> Any:
    """Remove the options named as the fields of a dataclass, and return one made of them."""
    return kind(**{field.name: options.pop(field.name) for field in fields(kind)})


def gather(name: str, kind: Type[Any]) -> Callable[[Callable], Callable]:
    """Hand the options named as the fields of a dataclass to a command as one argument `name`."""

    def decorate(command: Callable) -> Callable:
        @functools.wraps(command)
        def run(**options: Any) -> Any:
            gathered = take(kind, options)
            return command(**options, **{name: gathered})

        return run

    return decorate


@dataclass(frozen=True)
class Devices:
    """The devices of `device_options`: numbers of GPUs such as '0,1', or a number of CPUs."""

    gpus: Optional[str]
    cpus: Optional[int]

    def contexts(self) -> List[Any]:
        """Return their MXNet contexts, one CPU by default; raise InputError for missing ones."""
        return make_contexts(self.gpus, self.cpus)


def precision_options(command: Callable) -> Callable:
    """Add `--precision NAME` and `--force-precision`."""
    command = click.option(
        "--force-precision",
        is_flag=True,
        help="Compute in bfloat16 also on a CPU that only emulates it, slower than float32.",
    )(command)
    return click.option(
        "--precision",
        type=Choice(tuple(PRECISIONS)),
        default=FLOAT32,
        show_default=True,
        help="Numbers to compute convolutions in: bfloat16 on CPUs with instructions for it, or "
        "float16 on GPUs.",
    )(command)


def device_options(command: Callable) -> Callable:
    """Add `--gpus 0,1,2,3` and `--cpus N`, the fields of `Devices`."""
    command = click.option(
        "--cpus", type=int, metavar="N", help="Number of CPU devices to compute on (default: 1)."
    )(command)
    return click.option(
        "--gpus",
        metavar="0,1,...",
        help="Numbers of the GPUs to compute on, joined by commas (default: the CPU).",
    )(command)


@dataclass(frozen=True)
class EngineDevices(Devices):
    """The devices of `engine_options`, the engine that computes on them, and its precision."""

    engine: Optional[str]
    provider: Optional[str]
    precision: str
    force_precision: bool

    def chooses(self) -> bool:
        """Return whether an engine, its provider or a precision is asked for."""
        return bool(self.engine or self.provider) or self.precision != FLOAT32

    def open(self) -> Tuple[List[Any], Computing]:
        """Return the devices, and what computes on them.

        Raises InputError where the engine cannot be used.
        """
        engine, devices = open_engine(self.engine, self.gpus, self.cpus, self.provider)
        computing = Computing(engine.name, self.precision, self.force_precision)
        return devices, computing.on(devices)


def engine_options(command: Callable) -> Callable:
    """Add the fields of `EngineDevices` as options."""
    command = click.option(
        "--provider",
        type=Choice(tuple(PROVIDERS)),
        help="What ONNX Runtime computes by, where its installed build has it (default: cpu, with "
        f"--gpus the first that it has of {one_of(OF_GPUS)}).",
    )(precision_options(device_options(command)))
    return click.option(
        "--engine",
        type=Choice(tuple(ENGINES)),
        help="What computes the network: MXNet, or ONNX Runtime or OpenVINO, which need no MXNet "
        "(default: the first of them that is installed and computes on the devices).",
    )(command)


def tell_computing(computing: Computing, err: bool = False) -> None:
    """Tell what computed the network, unless it is the reference, MXNet in float32."""
    if computing.note:
        print_line(computing.note, err=err)


def parse_numbers(kind: Callable[[str], Any], expected: str) -> Callable:
    """Return a callback for an option of numbers joined by commas."""

    def parse(ctx: click.Context, option: click.Parameter, text: str) -> Tuple[Any, ...]:
        try:
            return tuple(kind(number) for number in text.split(",")) if text else ()
        except ValueError:
            raise click.BadParameter(f"{text!r}: expected {expected}") from None

    return parse


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as one JSON object on one line."
)
width_option = click.option(
    "--width",
    type=float,
    default=1.0,
    show_default=True,
    help="Factor on the number of channels of every layer.",
)
classes_option = click.option(
    "--classes",
    type=int,
    help="Number of classes (default: 1000 for classification, 21 for segmentation).",
)
segmentation_dataset_option = click.option(
    "--dataset",
    required=True,
    help=f"Segmentation dataset that the labels belong to: {one_of(SEGMENTATION)}, or the folder "
    "or description of your own.",
)
tested_split_option = click.option(
    "--split",
    help="Split of the dataset to test on (default: the one that the dataset is tested on).",
)
data_root_option = click.option(
    "--data-root",
    type=FILE,
    help="Folder of the prepared dataset (default: its own folder below data/).",
)

trained_dataset_option = click.option(
    "--dataset",
    metavar="DS",
    help="Dataset that the network was trained on: a name, or the folder or description of your "
    "own (default: inferred from the weights file, its name and what lies beside it).",
)
network_option = click.option(
    "--network",
    metavar="NAME",
    help="Network that the weights belong to, as `rnw networks` lists them (default: inferred from "
    "the weights file, its name and what lies beside it).",
)
val_fraction_option = click.option(
    "--val-fraction",
    type=click.FloatRange(0, 1, max_open=True),
    metavar="X",
    help="Part of the training pictures to hold out for validation, where data of your own have no "
    "split for it (default: that of the description, and 0.1 for a folder).",
)
pooling_option = click.option(
    "--pooling",
    type=Choice(POOLINGS),
    help="How the poolings of Model A treat borders: pad by a pixel, caffe without padding, or "
    "full, rounded up, as MXNet did until July 2016 (default: that of the graph beside the "
    "weights, else of the released file, else pad).",
)
interpolation_option = click.option(
    "--interpolation",
    type=Choice(INTERPOLATIONS),
    help="How pictures are resized: by a filter that is chosen by whether they shrink or grow, or "
    "always by the cubic one (default: that of the released file, else adaptive).",
)
recipe_option = click.option(
    "--recipe",
    metavar="NAME|FILE",
    help="Recipe to train by: one that `rnw analyze recipes` lists, or a file, YAML or the JSON "
    "that each run writes (default: that of the dataset).",
)
overrides_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a field of the recipe, such as epochs=10 (may be repeated). "
    "`rnw analyze recipes --fields` explains the fields.",
)

_PROTOCOL = (
    click.option(
        "--scales",
        callback=parse_numbers(int, "sizes such as 375,500"),
        metavar="N,...",
        help="Sizes to test a picture at and average, as pixels of its longer side (default: "
        "those of the published protocol, or the dataset's own size).",
    ),
    click.option(
        "--flip/--no-flip",
        default=None,
        help="Whether to average the scores of a picture with those of its mirror image.",
    ),
    click.option(
        "--test-steps",
        "steps",
        type=int,
        metavar="N",
        help="Number of positions in each direction, fractions of the network's stride apart, at "
        "which to test a picture; a denser map is made of their scores.",
    ),
    click.option(
        "--tile",
        type=_Tile(),
        metavar="N|auto",
        help="Side in pixels of the square tiles that a large picture is cut into for testing; "
        "auto: the largest that fit into free memory, or none where whole pictures do (default: "
        "the published protocol's; without one, pictures are tested whole).",
    ),
    click.option(
        "--overlap",
        type=click.IntRange(0),
        metavar="N",
        help="Overlap between tiles in pixels (default: a quarter of the tile).",
    ),
    click.option(
        "--crf",
        metavar="NAME",
        help="Refine the labels with a conditional random field: deeplab, kraehenbuehl or psa "
        "(named after the source of its parameters).",
    ),
    interpolation_option,
)


@dataclass(frozen=True)
class ProtocolChanges:
    """How a segmentation network is to be tested: the fields of its `Protocol` that are given."""

    scales: Tuple[int, ...]
    flip: Optional[bool]
    steps: Optional[int]
    tile: Union[int, str, None]
    overlap: Optional[int]
    crf: Optional[str]
    interpolation: Optional[str]

    def any(self) -> bool:
        """Return whether any option of the protocol is given."""
        return any(value not in (None, ()) for value in vars(self).values())


def protocol_options(command: Callable) -> Callable:
    """Add the options of a test protocol, handed over as `protocol`, a `ProtocolChanges`."""
    return _with_options(gather("protocol", ProtocolChanges)(command), _PROTOCOL)


_KEPT = (
    click.option(
        "--dataset",
        help="Dataset of the predictions (default: that of the weights they were made with).",
    ),
    click.option(
        "--split",
        help="Split of the dataset that was predicted (default: the one that the predictions were "
        "made on).",
    ),
    data_root_option,
)


@dataclass(frozen=True)
class PredictedSplit:
    """What saved predictions were made on, by `--dataset`, `--split` and `--data-root`."""

    dataset: Optional[str]
    split: Optional[str]
    data_root: Optional[Path]


def kept_options(command: Callable) -> Callable:
    """Add the options of saved predictions, handed over as `predicted`, a `PredictedSplit`."""
    return _with_options(gather("predicted", PredictedSplit)(command), _KEPT)


def tested_dataset_options(command: Callable) -> Callable:
    """Add `--dataset` and `--val-fraction`, handed over as `dataset`, what calls the dataset."""

    @functools.wraps(command)
    def run(dataset: Optional[str], val_fraction: Optional[float], **options: Any) -> Any:
        return command(dataset=name_dataset(dataset, val_fraction), **options)

    return trained_dataset_option(val_fraction_option(run))


def name_dataset(dataset: Optional[str], val_fraction: Optional[float]) -> Optional[str]:
    """Return what calls a dataset of which a part is held out; raise UsageError without one."""
    if val_fraction is None:
        return dataset
    if dataset is None:
        raise click.UsageError("'--val-fraction' is of a dataset: give '--dataset'")
    return hold_out(dataset, val_fraction)


def tell_held_out(dataset: Row) -> None:
    """Tell which part of the pictures is split val, where the data have no such split."""
    found = dataset.description
    if found is not None and found.holds_out:
        share = f"{100 * found.val_fraction:g} % of the training pictures are held out"
        print_line(f"{dataset.name}: {share} as split val, by a hash of the file's name", err=True)


def _with_options(command: Callable, options: Sequence[Callable]) -> Callable:
    for option in reversed(options):
        command = option(command)
    return command


@contextlib.contextmanager
def exit_when_interrupted(*, overwrite: bool = False) -> Iterator[None]:
    """End a command that can be resumed at Ctrl-C or when a run was stopped, and say how to resume.

    A command that overwrites earlier results is resumed without --overwrite.
    """
    changed = " without --overwrite" if overwrite else ""
    again = f"run the same command again{changed} to resume"
    try:
        yield
    except RunStoppedError as stopped:
        click.echo(f"{stopped}; {again}", err=True)
        raise SystemExit(stopped.exit_status) from None
    except KeyboardInterrupt:
        click.echo(f"\nstopped; {again}", err=True)
        raise SystemExit(INTERRUPTED) from None


def print_line(line: str, err: bool = False) -> None:
    """Print a line, with control characters in names escaped."""
    click.echo(printable(line), err=err)


def print_json(value: Mapping[str, Any]) -> None:
    """Print a JSON object on one line."""
    click.echo(json.dumps(value))


@contextlib.contextmanager
def show_warnings() -> Iterator[None]:
    """Show the warnings of the package on standard error, each on one line."""
    handler = _Warnings(logging.WARNING)
    logging.getLogger("rnw").addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger("rnw").removeHandler(handler)


class _Warnings(logging.Handler):
    """Show each warning; those on what lies in a folder, which is read for each split, once."""

    def __init__(self, level: int):
        super().__init__(level)
        self._found: Set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.name.startswith("rnw.data.own."):
            if message in self._found:
                return
            self._found.add(message)
        over_bar = "\r\033[K" if sys.stderr.isatty() else ""
        click.echo(f"{over_bar}{printable(message)}", err=True)
