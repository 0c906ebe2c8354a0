"""`rnw bench train`: a training step beside that of Module."""

from typing import TYPE_CHECKING, Dict

import click

from rnw.cli.bench.options import repetitions_option, size_option
from rnw.cli.common import Devices, gather, json_option, precision_options, print_json
from rnw.weights.precision import FLOAT32, PRECISIONS

if TYPE_CHECKING:
    from rnw.bench.train import TrainingSpeed


@click.command()
@click.argument("network")
@click.option(
    "--batch",
    type=int,
    default=8,
    show_default=True,
    help="Number of images in a batch, shared by all devices.",
)
@size_option
@repetitions_option(5)
@click.option("--recompute", is_flag=True, help="Also measure with recomputation.")
@click.option(
    "--frontier",
    is_flag=True,
    help="Measure plans of recomputation from little to the most instead, each beside a step "
    "without any, and PyTorch's checkpoints where PyTorch is installed.",
)
@precision_options
@click.option(
    "--gpus",
    metavar="0,1,...",
    help="Numbers of the GPUs to compute on, joined by commas (default: the CPU).",
)
@click.option(
    "--cpus",
    "--devices",
    type=int,
    metavar="N",
    help="Number of CPU devices to compute on (default: 1).",
)
@json_option
@gather("devices", Devices)
def command(
    network: str,
    batch: int,
    size: int,
    repetitions: int,
    recompute: bool,
    frontier: bool,
    precision: str,
    force_precision: bool,
    devices: Devices,
    as_json: bool,
) -> None:
    """Compare a training step of NETWORK with that of MXNet's Module, and with one device.

    With --precision the step is measured once more in that precision.
    """
    if frontier:
        if precision != FLOAT32:
            raise click.UsageError("--frontier measures float32: leave out --precision")
        _show_frontier(network, batch, size, repetitions, devices, as_json)
        return
    from rnw.bench.train import bench_training

    rows = bench_training(
        network,
        batch,
        size,
        gpus=devices.gpus,
        cpus=devices.cpus,
        recompute=recompute,
        precision=precision,
        force=force_precision,
        repetitions=repetitions,
    )
    if as_json:
        print_json({row.variant: row._asdict() for row in rows})
        return
    click.echo(f"{network}, batch {batch}, {size}x{size}; memory in MB")
    for row in rows:
        click.echo(
            f"{row.variant:<11} on {row.devices}: {row.seconds_per_step:.3f} s a step, "
            f"{row.images_per_second:.2f} images/s, peak {row.peak_memory_mb:.0f}"
        )
        if row.parts:
            click.echo("    " + ", ".join(f"{name} {size:.0f}" for name, size in row.parts.items()))
    click.echo(_compare({row.variant: row for row in rows}))


def _show_frontier(
    network: str, batch: int, size: int, repetitions: int, devices: Devices, as_json: bool
) -> None:
    from rnw.bench.frontier import bench_frontier

    rows = bench_frontier(
        network, batch, size, gpus=devices.gpus, cpus=devices.cpus, repetitions=repetitions
    )
    if as_json:
        print_json({"network": network, "rows": [row._asdict() for row in rows]})
        return
    click.echo(f"{network}, batch {batch}, {size}x{size}; beside a step that keeps all:")
    for row in rows:
        name = row.variant
        if row.planned_memory is not None:
            layers = f"the first {row.layers_again} layers" if row.layers_again else "no layers"
            name = f"{layers} again{' (--recompute)' * row.chosen}"
        planned = (
            ""
            if row.planned_memory is None
            else f" (planned {row.planned_memory:.3f} and {row.planned_time:.2f})"
        )
        click.echo(
            f"{name}: {row.memory:.3f} of the activations, {row.activations_mb:.0f} MB, "
            f"{row.time:.2f} times the time{planned}"
        )


def _compare(rows: Dict[str, "TrainingSpeed"]) -> str:
    """Return the ratios of a training benchmark in words."""
    first = rows["rnw"]
    parts = [f"a step takes {1 / rows['module'].ratio:.3f} times as long as Module's"]
    if "one device" in rows:
        parts.append(f"{1 / rows['one device'].ratio:.3f} times as long as on one device")
    if "recomputing" in rows:
        again = rows["recomputing"]
        share = again.parts["activations"] / first.parts["activations"]
        parts.append(f"recomputing {again.ratio:.3f} times the step, {share:.3f} the activations")
    low = [name for name in rows if name in PRECISIONS]
    parts += [f"{name} {rows[name].ratio:.3f} times the step" for name in low]
    return "; ".join(parts)
