"""`rnw export-symbol`: a network as an MXNet graph."""

from pathlib import Path
from typing import Any

import click

from rnw.cli.common import FILE, Choice, classes_option, parse_numbers, width_option
from rnw.networks.layout import HEADS, LINEAR, POOLINGS, SEGMENTATION_CLASSIFIERS
from rnw.runtime import import_mxnet


@click.command()
@click.argument("network")
@classes_option
@click.option(
    "--stride",
    type=int,
    help="Input pixels per cell of the last feature map: 32, 16 or 8 (default: that of NETWORK).",
)
@click.option(
    "--head",
    type=Choice(HEADS),
    default="softmax",
    show_default=True,
    help="Output of the graph: softmax, probabilities with a label input for training; ohem, the "
    "same with the bootstrapped loss (segmentation only); logits; or features, below the "
    "classifier.",
)
@click.option(
    "--levels",
    callback=parse_numbers(int, "levels such as 2,4,7"),
    metavar="N,...",
    help="Levels whose last feature maps are the outputs, such as 2,4,7 (with --head features).",
)
@click.option(
    "--pooling",
    type=Choice(POOLINGS),
    default="pad",
    show_default=True,
    help="Max pooling at the borders: pad by one pixel, or without padding round the size of the "
    "map down (caffe) or up (full).",
)
@click.option(
    "--classifier",
    type=Choice((LINEAR, *SEGMENTATION_CLASSIFIERS)),
    help="Classifier: linear for classification, or the number of dilated convolutions for "
    "segmentation (default: that of NETWORK).",
)
@width_option
@click.option(
    "-o",
    "--output",
    type=FILE,
    default=".",
    show_default=True,
    metavar="DIR",
    help="Folder for the file.",
)
def command(network: str, output: Path, **options: Any) -> None:
    """Write a network as an MXNet graph, NETWORK-symbol.json, for mx.sym.load and mx.mod.Module.

    NETWORK is a name that `rnw networks` lists, fcn_<letter> for the segmentation network made of
    model_<letter>, or <size>-<n1>-...-<n7>.
    """
    import_mxnet()
    from rnw.networks.symbols import export_symbol  # starts MXNet

    click.echo(export_symbol(network, output, **options))
