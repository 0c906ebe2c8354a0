"""`rnw study`: experiments that train several networks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Tuple

import click

from rnw.cli.common import (
    FILE,
    Devices,
    Group,
    data_root_option,
    device_options,
    exit_when_interrupted,
    gather,
    json_option,
    one_of,
    overrides_option,
    print_json,
    recipe_option,
)
from rnw.cli.display import Display
from rnw.cli.train_cls import CLASSIFICATION
from rnw.cli.training import unchecked_option
from rnw.data.sets.catalog import DATASETS
from rnw.locks import alone_in

STUDY = CLASSIFICATION._replace(default_dataset="digits", own_recipe="scratch-cls")


@dataclass(frozen=True)
class _ChosenRecipe:
    """The recipe that all networks are trained by, and what is changed in it."""

    recipe: Optional[str]
    dataset: Optional[str]
    overrides: Tuple[str, ...]


@click.group(cls=Group)
def command() -> None:
    """Train several networks and compare them."""


@command.command("depth-width")
@click.option(
    "--budget",
    "budget_text",
    default="parameters",
    show_default=True,
    metavar="KIND[=N]",
    help="What all networks have in common: their number of parameters or of activations (without "
    "N, that of the recipe's network).",
)
@click.option(
    "--units",
    multiple=True,
    metavar="N1-...-N7",
    help="Residual units on each level of one network (may be repeated; default: four networks of "
    "depth 16 to 114).",
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Number of runs of each network, each with its own seed.",
)
@click.option(
    "--dataset",
    help=f"Dataset to train on: {one_of(DATASETS)}, or the folder or description of your own "
    "(default: that of the recipe, or digits).",
)
@recipe_option
@overrides_option
@click.option(
    "--output",
    type=FILE,
    default="output/study",
    show_default=True,
    metavar="DIR",
    help="Folder for the runs and the results.",
)
@unchecked_option
@data_root_option
@device_options
@json_option
@gather("chosen", _ChosenRecipe)
@gather("devices", Devices)
def depth_width(
    budget_text: str,
    units: Tuple[str, ...],
    seeds: int,
    chosen: _ChosenRecipe,
    output: Path,
    unchecked: bool,
    data_root: Optional[Path],
    devices: Devices,
    as_json: bool,
) -> None:
    """Compare networks of one budget, from narrow and deep to wide and shallow.

    Each is as wide as the budget allows, and all are trained by the same recipe. Writes accuracy,
    memory and time by depth to DIR, as study.csv, study.json, study.png, study.pdf and their
    caption, study.txt. Run the same command again to resume; with more --seeds it adds runs to the
    study.
    """
    recipe = STUDY.resolve(chosen.recipe, chosen.dataset, chosen.overrides)
    contexts = devices.contexts()
    from rnw.analysis.budget import parse_budget
    from rnw.analysis.depth_width import FAMILY, run_study  # starts MXNet
    from rnw.analysis.depth_width_report import PICTURE, as_record, as_text, save_report

    budget = parse_budget(budget_text, recipe)
    display = Display(err=as_json)
    with exit_when_interrupted(), display, alone_in(output):
        study = run_study(
            recipe,
            budget,
            contexts,
            output,
            units=units or FAMILY,
            seeds=seeds,
            data_root=data_root,
            unchecked=unchecked,
            on_step=display.on_step,
            on_run=lambda member, run: display.on_row(f"{member}, {run}"),
        )
        save_report(study, output)
    if as_json:
        print_json(as_record(study))
        return
    click.echo(as_text(study))
    click.echo(f"{output / PICTURE}")
