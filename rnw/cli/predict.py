"""`rnw predict`: what a network sees in pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple

import click

from rnw.cli.common import FILE, device_options, json_option, print_json, protocol_options
from rnw.runtime import make_contexts
from rnw.weights.convert import read_parameters
from rnw.weights.meaning import Meaning, meaning_of

if TYPE_CHECKING:
    from rnw.evaluation.inference import Model
    from rnw.evaluation.segmenter import Segmenter


@click.command()
@click.option("--weights", required=True, type=FILE, help="A released file or a checkpoint.")
@click.option(
    "--top", type=click.IntRange(1), default=5, show_default=True, help="Of a classifier."
)
@click.option("--dataset", metavar="DS", help="Whose classes; default: by the weights' name.")
@click.option("-o", "--output", type=FILE, metavar="DIR", help="For label maps and overlays.")
@click.option("--overwrite", is_flag=True, help="Replace what was written there.")
@click.argument("images", nargs=-1, required=True, type=FILE)
@protocol_options
@device_options
@json_option
def command(
    weights: Path,
    top: int,
    dataset: Optional[str],
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
    segmentation = _is_segmentation(weights)
    if segmentation and output is None:
        raise click.UsageError("a segmentation network draws pictures: give '-o DIR'")
    if output is not None and not segmentation:
        raise click.UsageError("'-o' is for the pictures of a segmentation network")
    if not segmentation and any(given not in (None, ()) for given in protocol.values()):
        raise click.UsageError("scales, flips, tiles and a CRF are for segmentation networks")
    if segmentation:
        from rnw.evaluation.segmenter import load_segmenter  # starts MXNet

        model = load_segmenter([weights], contexts, dataset=dataset).tested_by(**protocol)
        _segment(model, images, output, overwrite, as_json)
    else:
        from rnw.evaluation.classification import load_model

        _classify(load_model(weights, contexts, dataset=dataset), images, top, as_json)


def _is_segmentation(weights: Path) -> bool:
    """By what the file holds, whatever data set its name tells."""
    from rnw.evaluation.baselines import baseline_of  # needs an extra

    return (
        baseline_of(weights) is None
        and meaning_of(weights, read_parameters(weights)).config.segmentation
    )


def _classify(model: "Model", images: Tuple[Path, ...], top: int, as_json: bool) -> None:
    from rnw.evaluation.classification import predict  # starts MXNet

    predictions = predict(model, images, top=top)
    if as_json:
        rows = [_as_dict(prediction) for prediction in predictions]
        print_json({"predictions": rows, **_origin(model.meaning, model.dataset)})
        return
    for prediction in predictions:
        click.echo(prediction.image)
        for number, name, probability in prediction.classes:
            click.echo(f"  {probability:7.4f}  {number:4}  {name}")
    _say_origin(model.meaning, model.dataset)


def _origin(meaning: Optional[Meaning], dataset: Any) -> Dict[str, Any]:
    """What told the network, and what is not known of its data set."""
    from rnw.data.numbered import numbering_note

    return {"model": meaning and meaning.as_dict(), "note": numbering_note(dataset) or None}


def _say_origin(meaning: Optional[Meaning], dataset: Any) -> None:
    from rnw.data.numbered import numbering_note

    for line in (str(meaning or ""), numbering_note(dataset)):
        if line:
            click.echo(line, err=True)


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
    (meaning,) = model.meanings
    if as_json:
        rows = [prediction.as_dict() for prediction in predictions]
        print_json({"predictions": rows, **_origin(meaning, model.dataset)})
        return
    for prediction in predictions:
        click.echo(prediction.image)
        for area in prediction.areas:
            click.echo(f"  {100 * area.share:6.2f} %  {area.number:4}  {area.name}")
    click.echo(f"pictures in {output}")
    _say_origin(meaning, model.dataset)
