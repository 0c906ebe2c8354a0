"""`rnw bench seg-eval`: labeling pictures from score maps."""

import click

from rnw.cli.bench.options import repetitions_option
from rnw.cli.common import json_option, print_json


@click.command()
@repetitions_option(5)
@json_option
def command(repetitions: int, as_json: bool) -> None:
    """Compare labeling pictures from score maps with upsampling the scores by Pillow.

    The times are processor time, as on one core.
    """
    from rnw.bench.seg_eval import bench_scoring  # needs an extra

    rows = bench_scoring(repetitions=repetitions)
    if as_json:
        print_json({"cases": [row._asdict() for row in rows]})
        return
    for row in rows:
        click.echo(
            f"{row.height}x{row.width}, {row.classes} classes: labels {1000 * row.label:.0f} ms, "
            f"pillow {1000 * row.pillow:.0f} ms, ratio {row.ratio:.2f}, {row.other_labels} labels "
            f"differ; counting {1000 * row.score:.1f} ms"
        )
