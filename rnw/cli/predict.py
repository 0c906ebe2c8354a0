"""`rnw predict`: what a network sees in pictures."""

from dataclasses import dataclass, replace
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
    Protocol,
    Sequence,
    Tuple,
    TypeVar,
    Union,
)

import click

from rnw.cli.common import (
    FILE,
    EngineDevices,
    ProtocolChanges,
    engine_options,
    gather,
    json_option,
    network_option,
    pooling_option,
    print_json,
    print_line,
    protocol_options,
    tell_computing,
    trained_dataset_option,
)
from rnw.errors import InputError
from rnw.evaluation.computing import Computing

if TYPE_CHECKING:
    from rnw.evaluation.classification import predict as classification
    from rnw.evaluation.classification.model import Model as ClassificationModel
    from rnw.evaluation.segmentation import predict as segmentation
    from rnw.evaluation.segmentation.model import Model as SegmentationModel
    from rnw.weights.meaning import Meaning


@dataclass(frozen=True)
class _Chosen:
    """The network: in which file, of which dataset and name, and the convention of its poolings."""

    weights: Path
    dataset: Optional[str]
    network: Optional[str]
    pooling: Optional[str]


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
@network_option
@click.option(
    "-o",
    "--output",
    type=FILE,
    metavar="DIR",
    help="Folder for label maps and overlays (segmentation only).",
)
@click.option("--overwrite", is_flag=True, help="Replace label maps and overlays that exist.")
@click.argument("images", nargs=-1, required=True, type=FILE)
@pooling_option
@protocol_options
@engine_options
@json_option
@gather("chosen", _Chosen)
@gather("devices", EngineDevices)
def command(
    chosen: _Chosen,
    top: int,
    output: Optional[Path],
    overwrite: bool,
    images: Tuple[Path, ...],
    protocol: ProtocolChanges,
    devices: EngineDevices,
    as_json: bool,
) -> None:
    """Classify or segment pictures of your own.

    IMAGES are files or folders of files. With a classification network, print the most probable
    classes of each. With a segmentation network, write a label map and an overlay with a legend to
    DIR, and print the area of each class; the options for sizes, mirror images, tiles and the CRF
    are those of `rnw eval-seg`. Pictures are turned upright as their EXIF data say. Those that
    cannot be read are listed at the end, and the exit status is then 1.
    """
    opened, computing = devices.open()
    from rnw.api import load_model
    from rnw.evaluation.classification.predict import predict as predict_classes
    from rnw.evaluation.segmentation.model import Model as SegmentationModel
    from rnw.evaluation.segmentation.predict import predict as predict_labels

    bad: List[InputError] = []
    model = load_model(
        chosen.weights, opened, chosen.dataset, chosen.network, chosen.pooling, computing
    )
    if isinstance(model, SegmentationModel):
        if output is None:
            raise click.UsageError("a segmentation network draws pictures: give '-o DIR'")
        model = model.tested_by(any_shape=True, **vars(protocol))
        origin = _origin(model.meanings[0], model)
        areas = predict_labels(model, images, output, overwrite=overwrite, on_bad=bad.append)
        done = _show(areas, _area_lines, origin, as_json)
    else:
        if output is not None:
            raise click.UsageError("'-o' is for the pictures of a segmentation network")
        if replace(protocol, interpolation=None).any():
            raise click.UsageError("scales, flips, tiles and a CRF are for segmentation networks")
        model = model.tested_by(interpolation=protocol.interpolation)
        origin = _origin(model.meaning, model)
        classes = predict_classes(model, images, top=top, on_bad=bad.append)
        done = _show(classes, _class_lines, origin, as_json)
    if done and not as_json:
        if output is not None:
            print_line(f"pictures in {output}")
        _print_origin(origin, model.computing)
    _print_bad(bad, done)


def _origin(
    meaning: "Optional[Meaning]", model: "Union[ClassificationModel, SegmentationModel]"
) -> Dict[str, Any]:
    """Return how the network was recognized and tested, and a note if its dataset is unknown."""
    from rnw.data.sets.numbered import numbering_note

    note = numbering_note(model.dataset) or None
    return {
        "model": meaning,
        "protocol": str(model.protocol),
        "note": note,
        **model.computing.as_dict(),
    }


def _print_origin(origin: Dict[str, Any], computing: Computing) -> None:
    """Print how the network was recognized, the protocol, the note, and what computed it."""
    for key in ("model", "protocol", "note"):
        if origin[key] is not None:
            print_line(str(origin[key]), err=True)
    tell_computing(computing, err=True)


class _Prediction(Protocol):
    """What a network of either task says about a picture."""

    @property
    def image(self) -> str: ...

    def as_dict(self) -> Dict[str, Any]: ...


Predicted = TypeVar("Predicted", bound=_Prediction)


def _show(
    predictions: Iterable[Predicted],
    lines: Callable[[Predicted], Iterator[str]],
    origin: Dict[str, Any],
    as_json: bool,
) -> int:
    """Print each prediction as it comes, or all as one object; return how many there were."""
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


def _print_bad(bad: Sequence[InputError], done: int) -> None:
    """Print errors; exit with status 1 if some pictures could not be read, 2 if none could."""
    for error in bad:
        print_line(f"Error: {error}", err=True)
    if bad:
        raise SystemExit(1 if done else 2)
