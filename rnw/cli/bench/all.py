"""`rnw bench all`: all ratios that have a goal."""

from typing import Tuple

import click

from rnw.cli.common import json_option, print_json, print_line, width_option


@click.command()
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Measure only this, such as inference or loss (may be repeated; an unknown name lists all "
    "of them).",
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Number of times that each ratio is measured; the median counts, and half the distance of "
    "the quartiles is the noise.",
)
@width_option
@json_option
def command(only: Tuple[str, ...], rounds: int, width: float, as_json: bool) -> None:
    """Measure all ratios that have a goal; the exit status is 1 where one is missed.

    A ratio misses its goal where it falls short by more than the noise of its measurement. What
    this machine cannot measure is listed, and counts as no missed goal. Goals are those of full
    networks: narrow ones, by --width, are measured sooner, but of their time more is not
    convolutions.
    """
    from rnw.bench.goals import measure_goals

    outcomes = []
    for outcome in measure_goals(only, rounds=rounds, width=width):
        outcomes.append(outcome)
        print_line(str(outcome), err=as_json)
    missed = sum(outcome.met is False for outcome in outcomes)
    if as_json:
        print_json({"ratios": [outcome._asdict() for outcome in outcomes], "missed": missed})
    if missed:
        raise SystemExit(1)
