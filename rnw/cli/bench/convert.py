"""`rnw bench convert`: conversion of a weights file beside a copy."""

from pathlib import Path
from typing import Optional

import click

from rnw.cli.bench.options import repetitions_option
from rnw.cli.common import FILE, Choice, json_option, print_json
from rnw.weights.choices import FORMAT_TITLES


@click.command()
@click.option(
    "--network", default="model_a1", show_default=True, help="Network whose weights are converted."
)
@click.option(
    "--to",
    type=Choice(list(FORMAT_TITLES)),
    default="safetensors",
    show_default=True,
    help="Format to convert to.",
)
@repetitions_option(5)
@click.option(
    "--folder",
    type=FILE,
    help="Folder for temporary files, which needs room for three weights files (default: the "
    "system's temporary folder).",
)
@json_option
def command(network: str, to: str, repetitions: int, folder: Optional[Path], as_json: bool) -> None:
    """Compare the conversion of a weights file with a plain copy, and time `rnw weights show`."""
    from rnw.bench.convert import bench_conversion

    result = bench_conversion(network, to, repetitions=repetitions, folder=folder)
    if as_json:
        print_json(result._asdict())
        return
    click.echo(f"{network}, {result.classes} classes, {result.file_mb:.0f} MB, to {to}")
    click.echo(
        f"copy {result.copy:.2f} s, convert {result.convert:.2f} s, ratio {result.ratio:.2f}"
    )
    click.echo(f"peak memory {result.peak_memory_mb:.0f} MB")
    click.echo(f"show {result.show:.2f} s")
