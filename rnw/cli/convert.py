"""`rnw convert`: from one kind of weights file to another."""

from pathlib import Path

import click

from rnw.cli.common import FILE
from rnw.weights.convert import FORMATS, convert


@click.command()
@click.argument("source", type=FILE)
@click.argument("target", type=FILE)
@click.option(
    "--to",
    type=click.Choice(FORMATS),
    required=True,
    help="module: the published arg:/aux: format; gluon: for load_parameters.",
)
@click.option("--overwrite", is_flag=True, help="Replace TARGET if it exists.")
def command(source: Path, target: Path, to: str, overwrite: bool) -> None:
    """Convert the weights in SOURCE, whatever their kind, to TARGET."""
    convert(source, target, to, overwrite=overwrite)
    click.echo(target)
