"""`rnw eval-cls`: top-1 and top-5 of a weights file."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Sequence, Tuple

import click

from rnw.cli.common import (
    FILE,
    EngineDevices,
    data_root_option,
    engine_options,
    exit_when_interrupted,
    gather,
    interpolation_option,
    json_option,
    network_option,
    parse_numbers,
    pooling_option,
    print_json,
    tell_computing,
    tell_held_out,
    tested_dataset_options,
    tested_split_option,
)
from rnw.cli.display import Display
from rnw.errors import counted

if TYPE_CHECKING:
    from rnw.evaluation.classification.evaluate import Evaluation
    from rnw.evaluation.classification.model import Model
    from rnw.evaluation.computing import Computing


@dataclass(frozen=True)
class _Views:
    """The crops of a picture that are averaged, and how it is resized for them."""

    scales: Tuple[int, ...]
    three_crops: bool
    ten_crops: bool
    flip: bool
    interpolation: Optional[str]

    def crops(self) -> Optional[str]:
        """Return the kind of crops; raise UsageError where two kinds are given."""
        if self.three_crops and self.ten_crops:
            raise click.UsageError("--three-crops and --ten-crops cannot be used together")
        return "three" if self.three_crops else "ten" if self.ten_crops else None


@dataclass(frozen=True)
class _Files:
    """Where predictions are kept and saved, and the class ids that saved ones have."""

    predictions: Optional[Path]
    save_predictions: Optional[Path]
    devkit: Optional[Path]
    overwrite: bool


@dataclass(frozen=True)
class _Chosen:
    """The network that is tested: that in a file, by whatever name, or one of gluoncv's.

    pooling: the convention of its poolings.
    """

    weights: Optional[Path]
    baseline: Optional[str]
    network: Optional[str]
    pooling: Optional[str]

    def check(self) -> None:
        """Raise UsageError where no network is given."""
        if self.weights is None and self.baseline is None:
            raise click.UsageError("give '--weights' or '--baseline'")

    def load(
        self, devices: Sequence[Any], computing: "Computing", dataset: Optional[str]
    ) -> "Model":
        """Return the network; the dataset replaces that of the file."""
        from rnw.evaluation.classification.model import load_model

        given: Any = {"network": self.network, "pooling": self.pooling, "computing": computing}
        return load_model(self.weights, devices, self.baseline, dataset=dataset, **given)


@dataclass(frozen=True)
class _Tested:
    """The part of the dataset that the network is tested on, and where it is."""

    split: Optional[str]
    data_root: Optional[Path]


@click.command()
@click.option(
    "--weights",
    type=FILE,
    help="Weights file: a released one, a checkpoint, or a file of a --baseline.",
)
@click.option(
    "--baseline",
    metavar="NAME",
    help="Network of gluoncv to test for comparison: resnet50_v1, resnet101_v1, resnet152_v1 or "
    "vgg16.",
)
@click.option(
    "--scales",
    callback=parse_numbers(int, "crop sizes such as 224,320"),
    metavar="N,...",
    help="Crop sizes in pixels to test at and average (default: those of the published protocol).",
)
@click.option(
    "--three-crops",
    is_flag=True,
    help="Average three crops of each picture: both ends and the middle.",
)
@click.option(
    "--ten-crops",
    is_flag=True,
    help="Average ten crops of each picture, resized to 8/7 of the crop size: the corners, the "
    "center, and the mirror images of these.",
)
@click.option("--flip", is_flag=True, help="Also average the scores of the mirror images.")
@interpolation_option
@pooling_option
@tested_dataset_options
@tested_split_option
@network_option
@click.option(
    "--batch",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Number of crops that go through the network at a time.",
)
@click.option(
    "--predictions",
    type=FILE,
    metavar="DIR",
    help="Folder for the predictions at each crop size (default: beside the weights).",
)
@click.option(
    "--save-predictions",
    type=FILE,
    metavar="FILE.npz",
    help="Also write the averaged predictions to FILE.npz, and to FILE.txt in the format of "
    "ILSVRC submissions (for data of your own: names of pictures and classes).",
)
@click.option(
    "--devkit",
    type=FILE,
    help="ILSVRC devkit, for the official class ids (default: the one in --data-root).",
)
@click.option(
    "--overwrite", is_flag=True, help="Compute all predictions again and replace the saved ones."
)
@click.option("--per-class", is_flag=True, help="Also show the accuracy of each class.")
@data_root_option
@engine_options
@json_option
@gather("views", _Views)
@gather("files", _Files)
@gather("tested", _Tested)
@gather("chosen", _Chosen)
@gather("devices", EngineDevices)
def command(
    chosen: _Chosen,
    dataset: Optional[str],
    views: _Views,
    batch: int,
    files: _Files,
    per_class: bool,
    tested: _Tested,
    devices: EngineDevices,
    as_json: bool,
) -> None:
    """Measure the top-1 and top-5 accuracy of a classification network.

    The network, its dataset and the published protocol are inferred from the weights file. Run the
    same command again to resume an interrupted evaluation; predictions at further crop sizes are
    added to those computed before. A baseline without weights is downloaded by gluoncv.
    """
    chosen.check()
    crops = views.crops()
    opened, computing = devices.open()
    from rnw.evaluation.classification.evaluate import evaluate

    with exit_when_interrupted(overwrite=files.overwrite), Display(err=as_json) as display:
        model = chosen.load(opened, computing, dataset)
        tell_held_out(model.dataset)
        beside = model.weights and model.weights.with_suffix("")
        result = evaluate(
            model.tested_by(views.scales, crops, views.flip, views.interpolation),
            data_root=tested.data_root,
            split=tested.split,
            batch=batch,
            predictions=files.predictions or beside,
            save=files.save_predictions,
            devkit=files.devkit,
            overwrite=files.overwrite,
            on_step=display.on_step,
        )
    if as_json:
        print_json(result.as_dict(per_class=per_class))
    else:
        _show(result, per_class, files.save_predictions)


def _show(result: "Evaluation", per_class: bool, saved: Optional[Path]) -> None:
    click.echo(f"{result.dataset} {result.split}, {counted(result.images, 'image')}")
    if result.subset:
        whose = "taken by name as those of all" if result.by_name else "for networks trained on it"
        click.echo(f"labels of a subset of {result.subset} classes, {whose}")
    click.echo(str(result.protocol))
    if result.meaning:
        click.echo(str(result.meaning))
    tell_computing(result.computing)
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
