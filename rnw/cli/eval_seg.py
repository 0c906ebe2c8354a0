"""`rnw eval-seg`: pixel accuracy and IoU of weights files."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional, Tuple

import click

from rnw.cli.common import (
    FILE,
    EngineDevices,
    ProtocolChanges,
    data_root_option,
    engine_options,
    exit_when_interrupted,
    gather,
    json_option,
    network_option,
    parse_numbers,
    pooling_option,
    print_json,
    protocol_options,
    tell_computing,
    tell_held_out,
    tested_dataset_options,
    tested_split_option,
)
from rnw.cli.display import Display
from rnw.data.sets.catalog import SEGMENTATION
from rnw.errors import counted

if TYPE_CHECKING:
    from rnw.evaluation.segmentation.evaluate import Evaluation
    from rnw.evaluation.segmentation.model import Model


@dataclass(frozen=True)
class _Networks:
    """The networks in weights files, or scores in their place; their mixture and poolings."""

    weights: Tuple[Path, ...]
    scores: Tuple[Path, ...]
    mix: Tuple[float, ...]
    network: Optional[str]
    pooling: Optional[str]

    def load(
        self,
        devices: EngineDevices,
        dataset: Optional[str],
        protocol: ProtocolChanges,
        kept: Optional[Path],
    ) -> "Model":
        """Return the model; raise UsageError unless weights or scores are given.

        kept: the folder of results that are to be continued.
        """
        if bool(self.weights) == bool(self.scores):
            raise click.UsageError("give '--weights', or '--scores' in their place")
        if self.scores and (self.network or self.pooling or devices.chooses()):
            raise click.UsageError(
                "'--scores' need no network: leave out --network, --pooling, --engine, --provider "
                "and --precision"
            )
        if self.scores:
            from rnw.evaluation.segmentation.from_scores import model_of_scores

            return model_of_scores(self.scores, self.mix, dataset, **vars(protocol))
        opened, computing = devices.open()
        from rnw.evaluation.segmentation.model import load_model

        given = (self.mix, dataset, self.network, self.pooling)
        model = load_model(self.weights, opened, *given, computing=computing)
        return model.tested_by(kept=kept, **vars(protocol))


@dataclass(frozen=True)
class _Files:
    """Where labels and scores are saved, and whether the official tool scores them."""

    save_predictions: Optional[Path]
    save_scores: Optional[Path]
    original_layout: bool
    overwrite: bool
    official: bool

    def check(self) -> None:
        """Raise UsageError for what needs saved labels where none are saved."""
        if self.save_predictions is None:
            for asked, what in (
                (self.official, "--official scores"),
                (self.original_layout, "--original-layout copies"),
            ):
                if asked:
                    raise click.UsageError(f"{what} files: give '--save-predictions'")

    @property
    def kept(self) -> Optional[Path]:
        """The folder from which an interrupted evaluation is resumed."""
        return self.save_predictions or self.save_scores


@click.command()
@click.option(
    "--weights",
    multiple=True,
    type=FILE,
    help="Weights file: a released one or a checkpoint (may be repeated: the scores are averaged).",
)
@click.option(
    "--scores",
    multiple=True,
    type=FILE,
    metavar="DIR",
    help="Folder of --save-scores to take the scores from in place of a network (may be repeated).",
)
@click.option(
    "--mix",
    callback=parse_numbers(float, "numbers such as 0.5,0.5"),
    metavar="X,...",
    help="Weight of each file or folder in the average, joined by commas (default: all the same).",
)
@pooling_option
@protocol_options
@tested_dataset_options
@tested_split_option
@network_option
@click.option(
    "--save-predictions",
    type=FILE,
    metavar="DIR",
    help="Folder for the predicted labels of each picture; run the same command again to resume "
    "an interrupted evaluation.",
)
@click.option(
    "--original-layout",
    is_flag=True,
    help="Also copy the predicted labels to DIR/NAME.png, where the authors' released code writes "
    "them (with --save-predictions).",
)
@click.option(
    "--save-scores",
    type=FILE,
    metavar="DIR",
    help="Folder for the score maps of each picture at each scale, in half precision, from which "
    "--scores and `rnw crf` go on; run the same command again to resume or to add a scale.",
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
@engine_options
@json_option
@gather("files", _Files)
@gather("networks", _Networks)
@gather("devices", EngineDevices)
def command(
    networks: _Networks,
    protocol: ProtocolChanges,
    dataset: Optional[str],
    split: Optional[str],
    files: _Files,
    data_root: Optional[Path],
    devices: EngineDevices,
    as_json: bool,
) -> None:
    """Measure the pixel accuracy and IoU of segmentation networks.

    The network and its dataset are inferred from the weights file. A released file is tested by the
    published protocol unless options say otherwise; other files are tested at the dataset's own
    size. Scores that were saved are tested by the protocol they were made by, at all their scales.
    """
    files.check()
    from rnw.evaluation.segmentation.evaluate import evaluate

    resumes = exit_when_interrupted(overwrite=files.overwrite)
    with resumes if files.kept else contextlib.nullcontext(), Display(err=as_json) as display:
        continued = None if files.overwrite else files.kept
        model = networks.load(devices, dataset, protocol, continued)
        tell_held_out(model.dataset)
        result = evaluate(
            model,
            data_root=data_root,
            split=split,
            predictions=files.save_predictions,
            scores=files.save_scores,
            original_layout=files.original_layout,
            overwrite=files.overwrite,
            official=files.official,
            on_step=display.on_step,
        )
    if as_json:
        print_json({**result.as_dict(), "scores": list(map(str, networks.scores)) or None})
        return
    _show(result, files.save_predictions)
    for folder in networks.scores:
        click.echo(f"scores of {folder}")
    if files.save_scores:
        click.echo(f"scores in {files.save_scores}")


def _show(result: "Evaluation", saved: Optional[Path]) -> None:
    click.echo(f"{result.dataset} {result.split}, {counted(result.images, 'image')}")
    click.echo(str(result.protocol))
    for meaning in result.meanings:
        click.echo(str(meaning))
    tell_computing(result.computing)
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
