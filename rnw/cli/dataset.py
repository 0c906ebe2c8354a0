"""`rnw dataset`: describe, check and show a dataset of one's own."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple

import click

from rnw.cli.common import (
    FILE,
    Group,
    json_option,
    print_json,
    print_line,
    val_fraction_option,
)
from rnw.cli.display import Display
from rnw.data.own.description import FILE as DESCRIPTION
from rnw.data.own.description import Description, write_description
from rnw.data.sets.catalog import find_task_dataset, hold_out, names_of
from rnw.data.sets.rows import Dataset, Row
from rnw.errors import InputError, counted
from rnw.files import check_free, write_text

if TYPE_CHECKING:
    from rnw.data.own.survey import Survey

COMMENTS = {
    "task": "What the labels are of: whole pictures (classification) or pixels (segmentation).",
    "splits": "Folders, patterns or lists of pictures and their labels, below the root.",
    "name": "A part of the names of weights files: letters, digits and any of '.+-'.",
    "root": "The folder of the data, from the folder of this file.",
    "classes": "Names in the order of the numbers, from 0 on.",
    "colors": "The color of each class, in the same order.",
    "labels": "How label maps say the class of a pixel: indices, palette, colors, mask, or the\n"
    "class of each number, such as {7: road}.",
    "ignored": "Numbers or colors of pixels without a class.",
    "val_fraction": "Part of the training pictures that is held out as split val, by a hash of the "
    "file's name.",
}


@click.group(cls=Group)
def command() -> None:
    """Describe a dataset of your own, check all of it, and show it on a page.

    rnw/data/README.md explains folders, lists and descriptions that `--dataset` takes.
    """


def _names(ctx: click.Context, option: click.Parameter, text: Optional[str]) -> Tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",")) if text else ()
    if "" in names or len(set(names)) < len(names):
        raise InputError(f"--{option.name} {text}: expected names that differ, joined by commas")
    return names


@command.command()
@click.argument("folder", type=FILE)
@click.option(
    "-o",
    "--output",
    type=FILE,
    metavar="FILE",
    help=f"File to write (default: {DESCRIPTION} in FOLDER).",
)
@click.option(
    "--classes",
    callback=_names,
    metavar="NAME,...",
    help="Names of the classes in the order of their numbers (default: those found in the data).",
)
@click.option(
    "--ignored",
    callback=_names,
    metavar="N,...",
    help="Numbers in label maps that stand for no class (default: 255).",
)
@val_fraction_option
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
def init(
    folder: Path,
    output: Optional[Path],
    classes: Tuple[str, ...],
    ignored: Tuple[str, ...],
    val_fraction: Optional[float],
    overwrite: bool,
) -> None:
    """Write a description of the dataset that is found in FOLDER, to be read and corrected."""
    from rnw.data.own.layouts import find_layout, with_part_held_out  # needs an extra

    found = find_layout(folder, classes=classes, ignored=_numbers(ignored))
    if val_fraction is not None:
        found = with_part_held_out(found, val_fraction)
    output = output or folder / DESCRIPTION
    check_free(output, overwrite=overwrite)
    root = Path(os.path.relpath(folder.absolute(), output.absolute().parent))
    write_text(output, write_description(replace(found, root=root), COMMENTS))
    _show_description(found)
    print_line(f"{output}: correct it where it is wrong, then run `rnw dataset check {output}`")


def _numbers(ignored: Tuple[str, ...]) -> Tuple[int, ...]:
    try:
        return tuple(map(int, ignored))
    except ValueError:
        raise InputError(
            f"--ignored {','.join(ignored)}: expected numbers such as 11,255"
        ) from None


def _show_description(found: Description) -> None:
    shown = ", ".join(found.classes[:20]) + ", ..." * (len(found.classes) > 20)
    print_line(f"{found.task} of {len(found.classes)} classes: {shown}")
    for name, split in found.splits.items():
        parts = [
            part for part in (split.images, split.labels, split.annotations, split.list) if part
        ]
        print_line(f"{name}: {' with '.join(parts)}")
    if found.holds_out:
        print_line(
            f"val: {100 * found.val_fraction:g} % of the training pictures, by a hash of the name"
        )


def _read(
    name: str, split: Optional[str], val_fraction: Optional[float]
) -> Tuple[Row, Dict[str, Any]]:
    """The dataset, and the sources of all its splits, or of one."""
    from rnw.data.sets.reading import read_split

    dataset = find_task_dataset(name if val_fraction is None else hold_out(name, val_fraction))
    if dataset.description is None:
        own = (dataset.train_split, dataset.test_split)
        splits = [split] if split else [name for name in own if name]
    else:
        splits = [split] if split else list(dataset.description.split_names)
    return dataset, {name: read_split(dataset, name) for name in splits}


def _class_names(dataset: Row) -> Tuple[str, ...]:
    """The names of the classes, those of a subset where data of a dataset were prepared so."""
    from rnw.data.sets.reading import prepared_classes

    subset = prepared_classes(dataset) if isinstance(dataset, Dataset) else ()
    return subset or names_of(dataset)


split_option = click.option("--split", help="Split to look at (default: all).")


@command.command()
@click.argument("dataset")
@split_option
@val_fraction_option
@json_option
def check(dataset: str, split: Optional[str], val_fraction: Optional[float], as_json: bool) -> None:
    """Read all pictures and labels of DATASET, and say what is wrong.

    DATASET is a name, a folder or a description, as for `--dataset` elsewhere. The exit status is 1
    if a training run would be refused.
    """
    from rnw.data.own.survey import survey  # needs an extra

    with Display(err=as_json) as display:
        row, sources = _read(dataset, split, val_fraction)
        found = survey(sources, _class_names(row), display.on_step)
    if as_json:
        print_json({"dataset": row.name, **found.as_dict()})
    else:
        _show_survey(row, found)
    raise SystemExit(1 if found.refused else 0)


def _show_survey(row: Row, found: "Survey") -> None:
    for name, split in found.splits.items():
        print_line(f"{row.name} {name}: {counted(split.pictures, 'picture')}")
        sizes = [f"{w}x{h} ({count})" for (h, w), count in split.sizes.most_common(5)]
        print_line(f"  sizes: {', '.join(sizes)}{', ...' * (len(split.sizes) > 5)}")
        print_line(f"  mean {_three(split.mean)}, deviation {_three(split.deviation)}")
        total = max(int(split.counts.sum()), 1)
        counts = split.counts.tolist()
        for number, label in enumerate(found.classes):
            share = 100 * counts[number] / total
            print_line(
                f"  {counts[number]:12,} {share:6.2f} % {split.occurring[number]:8,} pictures  "
                f"{number} {label}"
            )
        if split.ignored:
            print_line(f"  {split.ignored:12,} {100 * split.ignored / total:6.2f} % ignored")
    for problem in found.problems:
        kind = "error" if problem in found.refused else "warning"
        print_line(f"{kind}: {found.describe(problem)}")
    if not found.problems:
        print_line("nothing is wrong")


def _three(values: Any) -> str:
    return " ".join(f"{value:.3f}" for value in values)


@command.command()
@click.argument("dataset")
@split_option
@val_fraction_option
@click.option(
    "--pictures",
    type=click.IntRange(0),
    default=8,
    show_default=True,
    help="Number of pictures to show of each split.",
)
@click.option("-o", "--output", type=FILE, required=True, help="File to write, .html.")
@click.option("--overwrite", is_flag=True, help="Replace the page if it exists.")
def show(
    dataset: str,
    split: Optional[str],
    val_fraction: Optional[float],
    pictures: int,
    output: Path,
    overwrite: bool,
) -> None:
    """Write a self-contained web page about DATASET.

    It shows pictures with their labels over them, how the classes are spread, sizes, and what
    `rnw dataset check` finds.
    """
    check_free(output, overwrite=overwrite)
    from rnw.data.own.survey import survey  # needs an extra
    from rnw.reports.dataset_page import dataset_page

    with Display(err=True) as display:
        row, sources = _read(dataset, split, val_fraction)
        found = survey(sources, _class_names(row), display.on_step)
        write_text(output, dataset_page(row, sources, found, pictures))
    click.echo(output)
