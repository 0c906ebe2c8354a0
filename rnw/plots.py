"""Plots as files: PNG, SVG or PDF by the file's name, the same bytes for the same figure."""

from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import matplotlib
from matplotlib.figure import Figure

from rnw.errors import InputError
from rnw.files import PathLike, atomic_write, check_free

SUFFIXES = (".png", ".svg", ".pdf")

# 42: fonts that editors can take
_style = partial(matplotlib.rc_context, {"svg.hashsalt": "rnw", "pdf.fonttype": 42})
_WITHOUT_DATE = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def check_plot_file(path: PathLike, *, overwrite: bool = False) -> None:
    """Raise InputError unless a plot can be written to `path`.

    Its name must end in one of SUFFIXES, and it must not exist unless `overwrite` is set.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: expected a name that ends in {', '.join(SUFFIXES)}")
    check_free(path, overwrite=overwrite)


def write_plot(figure: Figure, file: BinaryIO, kind: str, **options: Any) -> None:
    """Write a figure to an open file as "png", "svg" or "pdf"; `options` are those of `savefig`."""
    with _style():
        figure.savefig(file, format=kind, metadata=_WITHOUT_DATE.get(kind), **options)


def save_plot(figure: Figure, path: PathLike, **options: Any) -> None:
    """Write a figure to `path` in the format of its suffix, in place of what is there."""
    with atomic_write(path) as file:
        write_plot(figure, file, Path(path).suffix[1:], **options)
