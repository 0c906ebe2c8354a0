"""`rnw export-symbol`: a network as an MXNet graph."""

from pathlib import Path
from typing import Any

import click

from rnw.cli.common import FILE, Choice
from rnw.networks.layout import HEADS, LINEAR, POOLINGS, SEGMENTATION_CLASSIFIERS
from rnw.runtime import import_mxnet


@click.command()
@click.argument("network")
@click.option("--classes", type=int, help="Default 1000, for fcn_* 21.")
@click.option("--stride", type=int, help="Input pixels per cell of the last map: 32, 16 or 8.")
@click.option("--head", type=Choice(HEADS), default="softmax", show_default=True)
@click.option("--pooling", type=Choice(POOLINGS), default="pad", show_default=True)
@click.option("--classifier", type=Choice((LINEAR, *SEGMENTATION_CLASSIFIERS)))
@click.option("--width", type=float, default=1.0, show_default=True, help="Factor on channels.")
@click.option("-o", "--output", type=FILE, default=".", show_default=True, metavar="DIR")
def command(network: str, output: Path, **options: Any) -> None:
    """Write NETWORK-symbol.json, for mx.sym.load and mx.mod.Module.

    NETWORK is a name of `rnw networks`, fcn_a1 and the like for segmentation, or
    <size>-<n1>-...-<n7>.
    """
    import_mxnet()
    from rnw.networks.symbols import export_symbol  # starts MXNet

    click.echo(export_symbol(network, output, **options))
