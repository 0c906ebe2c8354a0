"""`rnw predict`: what a network sees in pictures."""

from pathlib import Path
from typing import Optional, Tuple

import click

from rnw.cli.common import FILE, device_options, json_option, print_json
from rnw.runtime import make_contexts


@click.command()
@click.option("--weights", required=True, type=FILE, help="A released file or a checkpoint.")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True)
@click.argument("images", nargs=-1, required=True, type=FILE)
@device_options
@json_option
def command(
    weights: Path,
    top: int,
    images: Tuple[Path, ...],
    gpus: Optional[str],
    cpus: Optional[int],
    as_json: bool,
) -> None:
    """Print the most probable classes of each of IMAGES."""
    contexts = make_contexts(gpus, cpus)
    from rnw.evaluation.classification import load_model, predict  # starts MXNet

    predictions = predict(load_model(weights, contexts), images, top=top)
    if as_json:
        print_json({"predictions": [_as_dict(prediction) for prediction in predictions]})
        return
    for prediction in predictions:
        click.echo(prediction.image)
        for number, name, probability in prediction.classes:
            click.echo(f"  {probability:7.4f}  {number:4}  {name}")


def _as_dict(prediction) -> dict:
    keys = ("class", "name", "probability")
    return {
        "image": prediction.image,
        "classes": [dict(zip(keys, entry)) for entry in prediction.classes],
    }
