"""`rnw bench`: speed, as ratios to a reference measured in the same run."""

from typing import Optional

import click

from rnw.cli.common import device_options, json_option, print_json
from rnw.runtime import make_contexts


@click.group()
def command() -> None:
    """Measure speed and memory on this machine."""


@command.command()
@click.argument("network")
@click.option("--batch", type=int, default=8, show_default=True)
@click.option("--size", type=int, default=224, show_default=True)
@click.option("--repetitions", type=int, default=5, show_default=True)
@device_options
@json_option
def inference(
    network: str,
    batch: int,
    size: int,
    repetitions: int,
    gpus: Optional[str],
    cpus: Optional[int],
    as_json: bool,
) -> None:
    """Compare NETWORK with a large float32 matrix product, on one device.

    On a CPU the measurement is repeated in a second process that leaves the number of threads to
    MXNet.
    """
    context, *others = make_contexts(gpus, cpus)
    if others:
        raise click.UsageError("one device is measured at a time")
    from rnw.analysis.speed import bench_inference  # starts MXNet

    result = bench_inference(network, batch, size, context, repetitions=repetitions)
    if as_json:
        print_json(result._asdict())
        return
    click.echo(f"{network}, batch {batch}, {size}x{size}, {context}")
    click.echo(f"{result.images_per_second:.2f} images/s, {result.gflops:.1f} GFLOP/s")
    click.echo(f"matrix product {result.reference_gflops:.1f} GFLOP/s, ratio {result.ratio:.3f}")
    click.echo(f"peak memory {result.peak_memory_mb:.0f} MB")
    if result.thread_gain is not None:
        click.echo(f"{result.thread_gain:.2f} times the speed with MXNet's own number of threads")


@command.command()
@click.option("--images", type=int, default=64, show_default=True)
@click.option("--size", type=int, default=224, show_default=True)
@click.option("--repetitions", type=int, default=5, show_default=True)
@json_option
def data(images: int, size: int, repetitions: int, as_json: bool) -> None:
    """Decode and augment pictures for training, on one core, and load them by two processes.

    The yardstick is a plain transcription of the original's transform.
    """
    from rnw.analysis.throughput import bench_data  # needs an extra

    result = bench_data(images, size, repetitions=repetitions)
    if as_json:
        print_json(result._asdict())
        return
    same = "the same arrays" if result.identical else "OTHER ARRAYS"
    click.echo(f"{images} JPEGs of 500x375, augmented to {size}x{size}, images/s on one core:")
    click.echo(f"plain transcription {result.yardstick:.0f}")
    click.echo(f"pillow {result.reference:.0f}, ratio {result.reference_ratio:.2f}, {same}")
    click.echo(
        f"opencv {result.fast:.0f}, ratio {result.fast_ratio:.2f}, {result.difference:.2f} grey "
        "levels away on average"
    )
    if result.loader is not None:
        one, two = result.loader
        click.echo(
            f"loader {one:.0f} images/s with one process, {two:.0f} with two, "
            f"ratio {result.scaling:.2f}"
        )
