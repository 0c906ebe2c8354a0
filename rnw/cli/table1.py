"""`rnw table1`: the paper's Table 1 beside what is found here."""

from pathlib import Path
from typing import Optional, Tuple

import click

from rnw.cli.common import (
    FILE,
    data_root_option,
    device_options,
    exit_when_interrupted,
    json_option,
    print_json,
    show_warnings,
)
from rnw.cli.display import Display
from rnw.reports.table_files import check_table_files
from rnw.runtime import make_contexts


@click.command()
@click.option("--weights-dir", type=FILE, required=True, help="Where the .params files lie.")
@click.option("--only", "networks", multiple=True, metavar="NETWORK", help="Only this row.")
@click.option("--speed/--no-speed", default=False, help="Measure the speed, too: ten minutes.")
@click.option("--batch", type=click.IntRange(1), default=64, show_default=True)
@click.option("--output", type=FILE, default="table1", show_default=True, metavar="DIR")
@click.option(
    "--overwrite", is_flag=True, help="Replace files of these names that are not this command's."
)
@data_root_option
@device_options
@json_option
def command(
    weights_dir: Path,
    networks: Tuple[str, ...],
    speed: bool,
    batch: int,
    output: Path,
    overwrite: bool,
    data_root: Optional[Path],
    gpus: Optional[str],
    cpus: Optional[int],
    as_json: bool,
) -> None:
    """Fill the paper's Table 1: errors of the weights that are there; speed on this device.

    It writes table1.md and table1.json, in place of those of an earlier run. Errors already
    computed are not computed again.
    """
    contexts = make_contexts(gpus, cpus)
    from rnw.reports.table1 import as_markdown, fill_table, write_table  # starts MXNet

    check_table_files(output, 1, overwrite=overwrite)
    with exit_when_interrupted(), Display(err=True) as display, show_warnings():
        rows = fill_table(
            weights_dir,
            contexts,
            data_root=data_root,
            networks=networks,
            speed=speed,
            batch=batch,
            on_step=display.on_step,
            on_row=display.on_row,
        )
    table = write_table(output, rows, str(contexts[0]))
    if as_json:
        print_json(table)
    else:
        click.echo(as_markdown(rows, str(contexts[0])), nl=False)
