"""`rnw table`: one of the paper's Tables 2 to 7 beside what is found here."""

from pathlib import Path
from typing import Optional

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
@click.argument("number", type=int)
@click.option("--weights-dir", type=FILE, required=True, help="Where the .params files lie.")
@click.option(
    "--memory-at",
    type=click.IntRange(1),
    metavar="SIZE",
    help="Measure Table 2's memory, of tuning on a crop of this size: 504 for the paper's 500.",
)
@click.option("--output", type=FILE, default="tables", show_default=True, metavar="DIR")
@click.option(
    "--overwrite", is_flag=True, help="Replace files of these names that are not this command's."
)
@data_root_option
@device_options
@json_option
def command(
    number: int,
    weights_dir: Path,
    memory_at: Optional[int],
    output: Path,
    overwrite: bool,
    data_root: Optional[Path],
    gpus: Optional[str],
    cpus: Optional[int],
    as_json: bool,
) -> None:
    """Fill the paper's Table NUMBER, 2 to 7, with the scores of the weights that are there.

    Where there are none, and for test splits, whose labels are not public, a dash stays. It writes
    table<NUMBER>.md and .json, in place of those of an earlier run.
    """
    contexts = make_contexts(gpus, cpus)
    from rnw.reports.segmentation_tables import (  # starts MXNet
        as_markdown,
        fill_segmentation_table,
        write_segmentation_table,
    )

    check_table_files(output, number, overwrite=overwrite)
    with exit_when_interrupted(), Display(err=True) as display, show_warnings():
        rows = fill_segmentation_table(
            number,
            weights_dir,
            contexts,
            data_root=data_root,
            memory_at=memory_at,
            on_step=display.on_step,
            on_memory=display.on_row,
        )
    table = write_segmentation_table(output, number, rows)
    if as_json:
        print_json(table)
    else:
        click.echo(as_markdown(number, rows), nl=False)
