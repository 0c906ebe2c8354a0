"""Options and output that several commands share."""

import contextlib
import functools
import json
import logging
import sys
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, List, Mapping, Sequence, Tuple

import click

from rnw.data.sets.catalog import SEGMENTATION
from rnw.errors import InputError, did_you_mean, printable
from rnw.training.signals import EndAtOnce, RunStoppedError

INTERRUPTED = 130  # the status of what Ctrl-C ended


class _File(click.Path):
    """The name of a file, whether it is there or not."""

    def convert(self, value: Any, *where: Any) -> Path:
        if not value or "\0" in str(value):
            raise InputError(f"{str(value)!r} is the name of no file")
        return super().convert(value, *where)


class Group(click.Group):
    """A command with subcommands that suggests the one most like a mistyped name."""

    def resolve_command(self, ctx: click.Context, args: List[str]) -> Any:
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not ctx.resilient_parsing and not name.startswith("-"):
            ctx.fail(f"No such command {name!r}{did_you_mean(name, known)}")
        return super().resolve_command(ctx, args)


class Choice(click.Choice):
    """One of several words; suggests the one most like a mistyped word."""

    def convert(self, value: Any, *where: Any) -> Any:
        try:
            return super().convert(value, *where)
        except click.BadParameter as error:
            error.message = error.message.rstrip(".") + did_you_mean(str(value), self.choices)
            raise


FILE = _File(path_type=Path)
SEED = click.IntRange(0, 2**32 - 1)


def one_of(names: Iterable[str]) -> str:
    """Return names as help lists them: 'a, b or c'."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def device_options(command: Callable) -> Callable:
    """Add `--gpus 0,1,2,3` and `--cpus N`."""
    command = click.option("--cpus", type=int, metavar="N", help="Use N CPU devices.")(command)
    return click.option("--gpus", metavar="0,1,...", help="Use these GPUs.")(command)


def parse_numbers(kind: Callable[[str], Any], expected: str) -> Callable:
    """A callback for an option of numbers joined by commas."""

    def parse(ctx: click.Context, option: click.Parameter, text: str) -> Tuple[Any, ...]:
        try:
            return tuple(kind(number) for number in text.split(",")) if text else ()
        except ValueError:
            raise click.BadParameter(f"{text!r}: expected {expected}") from None

    return parse


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
segmentation_dataset_option = click.option(
    "--dataset", required=True, help=f"Dataset of the pictures: {one_of(SEGMENTATION)}."
)
data_root_option = click.option(
    "--data-root", type=FILE, help="Where the dataset lies, if not under data/."
)

_PROTOCOL = (
    click.option(
        "--scales",
        callback=parse_numbers(int, "sizes such as 375,500"),
        metavar="N,...",
        help="Longer sides to average, in pixels.",
    ),
    click.option("--flip/--no-flip", default=None, help="Average the mirror image."),
    click.option(
        "--test-steps", "steps", type=int, metavar="N", help="Shift by N fractions of the stride."
    ),
    click.option("--tile", type=click.IntRange(1), metavar="N", help="Test squares of N pixels."),
    click.option(
        "--overlap", type=click.IntRange(0), metavar="N", help="Of tiles; default: a quarter."
    ),
    click.option("--crf", metavar="NAME", help="Refine by a CRF: deeplab or kraehenbuehl."),
)


def protocol_options(command: Callable) -> Callable:
    """Add what `Model.tested_by` takes."""
    return _with_options(command, _PROTOCOL)


_KEPT = (
    click.option("--dataset", help="Default: that of the weights that were tested."),
    click.option("--split", help="Default: the dataset's test split."),
    data_root_option,
)


def kept_options(command: Callable) -> Callable:
    """Add `--dataset`, `--split` and `--data-root` of kept predictions."""
    return _with_options(command, _KEPT)


def _with_options(command: Callable, options: Sequence[Callable]) -> Callable:
    for option in reversed(options):
        command = option(command)
    return command


@contextlib.contextmanager
def exit_when_interrupted(*, overwrite: bool = False) -> Iterator[None]:
    """End at Ctrl-C, or when a run was stopped, a command that goes on where it stopped.

    One that was to `overwrite` what there was goes on without that.
    """
    again = "the same command without --overwrite" if overwrite else "the same command"
    try:
        yield
    except RunStoppedError as stopped:
        click.echo(f"{stopped}; {again} goes on", err=True)
        raise SystemExit(stopped.exit_status) from None
    except KeyboardInterrupt:
        click.echo(f"\nstopped; {again} goes on", err=True)
        raise SystemExit(INTERRUPTED) from None


def print_line(line: str, err: bool = False) -> None:
    """Print one line, whatever the names in it hold."""
    click.echo(printable(line), err=err)


def ending_at_once(command: Callable) -> Callable:
    """A command that trains, whose process signals end at once while no run takes them."""

    @functools.wraps(command)
    def run(**options: Any) -> None:
        with EndAtOnce(to_the_end=bool(click.get_current_context().find_root().obj)):
            command(**options)

    return run


def print_json(value: Mapping[str, Any]) -> None:
    """Print one object on one line."""
    click.echo(json.dumps(value))


@contextlib.contextmanager
def show_warnings() -> Iterator[None]:
    """Show on standard error what the package warns of, one line each."""
    handler = _Warnings(logging.WARNING)
    logging.getLogger("rnw").addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger("rnw").removeHandler(handler)


class _Warnings(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        over_bar = "\r\033[K" if sys.stderr.isatty() else ""
        click.echo(f"{over_bar}{printable(record.getMessage())}", err=True)
