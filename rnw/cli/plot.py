"""`rnw plot`: pictures of training runs."""

from pathlib import Path
from typing import Tuple

import click

from rnw.cli.common import FILE


@click.command()
@click.argument("runs", type=FILE, nargs=-1, required=True, metavar="RUN...")
@click.option(
    "-o",
    "--output",
    type=FILE,
    default="curves.png",
    show_default=True,
    help="File to draw to: .png, .svg or .pdf.",
)
@click.option("--overwrite", is_flag=True, help="Replace the picture if it exists.")
def command(runs: Tuple[Path, ...], output: Path, overwrite: bool) -> None:
    """Draw the loss, error and learning rate of training runs.

    RUN is the folder of a training run, or the metrics.jsonl in it.
    """
    from rnw.reports.curves import plot  # starts Matplotlib

    plot(runs, output, overwrite=overwrite)
    click.echo(output)
