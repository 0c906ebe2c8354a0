"""`rnw crf`: label maps of scores that are there already, refined by a CRF."""

from pathlib import Path
from typing import Optional, Tuple

import click

from rnw.cli.common import FILE, json_option, parse_numbers, print_json, print_line


@click.command()
@click.argument("scores", type=FILE)
@click.argument("pictures", nargs=-1, required=True, type=FILE)
@click.option("-o", "--output", type=FILE, required=True, metavar="DIR", help="Folder to write to.")
@click.option(
    "--crf",
    default="deeplab",
    show_default=True,
    metavar="NAME",
    help="Parameters: deeplab, kraehenbuehl or psa (named after their source), or none for no CRF.",
)
@click.option(
    "--background-power",
    "--alpha",
    type=click.FloatRange(0, min_open=True),
    metavar="X",
    help="Add a background before the classes of NAME.npy: (1 - the largest score)^X, as PSA does "
    "(there alpha, 4 or 32).",
)
@click.option(
    "--scales",
    callback=parse_numbers(int, "sizes such as 375,500"),
    metavar="N,...",
    help="Scales of the kept scores to average (default: all that are there).",
)
@click.option("--dataset", help="Dataset of the classes (default: that of the kept scores).")
@click.option("--overwrite", is_flag=True, help="Replace label maps and overlays that exist.")
@json_option
def command(
    scores: Path,
    pictures: Tuple[Path, ...],
    output: Path,
    crf: str,
    background_power: Optional[float],
    scales: Tuple[int, ...],
    dataset: Optional[str],
    overwrite: bool,
    as_json: bool,
) -> None:
    """Refine scores by a conditional random field, without any network.

    SCORES is a folder of `rnw eval-seg --save-scores`, or of other programs' scores: for each
    picture NAME.npy, an array (classes, height, width). PICTURES are files or folders of files.
    Writes label maps, overlays and areas to DIR as `rnw predict` does.
    """
    from rnw.evaluation.segmentation.from_scores import open_scores  # needs an extra
    from rnw.evaluation.segmentation.predict import predict

    model = open_scores(scores, dataset, background_power, scales)
    model = model.tested_by(crf=None if crf == "none" else crf)
    found = [labeled.as_dict() for labeled in predict(model, pictures, output, overwrite=overwrite)]
    if as_json:
        print_json({"predictions": found, "crf": model.protocol.crf})
        return
    for prediction in found:
        print_line(prediction["image"])
    print_line(f"pictures in {output}")
