"""`rnw predict`: what a network sees in pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Tuple

import click

from rnw.cli.common import FILE, device_options, json_option, print_json, protocol_options
from rnw.runtime import make_contexts

if TYPE_CHECKING:
    from rnw.evaluation.segmenter import Segmenter


@click.command()
@click.option("--weights", required=True, type=FILE, help="A released file or a checkpoint.")
@click.option(
    "--top", type=click.IntRange(1), default=5, show_default=True, help="Of a classifier."
)
@click.option("-o", "--output", type=FILE, metavar="DIR", help="For label maps and overlays.")
@click.option("--overwrite", is_flag=True, help="Replace what was written there.")
@click.argument("images", nargs=-1, required=True, type=FILE)
@protocol_options
@device_options
@json_option
def command(
    weights: Path,
    top: int,
    output: Optional[Path],
    overwrite: bool,
    images: Tuple[Path, ...],
    gpus: Optional[str],
    cpus: Optional[int],
    as_json: bool,
    **protocol: Any,
) -> None:
    """Print the most probable classes of each of IMAGES.

    With a segmentation network, IMAGES may be folders too: write a label map, an overlay with a
    legend and the area of each class to DIR, and print the areas; the protocol is that of
    `rnw eval-seg`.
    """
    contexts = make_contexts(gpus, cpus)
    from rnw.data.catalog import SEGMENTATION  # needs an extra

    segmentation = weights.name.partition("_")[0] in SEGMENTATION
    if segmentation and output is None:
        raise click.UsageError("a segmentation network draws pictures: give '-o DIR'")
    if output is not None and not segmentation:
        raise click.UsageError("'-o' is for the pictures of a segmentation network")
    if not segmentation and any(given not in (None, ()) for given in protocol.values()):
        raise click.UsageError("scales, flips, tiles and a CRF are for segmentation networks")
    if segmentation:
        from rnw.evaluation.segmenter import load_segmenter  # starts MXNet

        model = load_segmenter([weights], contexts).tested_by(**protocol)
        _segment(model, images, output, overwrite, as_json)
    else:
        _classify(weights, contexts, images, top, as_json)


def _classify(
    weights: Path, contexts: list, images: Tuple[Path, ...], top: int, as_json: bool
) -> None:
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


def _segment(
    model: "Segmenter", images: Tuple[Path, ...], output: Path, overwrite: bool, as_json: bool
) -> None:
    from rnw.evaluation.segmentation_pictures import predict_pictures  # starts MXNet

    predictions = predict_pictures(model, images, output, overwrite=overwrite)
    if as_json:
        print_json({"predictions": [prediction.as_dict() for prediction in predictions]})
        return
    for prediction in predictions:
        click.echo(prediction.image)
        for area in prediction.areas:
            click.echo(f"  {100 * area.share:6.2f} %  {area.number:4}  {area.name}")
    click.echo(f"pictures in {output}")
