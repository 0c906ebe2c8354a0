"""`rnw bench data`: decoding and augmentation."""

import click

from rnw.cli.bench.options import files_option, repetitions_option, size_option
from rnw.cli.common import json_option, print_json


@click.command()
@files_option
@size_option
@repetitions_option(5)
@json_option
def command(images: int, size: int, repetitions: int, as_json: bool) -> None:
    """Compare decoding and augmentation on one core, and loading in one and two processes.

    The reference is a plain transcription of the transform of the paper's released code.
    """
    from rnw.bench.data import bench_data  # needs an extra

    result = bench_data(images, size, repetitions=repetitions)
    if as_json:
        print_json(result._asdict())
        return
    same = "the same arrays" if result.identical else "OTHER ARRAYS"
    click.echo(f"{images} JPEGs of 500x375, augmented to {size}x{size}, images/s on one core:")
    click.echo(f"plain transcription {result.yardstick:.0f}")
    click.echo(f"pillow {result.reference:.0f}, ratio {result.reference_ratio:.2f}, {same}")
    click.echo(
        f"opencv {result.fast:.0f}, ratio {result.fast_ratio:.2f}, {result.difference:.2f} gray "
        "levels away on average"
    )
    if result.loader is not None:
        one, two, apart = result.loader
        click.echo(
            f"loader {one:.0f} images/s with one process, {two:.0f} with two, "
            f"ratio {result.scaling:.2f}"
        )
        click.echo(f"two loaders of one process at once {apart:.0f}, ratio {result.kept:.2f}")
