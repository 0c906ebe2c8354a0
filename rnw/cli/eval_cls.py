"""`rnw eval-cls`: top-1 and top-5 of a weights file."""

from pathlib import Path
from typing import Optional

import click

from rnw.cli.common import FILE, data_root_option, device_options, json_option, print_json
from rnw.runtime import make_contexts


@click.command()
@click.option("--weights", required=True, type=FILE, help="A released file or a checkpoint.")
@click.option("--batch", type=click.IntRange(1), default=64, show_default=True)
@data_root_option
@device_options
@json_option
def command(
    weights: Path,
    batch: int,
    data_root: Optional[Path],
    gpus: Optional[str],
    cpus: Optional[int],
    as_json: bool,
) -> None:
    """Test a classification network on its data set, all taken from the weights file."""
    contexts = make_contexts(gpus, cpus)
    from rnw.evaluation.classification import evaluate, load_model  # starts MXNet

    result = evaluate(load_model(weights, contexts), data_root=data_root, batch=batch)
    if as_json:
        print_json(result._asdict())
        return
    click.echo(f"{result.dataset} {result.split}, {result.images} images")
    click.echo(f"top-1 accuracy {result.top1:.2f} %, error {100 - result.top1:.2f} %")
    click.echo(f"top-5 accuracy {result.top5:.2f} %, error {100 - result.top5:.2f} %")
