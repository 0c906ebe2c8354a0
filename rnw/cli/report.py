"""`rnw report`: a web page about an evaluation or a training run."""

from pathlib import Path
from typing import Optional

import click

from rnw.cli.common import FILE, PredictedSplit, kept_options
from rnw.cli.display import Display


@click.command()
@click.argument("run", type=FILE)
@kept_options
@click.option(
    "--pictures",
    type=click.IntRange(0),
    default=4,
    show_default=True,
    help="Number of pictures to show of the best and of the worst.",
)
@click.option("-o", "--output", type=FILE, help="File to write, .html (default: RUN/report.html).")
@click.option("--overwrite", is_flag=True, help="Replace the page if it exists.")
def command(
    run: Path,
    predicted: PredictedSplit,
    pictures: int,
    output: Optional[Path],
    overwrite: bool,
) -> None:
    """Write a self-contained web page about a training run or an evaluation.

    RUN is the folder of a training run, or one that `rnw eval-seg --save-predictions RUN` or `rnw
    eval-cls --predictions RUN` wrote; the latter is by default beside the weights.
    """
    from rnw.reports.report import write_report  # starts Matplotlib

    with Display(err=True) as display:
        path = write_report(
            run,
            output,
            dataset=predicted.dataset,
            split=predicted.split,
            data_root=predicted.data_root,
            pictures=pictures,
            overwrite=overwrite,
            on_picture=display.on_step,
        )
    click.echo(path)
