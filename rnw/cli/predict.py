"""`rnw predict`: what a network sees in pictures."""

from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
)

import click

from rnw.cli.common import (
    FILE,
    device_options,
    json_option,
    print_json,
    print_line,
    protocol_options,
    trained_dataset_option,
)
from rnw.errors import InputError
from rnw.runtime import make_contexts
from rnw.weights.meaning import Meaning

if TYPE_CHECKING:
    from rnw.evaluation.classification import predict as classification
    from rnw.evaluation.segmentation import predict as segmentation


@click.command()
@click.option(
    "--weights", required=True, type=FILE, help="Weights file: a released one or a checkpoint."
)
@click.option(
    "--top",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Number of classes to print (classification only).",
)
@trained_dataset_option
@click.option(
    "-o",
    "--output",
    type=FILE,
    metavar="DIR",
    help="Folder for label maps and overlays (segmentation only).",
)
@click.option("--overwrite", is_flag=True, help="Replace label maps and overlays that exist.")
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
    """Classify or segment pictures of your own.

    IMAGES are files or folders of files. With a classification network, print the most probable
    classes of each. With a segmentation network, write a label map and an overlay with a legend to
    DIR, and print the area of each class; the options for sizes, mirror images, tiles and the CRF
    are those of `rnw eval-seg`. Pictures are turned upright as their EXIF data say. Those that
    cannot be read are listed at the end, and the exit status is then 1.
    """
    contexts = make_contexts(gpus, cpus)
    from rnw.api import holds_segmentation  # needs an extra

    segmentation = holds_segmentation(weights)
    if segmentation and output is None:
        raise click.UsageError("a segmentation network draws pictures: give '-o DIR'")
    if output is not None and not segmentation:
        raise click.UsageError("'-o' is for the pictures of a segmentation network")
    if not segmentation and any(given not in (None, ()) for given in protocol.values()):
        raise click.UsageError("scales, flips, tiles and a CRF are for segmentation networks")
    bad: List[InputError] = []
    if segmentation:
        options = {"output": output, "overwrite": overwrite, "on_bad": bad.append}
        found, origin = _segment(weights, contexts, dataset, images, protocol, **options)
    else:
        found, origin = _classify(weights, contexts, dataset, images, top=top, on_bad=bad.append)
    done = _show(found, _area_lines if segmentation else _class_lines, origin, as_json)
    if done and not as_json:
        if segmentation:
            print_line(f"pictures in {output}")
        _say_origin(origin)
    _name_bad(bad, done)


def _segment(
    weights: Path,
    contexts: Sequence[Any],
    dataset: Optional[str],
    images: Sequence[Path],
    protocol: Dict[str, Any],
    **options: Any,
) -> "Tuple[Iterator[segmentation.Prediction], Dict[str, Any]]":
    """Return the predictions of a segmentation network, not yet made, and their origin."""
    from rnw.evaluation.segmentation.model import load_model  # starts MXNet
    from rnw.evaluation.segmentation.predict import predict

    model = load_model([weights], contexts, dataset=dataset).tested_by(**protocol)
    origin = _origin(model.meanings[0], model.dataset)
    return predict(model, images, **options), origin


def _classify(
    weights: Path,
    contexts: Sequence[Any],
    dataset: Optional[str],
    images: Sequence[Path],
    **options: Any,
) -> "Tuple[Iterator[classification.Prediction], Dict[str, Any]]":
    """Return the predictions of a classification network, not yet made, and their origin."""
    from rnw.evaluation.classification.model import load_model  # starts MXNet
    from rnw.evaluation.classification.predict import predict

    model = load_model(weights, contexts, dataset=dataset)
    return predict(model, images, **options), _origin(model.meaning, model.dataset)


def _origin(meaning: Optional[Meaning], dataset: Any) -> Dict[str, Any]:
    """What told the network, and what is not known of its dataset."""
    from rnw.data.sets.numbered import numbering_note

    return {"model": meaning, "note": numbering_note(dataset) or None}


def _say_origin(origin: Dict[str, Any]) -> None:
    for line in origin.values():
        if line is not None:
            print_line(str(line), err=True)


def _show(
    predictions: Iterable[Any],
    lines: Callable[[Any], Iterator[str]],
    origin: Dict[str, Any],
    as_json: bool,
) -> int:
    """Print each prediction as it comes, or all as one object; how many there were."""
    done, kept = 0, []
    for prediction in predictions:
        done += 1
        if as_json:
            kept.append(prediction.as_dict())
        else:
            for line in (prediction.image, *lines(prediction)):
                print_line(line)
    if kept:
        model = origin["model"] and origin["model"].as_dict()
        print_json({"predictions": kept, **origin, "model": model})
    return done


def _class_lines(prediction: "classification.Prediction") -> Iterator[str]:
    for number, name, probability in prediction.classes:
        yield f"  {probability:7.4f}  {number:4}  {name}"


def _area_lines(prediction: "segmentation.Prediction") -> Iterator[str]:
    for area in prediction.areas:
        yield f"  {100 * area.share:6.2f} %  {area.number:4}  {area.name}"


def _name_bad(bad: Sequence[InputError], done: int) -> None:
    """End with status 1 if some pictures could not be read, 2 if none could."""
    for error in bad:
        print_line(f"Error: {error}", err=True)
    if bad:
        raise SystemExit(1 if done else 2)
