"""`rnw weights`: the published files, and what is in a weights file."""

from pathlib import Path

import click

from rnw.cli.common import FILE, Group, json_option, print_json, print_line


@click.group(cls=Group, invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the released weights files with their checksums and published scores."""
    if ctx.invoked_subcommand is not None:
        return
    from rnw.weights.released import RELEASED

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
    from rnw.weights.released import verify

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
    from rnw.cli.weights_text import inspection_as_dict, inspection_lines
    from rnw.weights.inspection import inspect

    found = inspect(file)
    if as_json:
        print_json(inspection_as_dict(found, stats))
        return
    for line in inspection_lines(found, stats):
        print_line(line)


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
    from rnw.cli.weights_text import comparison_as_dict, comparison_lines
    from rnw.weights.inspection import compare

    found = compare(first, second, tolerance)
    if as_json:
        print_json(comparison_as_dict(found))
    else:
        for line in comparison_lines(found, first, second):
            print_line(line)
    ctx.exit(0 if found.equal else 1)
