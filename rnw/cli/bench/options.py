"""What commands of `rnw bench` have in common."""

from typing import TYPE_CHECKING, Any, Callable

import click

from rnw.cli.common import Devices, EngineDevices
from rnw.networks.layout import NetworkConfig

if TYPE_CHECKING:
    from rnw.bench.peers import Workload

files_option = click.option(
    "--images", type=int, default=64, show_default=True, help="Number of JPEG files to read."
)
size_option = click.option(
    "--size", type=int, default=224, show_default=True, help="Side of the images in pixels."
)
classes_option = click.option(
    "--classes", type=int, default=21, show_default=True, help="Number of classes."
)


def repetitions_option(default: int) -> Callable:
    """Return the option `--repetitions`, with its default for a benchmark."""
    return click.option(
        "--repetitions",
        type=int,
        default=default,
        show_default=True,
        help="Number of measurements, of which the median counts.",
    )


def one_device(devices: Devices) -> Any:
    """Return the MXNet context that options name; raise UsageError for several."""
    context, *others = devices.contexts()
    if others:
        raise click.UsageError(
            "one device is measured at a time: leave out '--cpus', or give '--gpus' one number"
        )
    return context


def make_workload(
    config: NetworkConfig, batch: int, size: int, devices: EngineDevices
) -> "Workload":
    """Return what is computed, and on which devices."""
    from rnw.bench.peers import Workload

    where = (devices.gpus, devices.cpus, devices.provider)
    return Workload(config, batch, size, *where, devices.force_precision)
