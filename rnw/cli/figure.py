"""`rnw figure`: pictures, their ground truth and the predicted labels side by side."""

from dataclasses import dataclass
from pathlib import Path
from typing import Tuple

import click

from rnw.cli.common import FILE, SEED, PredictedSplit, gather, kept_options

WORST = 4  # pictures that are drawn where nothing else is asked for


@dataclass(frozen=True)
class _Choice:
    """Which pictures are drawn: some by name, then the worst, then some at random."""

    images: Tuple[str, ...]
    worst: int
    random: int
    seed: int


@click.command()
@click.argument("predictions", type=FILE, metavar="KEPT")
@kept_options
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="NAME",
    help="Draw this picture (may be repeated).",
)
@click.option(
    "--worst",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help=f"Draw the N pictures of lowest mean IoU (default: {WORST} if no pictures are chosen).",
)
@click.option(
    "--random", type=click.IntRange(0), default=0, metavar="N", help="Draw N pictures at random."
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Random seed of --random.")
@click.option("--columns", is_flag=True, help="Draw a column for each picture instead of a row.")
@click.option(
    "-o",
    "--output",
    type=FILE,
    default="figure.png",
    show_default=True,
    help="File to draw to: .png, .svg or .pdf.",
)
@click.option("--overwrite", is_flag=True, help="Replace the figure if it exists.")
@gather("choice", _Choice)
def command(
    predictions: Path,
    predicted: PredictedSplit,
    choice: _Choice,
    columns: bool,
    output: Path,
    overwrite: bool,
) -> None:
    """Draw photographs beside their ground truth, prediction and errors.

    KEPT is the folder that `rnw eval-seg --save-predictions KEPT` wrote. By default the pictures
    of lowest mean IoU are drawn, one a row.
    """
    from rnw.evaluation.segmentation.kept import kept_dataset  # need an extra
    from rnw.reports.panels import COLUMNS, ROWS, choose, draw_panels, read_results

    results = read_results(
        predictions,
        kept_dataset(predictions, predicted.dataset),
        data_root=predicted.data_root,
        split=predicted.split,
    )
    worst = choice.worst if choice.images or choice.worst or choice.random else WORST
    chosen = choose(results, choice.images, worst=worst, random=choice.random, seed=choice.seed)
    draw_panels(results, chosen, output, layout=COLUMNS if columns else ROWS, overwrite=overwrite)
    click.echo(output)
