"""`rnw bench reading`: reading pictures beside torchvision."""

from typing import Optional

import click

from rnw.cli.bench.options import files_option, repetitions_option, size_option
from rnw.cli.common import json_option, print_json


@click.command()
@files_option
@size_option
@click.option(
    "--gpu-rate",
    type=float,
    metavar="X",
    help="Images/s that one GPU trains on, to tell how many cores feed such GPUs.",
)
@click.option("--gpus", type=int, default=4, show_default=True, help="Number of such GPUs.")
@repetitions_option(5)
@json_option
def command(
    images: int, size: int, gpu_rate: Optional[float], gpus: int, repetitions: int, as_json: bool
) -> None:
    """Compare reading pictures for training with torchvision, where that is installed.

    The loader is timed with one process, with two, and so on up to one for each core.
    """
    from rnw.bench.reading import bench_reading  # needs an extra

    result = bench_reading(images, size, gpus=gpus, gpu_rate=gpu_rate, repetitions=repetitions)
    if as_json:
        print_json(result._asdict())
        return
    click.echo(f"{images} JPEGs of 500x375, augmented to {size}x{size}, images/s on one core:")
    for name, rate in result.core.items():
        click.echo(f"{name} {rate:.0f}")
    if result.ratio is not None:
        click.echo(f"ratio to the best of the others {result.ratio:.2f}")
    rates = (f"{rate:.0f} with {count}" for count, rate in result.processes.items())
    click.echo("images/s by the number of processes: " + ", ".join(rates))
    if result.scaling is not None:
        click.echo(f"two processes read {result.scaling:.2f} times as much as one")
    if result.cores is not None:
        click.echo(f"{gpus} GPUs of {gpu_rate:g} images/s each: {result.cores} cores feed them")
