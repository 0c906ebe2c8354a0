"""`rnw convert`: from one kind of weights file to another."""

from pathlib import Path
from typing import Any, Optional

import click

from rnw.cli.common import FILE, SEED, Choice, print_line
from rnw.networks.layout import POOLINGS, SEGMENTATION_CLASSIFIERS
from rnw.weights.convert import FORMATS, GraphOptions, convert
from rnw.weights.surgery import Surgery

LIST = "\n".join(f"  {name:15}  {row.help}" for name, row in FORMATS.items())


@click.command(epilog=f"\b\nFormats:\n{LIST}")
@click.argument("source", type=FILE)
@click.argument("target", type=FILE)
@click.option(
    "--to", type=Choice(list(FORMATS)), required=True, metavar="FORMAT", help="See below."
)
@click.option("--network", metavar="NAME", help="Take the weights for this network's.")
@click.option("--classes", type=click.IntRange(1), help="Another number of classes.")
@click.option(
    "--fcn",
    type=Choice(list(SEGMENTATION_CLASSIFIERS)),
    help="A dilated classifier for maps.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of a new classifier.")
@click.option("--features", is_flag=True, help="Leave the classifier out.")
@click.option("--half", is_flag=True, help="Half precision.")
@click.option("--stride", type=int, help="ONNX: input pixels per cell of the last map.")
@click.option("--pooling", type=Choice(POOLINGS), help="ONNX: as the released file, or pad.")
@click.option("--softmax", is_flag=True, help="ONNX: probabilities instead of scores.")
@click.option("--fold-bn", is_flag=True, help="ONNX: batch normalizations into convolutions.")
@click.option("--overwrite", is_flag=True, help="Replace TARGET if it exists.")
def command(
    source: Path,
    target: Path,
    to: str,
    network: Optional[str],
    overwrite: bool,
    stride: Optional[int],
    pooling: Optional[str],
    softmax: bool,
    fold_bn: bool,
    **surgery: Any,
) -> None:
    """Convert the weights in SOURCE, whatever their kind, to TARGET.

    The PyTorch formats go to .safetensors, .npz, .pth, .pt or .pth.tar, as TARGET's name says.
    """
    graph = GraphOptions(stride, pooling, softmax, fold_bn)
    done = convert(
        source,
        target,
        to,
        overwrite=overwrite,
        network=network,
        surgery=Surgery(**surgery),
        graph=graph,
    )
    for note in done.notes:
        print_line(note, err=True)
    print_line(str(done.target))
