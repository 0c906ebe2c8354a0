"""`rnw bench table`: the paper's comparisons of speed and memory."""

from typing import TYPE_CHECKING, Tuple

import click

from rnw.cli.bench.options import one_device
from rnw.cli.common import Devices, device_options, gather, json_option, print_json

if TYPE_CHECKING:
    from rnw.reports.cost_tables import SpeedRow


@click.command()
@click.option(
    "--only",
    "networks",
    multiple=True,
    metavar="NETWORK",
    help="Measure only this row: model_a for the speed of a classifier, fcn_a for the memory of a "
    "segmentation network (may be repeated).",
)
@click.option(
    "--batch",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Number of images in a batch when speed is measured.",
)
@click.option(
    "--crops",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of crops in a training step when memory is measured.",
)
@click.option(
    "--size",
    type=click.IntRange(1),
    default=504,
    show_default=True,
    help="Side of these crops in pixels.",
)
@click.option(
    "--repetitions",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Number of speed measurements, of which the median counts.",
)
@device_options
@json_option
@gather("devices", Devices)
def command(
    networks: Tuple[str, ...],
    batch: int,
    crops: int,
    size: int,
    repetitions: int,
    devices: Devices,
    as_json: bool,
) -> None:
    """Compare the speed and memory of the paper's networks with those of ResNet-101.

    First the speed of the classifiers in Table 1, beside the ratio in the paper; then the memory
    that fine-tuning each fully convolutional network takes, as for Table 2, each measured in a
    process of its own. The paper's values of memory are not known here.
    """
    context = one_device(devices)
    from rnw.reports.cost_tables import compare_memory, compare_speeds, split_names  # starts MXNet

    timed, tuned = split_names(networks)
    speeds = compare_speeds(
        context,
        networks=timed,
        batch=batch,
        repetitions=repetitions,
        on_row=lambda row: click.echo(_speed_line(row), err=as_json),
    )
    memories = compare_memory(
        context,
        networks=tuned,
        crops=crops,
        size=size,
        on_row=lambda row: click.echo(f"{row} (paper: -)", err=as_json),
    )
    if as_json:
        rows, memory = ([row._asdict() for row in found] for found in (speeds, memories))
        print_json({"rows": rows, "memory": memory})


def _speed_line(row: "SpeedRow") -> str:
    paper = f"{row.published_ratio:.2f}" if row.published_ratio else "-"
    speed = f"{row.images_per_second:.2f} images/s at {row.size}"
    return f"{row.title}: {speed}, {row.ratio:.2f} times ResNet-101's (paper: {paper})"
