"""`rnw figure`: pictures, their ground truth and the predicted labels side by side."""

from pathlib import Path
from typing import Optional, Tuple

import click

from rnw.cli.common import FILE, SEED, kept_options

WORST = 4  # pictures that are drawn where nothing else is asked for


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
def command(
    predictions: Path,
    dataset: Optional[str],
    split: Optional[str],
    data_root: Optional[Path],
    images: Tuple[str, ...],
    worst: int,
    random: int,
    seed: int,
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

    found = kept_dataset(predictions, dataset)
    results = read_results(predictions, found, data_root=data_root, split=split)
    worst = worst if images or worst or random else WORST
    chosen = choose(results, images, worst=worst, random=random, seed=seed)
    draw_panels(results, chosen, output, layout=COLUMNS if columns else ROWS, overwrite=overwrite)
    click.echo(output)
