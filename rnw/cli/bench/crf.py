"""`rnw bench crf`: the CRF beside pydensecrf."""

import click

from rnw.cli.bench.options import classes_option, repetitions_option
from rnw.cli.common import json_option, print_json


@click.command()
@click.option(
    "--size", type=int, default=500, show_default=True, help="Side of the picture in pixels."
)
@classes_option
@repetitions_option(3)
@json_option
def command(size: int, classes: int, repetitions: int, as_json: bool) -> None:
    """Compare the CRF with and without numba, and with pydensecrf where that is installed.

    The times are processor time, as on one core.
    """
    from rnw.bench.crf import bench_crf  # needs an extra

    rows = bench_crf(size, classes, repetitions=repetitions)
    if as_json:
        print_json({"cases": [row._asdict() for row in rows]})
        return
    for row in rows:
        times = (("SciPy", row.sparse), ("numba", row.compiled), ("pydensecrf", row.pydensecrf))
        parts = [f"{name} {seconds:.2f} s" for name, seconds in times if seconds is not None]
        if row.ratio is not None and row.other_labels is not None:
            parts.append(f"ratio {row.ratio:.2f}, {100 * row.other_labels:.2f} % of labels differ")
        click.echo(f"{row.setting}, {size}x{size}, {classes} classes: " + ", ".join(parts))
