"""`rnw figure`: pictures, their ground truth and the predicted labels side by side."""

from pathlib import Path
from typing import Optional, Tuple

import click

from rnw.cli.common import FILE, SEED, kept_options


@click.command()
@click.argument("predictions", type=FILE)
@kept_options
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="NAME",
    help="Name of a picture to show (may be repeated).",
)
@click.option(
    "--worst",
    type=click.IntRange(0),
    default=0,
    help="Number of pictures to show of those with the lowest IoU.",
)
@click.option(
    "--random", type=click.IntRange(0), default=0, help="Number of pictures to choose at random."
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the random choice.")
@click.option("--columns", is_flag=True, help="Show each picture in a column in place of a row.")
@click.option(
    "-o",
    "--output",
    type=FILE,
    default="figure.png",
    show_default=True,
    help="File to write, .png or .pdf.",
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
    """Draw pictures, their ground truth and the predicted labels side by side.

    PREDICTIONS is a folder that `rnw eval-seg --save-predictions PREDICTIONS` wrote.
    """
    if not (images or worst or random):
        raise click.UsageError("give '--image', '--worst' or '--random'")
    from rnw.evaluation.segmentation.kept import kept_dataset  # need an extra
    from rnw.reports.panels import COLUMNS, ROWS, choose, draw_panels, read_results

    found = kept_dataset(predictions, dataset)
    results = read_results(predictions, found, data_root=data_root, split=split)
    chosen = choose(results, images, worst=worst, random=random, seed=seed)
    draw_panels(results, chosen, output, layout=COLUMNS if columns else ROWS, overwrite=overwrite)
    click.echo(output)
