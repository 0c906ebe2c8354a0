"""`rnw weights`: the published files."""

from pathlib import Path

import click

from rnw.cli.common import FILE, json_option, print_json
from rnw.weights.released import RELEASED, verify


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the released weights with their checksums and published scores."""
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
    """Check FILE against the released checksums."""
    row = verify(file)
    click.echo(f"{file}: the released {row.name} ({row.published})")
