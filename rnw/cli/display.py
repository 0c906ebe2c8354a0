"""What a command shows of a training run or an evaluation."""

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Protocol, TextIO

import click

from rnw.training.observer import Observer
from rnw.training.progress import EarlyStop, Progress, Validated

if TYPE_CHECKING:
    from rnw.weights import Transfer


CLEAR_LINE = "\r\033[K\033[?25h"  # and show the cursor, which the bar hides
BAR = "%(label)s [%(bar)s]%(info)s"
BESIDE_LABEL = len(" [] 100%")
SECONDS_BETWEEN_LINES = 60


class Shown(Protocol):
    """What a display shows of work under way: so many of its steps are done."""

    @property
    def step(self) -> int: ...

    @property
    def steps(self) -> int: ...

    def short(self) -> str:
        """Return it in so few words that a bar fits beside them."""


class Display(Observer):
    """Shows a line for each epoch that is done, and how far the epoch under way is.

    That is a bar on a terminal, elsewhere a line a minute; on standard error if `err`.
    """

    def __init__(self, err: bool = False):
        self._err = err
        self._bar: Optional[Any] = None
        self._last_line = time.monotonic()

    def __enter__(self) -> "Display":
        return self

    def __exit__(self, *exception: object) -> None:
        self._remove_bar()

    def on_check(self, looked: Shown) -> None:
        self.on_step(looked)

    def on_warm_start(self, source: Path, transfer: "Transfer") -> None:
        self._write(f"{source}: {transfer}")

    def on_step(self, progress: Shown) -> None:
        if self._stream.isatty():
            self._show_bar(progress)
        elif time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._write(str(progress))

    def on_epoch(self, progress: Progress) -> None:
        self._write(progress.of_epoch())

    def on_validation(self, validated: Validated) -> None:
        self._write(str(validated))

    def on_early_stop(self, stop: EarlyStop) -> None:
        self._write(str(stop))

    def on_row(self, row: object) -> None:
        self._write(str(row))

    @property
    def _stream(self) -> TextIO:
        return sys.stderr if self._err else sys.stdout

    def _write(self, line: str) -> None:
        self._remove_bar()
        click.echo(line, err=self._err)
        self._last_line = time.monotonic()

    def _show_bar(self, progress: Shown) -> None:
        """Show one line as wide as the terminal; a resumed epoch starts further on."""
        if self._bar is None:
            self._bar = click.progressbar(
                length=progress.steps,
                width=0,
                show_eta=False,
                bar_template=BAR,
                file=self._stream,
            )
        columns = shutil.get_terminal_size().columns
        self._bar.label = progress.short()[: max(columns - BESIDE_LABEL, 0)]
        self._bar.update(progress.step - self._bar.pos)

    def _remove_bar(self) -> None:
        if self._bar is not None:
            click.echo(CLEAR_LINE, nl=False, err=self._err)
            self._bar = None
