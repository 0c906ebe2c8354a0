"""`rnw networks`: the table of networks."""

import click

from rnw.cli.common import json_option, print_json
from rnw.networks import cost


@click.command()
@json_option
def command(as_json: bool) -> None:
    """List the networks of the paper with their units, parameters and multiply-adds."""
    rows = cost.table()
    if as_json:
        print_json({"networks": [row._asdict() for row in rows]})
        return
    click.echo(f"{'name':20} size  {'units B1-B7':19} depth    parameters  G multiply-adds")
    for row in rows:
        units = "-".join(map(str, row.units))
        click.echo(
            f"{row.name:20} {row.size:4}  {units:19} {row.depth:5}  {row.parameters:12,}"
            f"  {row.multiply_adds / 1e9:15.1f}"
        )
    click.echo("multiply-adds for one image of the training size, 1,000 classes")
