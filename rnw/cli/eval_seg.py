"""`rnw eval-seg`: pixel accuracy and IoU of weights files."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional, Tuple

import click

from rnw.cli.common import (
    FILE,
    Devices,
    ProtocolChanges,
    data_root_option,
    device_options,
    exit_when_interrupted,
    gather,
    json_option,
    network_option,
    parse_numbers,
    print_json,
    protocol_options,
    show_warnings,
    tell_held_out,
    tested_dataset_options,
)
from rnw.cli.display import Display
from rnw.data.sets.catalog import SEGMENTATION

if TYPE_CHECKING:
    from rnw.evaluation.segmentation.evaluate import Evaluation


@dataclass(frozen=True)
class _Files:
    """Where predicted labels are saved, and whether the official tool scores them."""

    save_predictions: Optional[Path]
    overwrite: bool
    official: bool


@click.command()
@click.option(
    "--weights",
    required=True,
    multiple=True,
    type=FILE,
    help="Weights file: a released one or a checkpoint (may be repeated: the scores are averaged).",
)
@click.option(
    "--mix",
    callback=parse_numbers(float, "numbers such as 0.5,0.5"),
    metavar="X,...",
    help="Weight of each file in the average, joined by commas (default: all the same).",
)
@protocol_options
@tested_dataset_options
@network_option
@click.option(
    "--split",
    help="Split of the dataset to test on (default: the one that the dataset is tested on).",
)
@click.option(
    "--save-predictions",
    type=FILE,
    metavar="DIR",
    help="Folder for the predicted labels of each picture; run the same command again to resume "
    "an interrupted evaluation.",
)
@click.option(
    "--overwrite", is_flag=True, help="Compute all predictions again and replace the saved ones."
)
@click.option(
    "--official",
    is_flag=True,
    help="Also score the saved predictions with the official tool (Cityscapes only).",
)
@data_root_option
@device_options
@json_option
@gather("files", _Files)
@gather("devices", Devices)
def command(
    weights: Tuple[Path, ...],
    mix: Tuple[float, ...],
    protocol: ProtocolChanges,
    dataset: Optional[str],
    network: Optional[str],
    split: Optional[str],
    files: _Files,
    data_root: Optional[Path],
    devices: Devices,
    as_json: bool,
) -> None:
    """Measure the pixel accuracy and IoU of segmentation networks.

    The network and its dataset are inferred from the weights file. A released file is tested by the
    published protocol unless options say otherwise; other files are tested at the dataset's own
    size.
    """
    saved = files.save_predictions
    if files.official and saved is None:
        raise click.UsageError("--official scores files: give '--save-predictions'")
    contexts = devices.contexts()
    from rnw.evaluation.segmentation.evaluate import evaluate  # start MXNet
    from rnw.evaluation.segmentation.model import load_model

    ending = exit_when_interrupted(overwrite=files.overwrite) if saved else contextlib.nullcontext()
    with ending, Display(err=as_json) as display, show_warnings():
        model = load_model(weights, contexts, mix, dataset, network).tested_by(**vars(protocol))
        tell_held_out(model.dataset)
        result = evaluate(
            model,
            data_root=data_root,
            split=split,
            predictions=saved,
            overwrite=files.overwrite,
            official=files.official,
            on_step=display.on_step,
        )
    if as_json:
        print_json(result.as_dict())
    else:
        _show(result, saved)


def _show(result: "Evaluation", saved: Optional[Path]) -> None:
    click.echo(f"{result.dataset} {result.split}, {result.images} images")
    click.echo(str(result.protocol))
    for meaning in result.meanings:
        click.echo(str(meaning))
    if result.note:
        click.echo(result.note)
    if result.confusion:
        _show_scores(result)
    if result.published:
        click.echo(f"published: {result.published}")
    if result.official:
        click.echo(f"official: {result.official}")
    if saved:
        click.echo(f"predictions in {saved}")


def _show_scores(result: "Evaluation") -> None:
    scores = result.as_dict()
    click.echo("   IoU accuracy  class")
    for row in scores["per_class"]:
        mark = "" if row["true_pixels"] else " (no true pixel)"
        click.echo(f"{row['iou']:6.2f} {row['accuracy']:8.2f}  {row['name']}{mark}")
    classes, occurring = len(scores["per_class"]), scores["occurring_classes"]
    of_occurring = scores["mean_iou_of_occurring_classes"]
    click.echo(
        f"pixel accuracy {scores['pixel_accuracy']:.2f} %, mean accuracy "
        f"{scores['mean_accuracy']:.2f} %, mean IoU {scores['mean_iou']:.2f} % of all {classes} "
        f"classes, {of_occurring:.2f} % of the {occurring} that occur"
    )
    click.echo(f"pixels judged: {scores['pixels_judged']:,}")
    dataset = SEGMENTATION.get(result.dataset)
    if dataset is not None and dataset.ranking_score is not None:
        title, key = dataset.ranking_score
        click.echo(f"{title} {scores[key]:.2f} %")
