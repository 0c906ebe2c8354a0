"""`rnw analyze`: cost of networks and recipes, and the paper's analysis of networks."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence

import click

from rnw.cli import analyze_paths
from rnw.cli.common import Group, classes_option, json_option, print_json

if TYPE_CHECKING:
    from rnw.networks.cost import DetailedCost


@click.group(cls=Group)
def command() -> None:
    """Show what networks and recipes cost, and how gradients pass through networks."""


command.add_command(analyze_paths.paths)
command.add_command(analyze_paths.unravel)


@command.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option(
    "--size",
    type=int,
    help="Side of the input image in pixels (default: the size the network is trained at).",
)
@classes_option
@click.option(
    "--batch",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of images in the training step whose memory is shown.",
)
@json_option
def cost(
    names: Sequence[str], size: Optional[int], classes: Optional[int], batch: int, as_json: bool
) -> None:
    """Show parameters, multiply-adds, memory, receptive field and depth of networks.

    NAME is a network that `rnw networks` lists, <size>-<n1>-...-<n7> with the input size and the
    number of residual units on each level, or fcn_<letter> for the fully convolutional network
    made of model_<letter>.
    """
    from rnw.networks.cost import detailed_cost
    from rnw.networks.layout import configure
    from rnw.training.memory import training_memory

    rows = []
    for name in names:
        config = configure(name, classes)
        row = detailed_cost(config, size)
        plain = training_memory(config, batch, row.size)
        recomputing = training_memory(config, batch, row.size, recompute=True)
        rows.append((row, plain.on_cpus(1), recomputing.on_cpus(1)))
    if as_json:
        print_json({"batch": batch, "networks": [_cost_record(*row) for row in rows]})
        return
    for row, step, smaller_step in rows:
        _show_cost(row)
        click.echo(
            f"a training step of batch {batch} on one CPU device: {step / 1e6:.0f} MB, "
            f"{smaller_step / 1e6:.0f} MB with --recompute"
        )


def _cost_record(row: "DetailedCost", step: int, recomputing: int) -> Dict[str, Any]:
    levels = [level._asdict() for level in row.levels]
    memory = {"step_bytes": step, "recomputing_step_bytes": recomputing}
    return {**row._asdict(), "levels": levels, **memory}


def _show_cost(row: "DetailedCost") -> None:
    click.echo(
        f"{row.name} at {row.size}x{row.size}: depth {row.depth}, receptive field "
        f"{row.receptive_field} pixels"
    )
    click.echo(f"{'level':10}  map    parameters  G multiply-adds  training MB  inference MB")
    total = (row.parameters, row.multiply_adds, row.training_bytes, row.inference_bytes)
    lines = [(level.level, level.output_size, *level[2:]) for level in row.levels]
    for name, side, parameters, multiply_adds, training, inference in [*lines, ("all", "", *total)]:
        click.echo(
            f"{name:10} {side:>4}  {parameters:12,}  {multiply_adds / 1e9:15.2f}"
            f"  {training / 1e6:11.1f}  {inference / 1e6:12.1f}"
        )
    click.echo(
        "memory of one image: maps that training keeps, and the most at one time in inference; "
        f"gradients of maps at one time: {row.gradient_bytes / 1e6:.1f} MB"
    )


@command.command()
@click.option(
    "--devices",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Number of devices that share a batch.",
)
@click.option(
    "--fields", is_flag=True, help="Explain the fields of recipes, which `--set` changes, instead."
)
@json_option
def recipes(devices: int, fields: bool, as_json: bool) -> None:
    """List the training recipes and the memory that each device needs.

    The memory is that of parameters, gradients and activations, without and with `--recompute`;
    what CUDA and cuDNN allocate comes on top. With --json, each recipe is shown with all fields
    that `--set` can change.
    """
    if fields:
        _explain_fields()
        return
    from rnw.training.memory import recipe_memory
    from rnw.training.recipes import RECIPES, named_weights

    memory = {
        name: [memory.per_device for memory in recipe_memory(recipe, devices).values()]
        for name, recipe in RECIPES.items()
    }
    if as_json:
        keys = ("bytes_per_device", "recomputing_bytes_per_device")
        rows = [{**asdict(RECIPES[name]), **dict(zip(keys, pair))} for name, pair in memory.items()]
        print_json({"devices": devices, "recipes": rows})
        return
    click.echo(
        f"{'recipe':21} {'dataset':14}  batch  epochs    rate  GB a device  recomputing  from"
    )
    for name, (kept, again) in memory.items():
        row = RECIPES[name]
        weights = named_weights(row)
        click.echo(
            f"{name:21} {row.dataset:14}  {row.batch:5}  {row.epochs:6}  {row.base_lr:6}"
            f"  {kept / 1e9:11.3g}  {again / 1e9:11.3g}  {weights.name if weights else '-'}"
        )


def _explain_fields() -> None:
    from rnw.training.recipe import Recipe, SegmentationRecipe
    from rnw.training.recipe_fields import declared, declared_anew

    own = declared_anew(SegmentationRecipe, Recipe)
    for title, fields in (
        ("all recipes", declared(Recipe).values()),
        ("segmentation recipes", own),
    ):
        click.echo(f"Fields of {title}:")
        for name, values, meaning in fields:
            click.echo(f"  {name:12}  {meaning} ({values})")
