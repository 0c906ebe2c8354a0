"""`rnw bench evaluation`: a whole evaluation beside the network alone."""

from typing import Any, Dict, Optional

import click

from rnw.cli.bench.options import make_workload, repetitions_option
from rnw.cli.common import (
    EngineDevices,
    engine_options,
    gather,
    json_option,
    print_json,
    width_option,
)
from rnw.networks.layout import configure


@click.command()
@click.argument("network")
@click.option(
    "--images", type=int, default=96, show_default=True, help="Number of pictures to evaluate."
)
@click.option(
    "--size",
    type=int,
    help="Side in pixels of the crops of a classifier, or of the longer side of the pictures of a "
    "segmentation network (default: as in the paper's tests, 320 for networks of 224, and 500).",
)
@click.option(
    "--batch",
    type=int,
    default=64,
    show_default=True,
    help="Number of crops in a batch of a classifier.",
)
@repetitions_option(3)
@width_option
@engine_options
@json_option
@gather("devices", EngineDevices)
def command(
    network: str,
    images: int,
    size: Optional[int],
    batch: int,
    repetitions: int,
    width: float,
    devices: EngineDevices,
    as_json: bool,
) -> None:
    """Compare the speed of a whole evaluation with that of NETWORK alone.

    A whole evaluation reads, scales and normalizes photographs, which are made for the measurement,
    computes the network, finds and counts labels, and keeps predictions.
    """
    from rnw.bench.evaluation import bench_evaluation, usual_size  # needs an extra

    config = configure(network, width=width)
    work = make_workload(config, batch, usual_size(config) if size is None else size, devices)
    asked: Dict[str, Any] = {"engine": devices.engine, "precision": devices.precision}
    result = bench_evaluation(work, images=images, repetitions=repetitions, **asked)
    if as_json:
        print_json(result._asdict())
        return
    click.echo(
        f"{network} in {result.precision} by {result.engine}, {images} pictures at {work.size}"
    )
    click.echo(f"evaluation {result.images_per_second:.2f} images/s, network {result.bare:.2f}")
    click.echo(f"ratio {result.kept:.3f}, of processor time {result.processor_share:.3f}")
    click.echo(f"peak memory {result.peak_memory_mb:.0f} MB")
