"""`rnw eval-seg`: pixel accuracy and IoU of weights files."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Tuple

import click

from rnw.cli.common import (
    FILE,
    data_root_option,
    device_options,
    exit_when_interrupted,
    json_option,
    parse_numbers,
    print_json,
    protocol_options,
    show_warnings,
)
from rnw.cli.display import Display
from rnw.runtime import make_contexts

if TYPE_CHECKING:
    from rnw.evaluation.segmentation.evaluate import Evaluation


@click.command()
@click.option(
    "--weights",
    required=True,
    multiple=True,
    type=FILE,
    help="A released file or a checkpoint; several are averaged.",
)
@click.option(
    "--mix",
    callback=parse_numbers(float, "numbers such as 0.5,0.5"),
    metavar="X,...",
    help="What each file weighs; default: the same.",
)
@protocol_options
@click.option("--dataset", metavar="DS", help="Whose classes; default: by the weights' name.")
@click.option("--split", help="Default: the dataset's test split.")
@click.option(
    "--save-predictions",
    type=FILE,
    metavar="DIR",
    help="Keep each picture's labels there; an interrupted evaluation goes on.",
)
@click.option("--overwrite", is_flag=True, help="Compute kept predictions anew.")
@click.option("--official", is_flag=True, help="Cityscapes: also score them with its own tool.")
@data_root_option
@device_options
@json_option
def command(
    weights: Tuple[Path, ...],
    mix: Tuple[float, ...],
    dataset: Optional[str],
    split: Optional[str],
    save_predictions: Optional[Path],
    overwrite: bool,
    official: bool,
    data_root: Optional[Path],
    gpus: Optional[str],
    cpus: Optional[int],
    as_json: bool,
    **protocol: Any,
) -> None:
    """Test segmentation networks on their dataset, all taken from the weights file.

    What is not given is as published for a released file; other files are tested at the dataset's
    own scale.
    """
    if official and save_predictions is None:
        raise click.UsageError("--official scores files: give '--save-predictions'")
    contexts = make_contexts(gpus, cpus)
    from rnw.evaluation.segmentation.evaluate import evaluate  # start MXNet
    from rnw.evaluation.segmentation.model import load_model

    ending = (
        exit_when_interrupted(overwrite=overwrite) if save_predictions else contextlib.nullcontext()
    )
    with ending, Display(err=as_json) as display, show_warnings():
        model = load_model(weights, contexts, mix, dataset).tested_by(**protocol)
        result = evaluate(
            model,
            data_root=data_root,
            split=split,
            predictions=save_predictions,
            overwrite=overwrite,
            official=official,
            on_step=display.on_step,
        )
    if as_json:
        print_json(result.as_dict())
    else:
        _show(result, save_predictions)


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
    if result.dataset == "ade20k":
        click.echo(f"score of ADE20K {scores['ade20k_score']:.2f} %")
