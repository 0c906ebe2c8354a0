"""`rnw figure`: photographs, their labels and what was predicted, side by side."""

from pathlib import Path
from typing import Optional, Tuple

import click

from rnw.cli.common import FILE, data_root_option, segmentation_dataset_option


@click.command()
@click.argument("predictions", type=FILE)
@segmentation_dataset_option
@click.option("--split", help="Default: the data set's test split.")
@click.option("--image", "images", multiple=True, metavar="NAME", help="Show this picture.")
@click.option("--worst", type=click.IntRange(0), default=0, help="Show so many of lowest IoU.")
@click.option("--random", type=click.IntRange(0), default=0, help="Show so many at random.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of --random.")
@click.option(
    "-o", "--output", type=FILE, default="figure.png", show_default=True, help="A .png or .pdf."
)
@click.option("--overwrite", is_flag=True, help="Replace the figure if it exists.")
@data_root_option
def command(
    predictions: Path,
    dataset: str,
    split: Optional[str],
    images: Tuple[str, ...],
    worst: int,
    random: int,
    seed: int,
    output: Path,
    overwrite: bool,
    data_root: Optional[Path],
) -> None:
    """Draw what `rnw eval-seg --save-predictions PREDICTIONS` kept, a row for each picture."""
    if not (images or worst or random):
        raise click.UsageError("give '--image', '--worst' or '--random'")
    from rnw.data.catalog import find_segmentation_dataset  # need an extra
    from rnw.evaluation.panels import choose, draw_panels, read_results

    results = read_results(
        predictions, find_segmentation_dataset(dataset), data_root=data_root, split=split
    )
    rows = choose(results, images, worst=worst, random=random, seed=seed)
    draw_panels(results, rows, output, overwrite=overwrite)
    click.echo(output)
