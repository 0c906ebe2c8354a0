"""`rnw weights`: the published files, and what is in a weights file."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterator, List

import click

from rnw.cli.common import FILE, Group, json_option, print_json, print_line
from rnw.errors import printable
from rnw.networks.layout import NetworkConfig
from rnw.weights.containers import PARAMS
from rnw.weights.fit import describe
from rnw.weights.inspection import (
    Comparison,
    Inspection,
    Statistics,
    compare,
    inspect,
    statistics,
    type_name,
)
from rnw.weights.ndarray_file import Entry
from rnw.weights.released import RELEASED, verify


@click.group(cls=Group, invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the released weights files with their checksums and published scores."""
    if ctx.invoked_subcommand is not None:
        return
    if as_json:
        print_json({"files": [vars(row) for row in RELEASED.values()]})
        return
    for row in RELEASED.values():
        click.echo(f"{row.md5}  {row.name}")
        click.echo(f"    {row.published}")


@command.command("verify")
@click.argument("file", type=FILE)
def verify_command(file: Path) -> None:
    """Check whether FILE is one of the released files, by its checksum."""
    row = verify(file)
    print_line(f"{file}: the released {row.name} ({row.published})")


@command.command()
@click.argument("file", type=FILE)
@click.option(
    "--stats",
    is_flag=True,
    help="Also show the smallest, largest and mean value of each array, and count NaN.",
)
@json_option
def show(file: Path, stats: bool, as_json: bool) -> None:
    """List the arrays in FILE and the networks that they fit."""
    found = inspect(file)
    if as_json:
        print_json(_inspection_json(found, stats))
        return
    print_line(
        f"{file}: {found.size / 1e6:.1f} MB, {len(found.entries)} arrays, {found.values:,} values"
    )
    print_line(_format_text(found))
    print_line(f"fits {_fits_text(found.fits)}")
    print_line(f"is for {found.meaning}" if found.meaning else found.problem)
    names = [printable(entry.name) for entry in found.entries]
    width = max(map(len, names), default=0)
    for name, entry in zip(names, found.entries):
        shape = "x".join(map(str, entry.array.shape)) or "scalar"
        numbers = _statistics_text(statistics(entry.array)) if stats else ""
        line = f"{name:{width}}  {type_name(entry.array.dtype):8}  {shape:16}  {numbers}"
        print_line(line.rstrip())


def _format_text(found: Inspection) -> str:
    if found.kind != PARAMS.title:
        return found.kind
    devices = f", saved from {', '.join(found.devices)}" * bool(found.devices)
    return f"format of MXNet {', '.join(found.versions) or 'any version'}{devices}"


def _fits_text(fits: List[NetworkConfig]) -> str:
    if not fits:
        return "no network of the paper"
    return describe(replace(fits[0], name=", ".join(config.name for config in fits)))


def _statistics_text(found: Statistics) -> str:
    parts = []
    if found.mean is not None:
        parts.append(f"{found.minimum:11.4g} to {found.maximum:11.4g}, mean {found.mean:11.4g}")
    parts += [f"{found.nans} NaN"] * bool(found.nans)
    parts += [f"{found.infinities} infinite"] * bool(found.infinities)
    return ", ".join(parts)


def _inspection_json(found: Inspection, stats: bool) -> Dict[str, Any]:
    return {
        "file": str(found.path),
        "format": found.kind,
        "size": found.size,
        "values": found.values,
        "versions": found.versions,
        "devices": found.devices,
        "fits": [_network_json(config) for config in found.fits],
        "network": found.meaning and found.meaning.as_dict(),
        "problem": found.problem or None,
        "arrays": [_entry_json(entry, stats) for entry in found.entries],
    }


def _network_json(config: NetworkConfig) -> Dict[str, Any]:
    names = ("name", "classes", "width", "classifier", "stride")
    return {name: getattr(config, name) for name in names}


def _entry_json(entry: Entry, stats: bool) -> Dict[str, Any]:
    return {
        "name": entry.name,
        "dtype": type_name(entry.array.dtype),
        "shape": entry.array.shape,
        "offset": entry.offset if entry.version else None,
        "device": entry.device,
        "version": entry.version or None,
        **(statistics(entry.array)._asdict() if stats else {}),
    }


@command.command()
@click.argument("first", type=FILE)
@click.argument("second", type=FILE)
@click.option(
    "--tolerance",
    type=float,
    default=0.0,
    show_default=True,
    help="Largest absolute difference at which two values count as equal.",
)
@json_option
@click.pass_context
def diff(ctx: click.Context, first: Path, second: Path, tolerance: float, as_json: bool) -> None:
    """Compare the weights files FIRST and SECOND, of any supported formats.

    The exit status is 0 when they are equal, 1 when they differ and 2 when one cannot be read.
    """
    found = compare(first, second, tolerance)
    if as_json:
        print_json(_comparison_json(found))
    else:
        for line in _comparison_text(found, first, second):
            print_line(line)
    ctx.exit(0 if found.equal else 1)


def _comparison_text(found: Comparison, first: Path, second: Path) -> Iterator[str]:
    for path, names in ((first, found.only_first), (second, found.only_second)):
        yield from (f"{name}: only in {path}" for name in names)
    for what, differences in (("shape", found.shapes), ("type", found.types)):
        yield from (f"{name}: {what} {a} and {b}" for name, (a, b) in differences.items())
    for value in found.values:
        yield (
            f"{value.name}: up to {value.largest:.4g} apart ({value.relative:.2g} of the largest), "
            f"{value.count} of {value.size} values"
        )
    differing = {*found.shapes, *found.types, *(value.name for value in found.values)}
    yield f"{len(differing)} of {found.arrays} arrays in both files differ"


def _comparison_json(found: Comparison) -> Dict[str, Any]:
    values = [value._asdict() for value in found.values]
    for value in values:
        value.update({k: None for k in ("largest", "relative") if math.isinf(value[k])})
    return {**vars(found), "values": values, "equal": found.equal}
