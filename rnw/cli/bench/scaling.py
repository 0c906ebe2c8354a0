"""`rnw bench scaling`: how time and memory of a training step grow."""

from pathlib import Path
from typing import TYPE_CHECKING, Optional, Tuple

import click

from rnw.cli.bench.options import repetitions_option
from rnw.cli.common import FILE, json_option, parse_numbers, print_json, print_line
from rnw.errors import counted

if TYPE_CHECKING:
    from rnw.bench.scaling import ScalingRow


@click.command()
@click.argument("network")
@click.option(
    "--batches",
    default="4,2,1",
    show_default=True,
    callback=parse_numbers(int, "numbers of images such as 4,2,1"),
    help="Numbers of images in a batch, shared by all devices.",
)
@click.option(
    "--sizes",
    default="224,112,56",
    show_default=True,
    callback=parse_numbers(int, "sizes such as 224,112"),
    help="Sides of the images in pixels.",
)
@click.option(
    "--widths",
    default="1,0.5,0.25",
    show_default=True,
    callback=parse_numbers(float, "factors such as 1,0.5"),
    help="Factors on the number of channels of every layer.",
)
@click.option(
    "--devices",
    default="1,2,4",
    show_default=True,
    callback=parse_numbers(int, "numbers of CPU devices such as 1,2,4"),
    help="Numbers of CPU devices that share a batch.",
)
@repetitions_option(3)
@click.option(
    "-o", "--output", type=FILE, help="File to draw the growth to as well: .png, .svg or .pdf."
)
@click.option("--overwrite", is_flag=True, help="Replace the picture if it exists.")
@json_option
def command(
    network: str,
    batches: Tuple[int, ...],
    sizes: Tuple[int, ...],
    widths: Tuple[float, ...],
    devices: Tuple[int, ...],
    repetitions: int,
    output: Optional[Path],
    overwrite: bool,
    as_json: bool,
) -> None:
    """Measure how time and memory of a training step of NETWORK grow.

    The first number of each list is where all measurements start from, and one of them is changed
    at a time. Time and memory are fitted by powers of what is changed, whose exponents are shown:
    1 where something doubles together with it, 0 where it stays the same. A list of one number is
    not varied. The memory that is fitted is what the step adds to that of the process.
    """
    from rnw.bench.scaling import bench_scaling, fit_growth

    if output is not None:
        from rnw.plots import check_plot_file  # starts Matplotlib

        check_plot_file(output, overwrite=overwrite)
    rows = bench_scaling(
        network,
        batches,
        sizes,
        widths,
        devices,
        repetitions=repetitions,
        on_row=lambda row: print_line(_scaling_line(row), err=as_json),
    )
    growth = fit_growth(rows)
    for fitted in growth:
        exponents = f"time {fitted.time:.2f}, memory {fitted.memory:.2f}"
        print_line(f"exponents of {fitted.varied}: {exponents}", err=as_json)
    if output is not None:
        from rnw.bench.scaling_plot import draw_scaling

        draw_scaling(network, rows, output)
        print_line(str(output), err=as_json)
    if as_json:
        found = [[each._asdict() for each in table] for table in (rows, growth)]
        print_json({"network": network, "rows": found[0], "exponents": found[1]})


def _scaling_line(row: "ScalingRow") -> str:
    devices = counted(row.devices, "CPU device")
    return (
        f"batch {row.batch}, {row.size}x{row.size}, width {row.width:g}, {devices}: "
        f"{row.seconds_per_step:.3f} s a step, {row.time:.3f} times the first, "
        f"peak {row.peak_memory_mb:.0f} MB, {row.added_mb:.0f} of it by the step"
    )
