"""`rnw bench loss`: the bootstrapped loss beside others."""

from typing import Any, Dict, Optional

import click

from rnw.cli.bench.options import classes_option, one_device, repetitions_option
from rnw.cli.common import Devices, device_options, gather, json_option, print_json, width_option


@click.command()
@click.option(
    "--images", type=int, default=4, show_default=True, help="Number of images in a batch."
)
@classes_option
@click.option(
    "--size", type=int, default=63, show_default=True, help="Side of the score maps in cells."
)
@click.option(
    "--network",
    help="Also time a training step of this segmentation network, on crops that give such score "
    "maps, and tell which part of it the loss takes.",
)
@width_option
@repetitions_option(50)
@device_options
@json_option
@gather("devices", Devices)
def command(
    images: int,
    classes: int,
    size: int,
    network: Optional[str],
    width: float,
    repetitions: int,
    devices: Devices,
    as_json: bool,
) -> None:
    """Compare the bootstrapped loss and its gradient with plain NumPy, on one device.

    It is also compared with MXNet's SoftmaxOutput, which counts all labels.
    """
    context = one_device(devices)
    from rnw.bench.loss import bench_loss  # starts MXNet

    how: Dict[str, Any] = {"network": network, "width": width, "repetitions": repetitions}
    result = bench_loss(images, classes, size, context, **how)
    if as_json:
        print_json(result._asdict())
        return
    click.echo(f"scores ({images}, {classes}, {size}, {size}), {context}, forward and backward:")
    click.echo(f"numpy {result.yardstick:.2f} ms, ours {result.ours:.2f} ms")
    click.echo(f"ratio {result.ratio:.2f}, {result.difference:.1e} apart")
    click.echo(
        f"SoftmaxOutput without bootstrapping {result.softmax:.2f} ms, "
        f"ours takes {result.softmax_ratio:.2f} times as long"
    )
    if result.share is not None:
        click.echo(
            f"a training step of {network} {result.step:.0f} ms, "
            f"of which the loss takes {result.share:.3%}"
        )
