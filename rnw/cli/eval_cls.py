"""`rnw eval-cls`: top-1 and top-5 of a weights file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple

import click

from rnw.cli.common import (
    FILE,
    data_root_option,
    device_options,
    exit_when_interrupted,
    json_option,
    parse_numbers,
    print_json,
)
from rnw.cli.display import Display
from rnw.runtime import make_contexts

if TYPE_CHECKING:
    from rnw.evaluation.classification.evaluate import Evaluation


@click.command()
@click.option("--weights", type=FILE, help="A released file, a checkpoint or a file of gluoncv's.")
@click.option(
    "--baseline", metavar="NAME", help="resnet50_v1, resnet101_v1, resnet152_v1 or vgg16."
)
@click.option(
    "--scales",
    callback=parse_numbers(int, "crop sizes such as 224,320"),
    metavar="N,...",
    help="Crop sizes to average; default: the protocol's.",
)
@click.option("--three-crops", is_flag=True, help="Both ends and the middle of each picture.")
@click.option("--ten-crops", is_flag=True, help="Corners and middle, out of 8/7 of it, with flips.")
@click.option("--flip", is_flag=True, help="Average the mirror images as well.")
@click.option("--dataset", metavar="DS", help="Whose classes; default: by the weights' name.")
@click.option("--batch", type=click.IntRange(1), default=64, show_default=True)
@click.option(
    "--predictions",
    type=FILE,
    metavar="DIR",
    help="Keep the predictions of each scale there; default: beside the weights.",
)
@click.option(
    "--save-predictions", type=FILE, metavar="FILE.npz", help="And FILE.txt, as ILSVRC submits it."
)
@click.option("--devkit", type=FILE, help="ILSVRC's, for its numbers; default: in --data-root.")
@click.option("--overwrite", is_flag=True, help="Compute and save all predictions anew.")
@click.option("--per-class", is_flag=True, help="Show the accuracy of each class.")
@data_root_option
@device_options
@json_option
def command(
    weights: Optional[Path],
    baseline: Optional[str],
    scales: Tuple[int, ...],
    three_crops: bool,
    ten_crops: bool,
    flip: bool,
    dataset: Optional[str],
    batch: int,
    predictions: Optional[Path],
    save_predictions: Optional[Path],
    devkit: Optional[Path],
    overwrite: bool,
    per_class: bool,
    data_root: Optional[Path],
    gpus: Optional[str],
    cpus: Optional[int],
    as_json: bool,
) -> None:
    """Test a classification network on its dataset, all taken from the weights file.

    An evaluation that was interrupted goes on, and further scales are added to those computed. A
    baseline without weights is downloaded by gluoncv.
    """
    if weights is None and baseline is None:
        raise click.UsageError("give '--weights' or '--baseline'")
    if three_crops and ten_crops:
        raise click.UsageError("--three-crops and --ten-crops cannot be used together")
    contexts = make_contexts(gpus, cpus)
    from rnw.evaluation.classification.evaluate import evaluate  # starts MXNet
    from rnw.evaluation.classification.model import load_model

    crops = "three" if three_crops else "ten" if ten_crops else None
    with exit_when_interrupted(overwrite=overwrite), Display(err=as_json) as display:
        model = load_model(weights, contexts, baseline, dataset=dataset)
        result = evaluate(
            model.tested_by(scales, crops, flip),
            data_root=data_root,
            batch=batch,
            predictions=predictions or model.weights.with_suffix(""),
            save=save_predictions,
            devkit=devkit,
            overwrite=overwrite,
            on_step=display.on_step,
        )
    if as_json:
        print_json(_as_dict(result, per_class))
    else:
        _show(result, per_class, save_predictions)


def _as_dict(result: "Evaluation", per_class: bool) -> Dict[str, Any]:
    fields = {
        "dataset": result.dataset,
        "split": result.split,
        "images": result.images,
        **result.protocol._asdict(),
        **result.accuracy._asdict(),
        "by_scale": {scale: scores._asdict() for scale, scores in result.scales.items()},
        "published": result.published,
        "numbering": result.numbering,
        "subset": result.subset,
        "by_name": result.by_name,
        "model": result.meaning and result.meaning.as_dict(),
        "note": result.note or None,
    }
    if per_class:
        fields["per_class"] = [row._asdict() for row in result.classes]
    return fields


def _show(result: "Evaluation", per_class: bool, saved: Optional[Path]) -> None:
    click.echo(f"{result.dataset} {result.split}, {result.images} images")
    if result.subset:
        whose = "taken by name as those of all" if result.by_name else "for networks trained on it"
        click.echo(f"labels of a subset of {result.subset} classes, {whose}")
    click.echo(str(result.protocol))
    if result.meaning:
        click.echo(str(result.meaning))
    if result.note:
        click.echo(result.note)
    if len(result.scales) > 1:
        for scale, scores in result.scales.items():
            click.echo(f"scale {scale}: top-1 {scores.top1:.2f} %, top-5 {scores.top5:.2f} %")
    for k, value, error in result.accuracy.by_k():
        click.echo(
            f"top-{k} accuracy {value:.2f} %, error {100 - value:.2f} %, standard error {error:.2f}"
        )
    if result.published:
        click.echo(f"published: {result.published}")
    if per_class:
        click.echo(" top-1  top-5 images label  class")
        for row in result.classes:
            click.echo(f"{row.top1:6.2f} {row.top5:6.2f} {row.images:6} {row.label:5}  {row.name}")
    if saved:
        click.echo(f"{saved} and {saved.with_suffix('.txt')}, numbers: {result.numbering}")
