"""`rnw convert`: from one kind of weights file to another."""

from pathlib import Path
from typing import Any, Optional

import click

from rnw.cli.common import FILE, SEED, Choice, print_line, take
from rnw.networks.layout import POOLINGS, SEGMENTATION_CLASSIFIERS
from rnw.weights.choices import FLOATS, FORMAT_TITLES, INPUTS, OPSET, WRAPS

LIST = "\n".join(f"  {name:15}  {title}" for name, title in FORMAT_TITLES.items())


def _parse_size(ctx: click.Context, option: click.Parameter, text: Optional[str]) -> Any:
    from rnw.weights.onnx_nodes import parse_size

    return text and parse_size(text)


@click.command(epilog=f"\b\nFormats:\n{LIST}")
@click.argument("source", type=FILE)
@click.argument("target", type=FILE)
@click.option(
    "--to",
    type=Choice(list(FORMAT_TITLES)),
    required=True,
    metavar="FORMAT",
    help="Format to convert to, one of those listed below.",
)
@click.option(
    "--network",
    metavar="NAME",
    help="Network that the weights belong to (default: inferred from SOURCE, its name and "
    "what lies beside it).",
)
@click.option(
    "--classes",
    type=click.IntRange(1),
    help="Number of classes of a new classifier that replaces the one in SOURCE.",
)
@click.option(
    "--fcn",
    type=Choice(list(SEGMENTATION_CLASSIFIERS)),
    help="Number of dilated convolutions of a segmentation classifier that replaces the one in "
    "SOURCE.",
)
@click.option(
    "--seed",
    type=SEED,
    default=0,
    show_default=True,
    help="Seed of the initial values of a new classifier.",
)
@click.option("--features", is_flag=True, help="Leave out the classifier.")
@click.option("--half", is_flag=True, help="Write weights and biases in half precision (float16).")
@click.option(
    "--stride",
    type=int,
    help="Input pixels per cell of the last feature map: 32, 16 or 8 (ONNX only).",
)
@click.option(
    "--pooling",
    type=Choice(POOLINGS),
    help="Max pooling at the borders: pad by one pixel, or without padding round the size of the "
    "map down (caffe) or up (full) (ONNX only; default: that of the released weights, else pad).",
)
@click.option(
    "--softmax",
    is_flag=True,
    help="Let the graph give probabilities in place of scores (ONNX only).",
)
@click.option(
    "--upsample",
    metavar="input|HEIGHTxWIDTH",
    callback=_parse_size,
    help="Let the graph of a segmentation network give the scores of pixels: of its input, or of a "
    "picture of HEIGHTxWIDTH pixels (ONNX only).",
)
@click.option(
    "--argmax",
    is_flag=True,
    help="Let the graph give the number of the class with the largest score (ONNX only).",
)
@click.option(
    "--input",
    "input_type",
    type=Choice(INPUTS),
    default=FLOATS,
    show_default=True,
    help="What the graph takes: normalized pictures, (batch, 3, height, width) float32, or RGB "
    "pictures as bytes, (batch, height, width, 3) uint8 (ONNX only).",
)
@click.option(
    "--opset",
    type=int,
    default=OPSET,
    show_default=True,
    help="Version of the operators of the graph (ONNX only).",
)
@click.option(
    "--fold-bn",
    is_flag=True,
    help="Fold batch normalizations into convolutions (ONNX, and the names of the released files "
    "in PyTorch, safetensors and NumPy files).",
)
@click.option(
    "--wrap",
    type=Choice(WRAPS),
    help="Put the weights in a PyTorch file into a dictionary called state_dict, or plainly into "
    "the file (default: as the project of the format does).",
)
@click.option(
    "--key-prefix",
    metavar="PREFIX",
    help="What all names in the file begin with, such as 'module.', or '' for nothing (default: as "
    "in the project of the format).",
)
@click.option("--overwrite", is_flag=True, help="Replace TARGET if it exists.")
def command(
    source: Path, target: Path, to: str, network: Optional[str], overwrite: bool, **options: Any
) -> None:
    """Convert the weights file SOURCE, of any supported format, to TARGET.

    The formats of PyTorch are written as .safetensors, .npz, .pth, .pt or .pth.tar, according to
    the ending of TARGET.
    """
    from rnw.evaluation.summaries import dataset_of_weights
    from rnw.weights.convert import GraphOptions, convert
    from rnw.weights.formats import Packing
    from rnw.weights.surgery import Surgery

    done = convert(
        source,
        target,
        to,
        overwrite=overwrite,
        network=network,
        surgery=take(Surgery, options),
        graph=take(GraphOptions, options),
        packing=take(Packing, options),
        dataset=dataset_of_weights(source),
    )
    for note in done.notes:
        print_line(note, err=True)
    print_line(str(done.target))
