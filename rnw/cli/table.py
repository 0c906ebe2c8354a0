"""`rnw table`: one of the paper's Tables 1 to 7 beside what is found here."""

from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple

import click

from rnw.cli.common import (
    FILE,
    EngineDevices,
    data_root_option,
    engine_options,
    exit_when_interrupted,
    gather,
    json_option,
    print_json,
)
from rnw.cli.display import Display
from rnw.evaluation.engines.table import MXNET
from rnw.reports.table_files import check_table_files, write_table_files

OF_TABLE_1 = {"networks": "--only", "speed": "--speed", "batch": "--batch"}
OF_OTHERS = {"memory_at": "--memory-at"}
MEASURED = {"speed": "--speed", "memory_at": "--memory-at"}  # by MXNet


@click.command()
@click.argument("number", type=click.IntRange(1, 7))
@click.option("--weights-dir", type=FILE, required=True, help="Folder of the .params files.")
@click.option(
    "--only",
    "networks",
    multiple=True,
    metavar="NETWORK",
    help="Table 1: fill only the row of this network (may be repeated).",
)
@click.option(
    "--speed/--no-speed",
    default=False,
    help="Table 1: also measure images per second on this device (ten minutes on a CPU).",
)
@click.option(
    "--batch",
    type=click.IntRange(1),
    help="Table 1: crops that go through the network at a time (default: 64).",
)
@click.option(
    "--memory-at",
    type=click.IntRange(1),
    metavar="SIZE",
    help="Table 2: also measure the memory of fine-tuning on crops of SIZE pixels a side; 504 "
    "stands for the paper's 500.",
)
@click.option(
    "--output",
    type=FILE,
    default="tables",
    show_default=True,
    metavar="DIR",
    help="Folder to write the table to.",
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="Replace files of the same names that this command did not write.",
)
@data_root_option
@engine_options
@json_option
@gather("devices", EngineDevices)
def command(
    number: int,
    weights_dir: Path,
    output: Path,
    overwrite: bool,
    data_root: Optional[Path],
    devices: EngineDevices,
    as_json: bool,
    **options: Any,
) -> None:
    """Fill the paper's Table NUMBER (1 to 7) with the scores of the weights in a folder.

    Writes table<NUMBER>.md and table<NUMBER>.json to DIR and replaces those of an earlier run.
    Where no weights are found there is a dash, as there is for test splits, whose labels are not
    public. Predictions are kept beside the weights and are not computed again. Speed and memory are
    measured with MXNet, scores are computed by any --engine.
    """
    others = OF_OTHERS if number == 1 else OF_TABLE_1
    given = {name: value for name, value in options.items() if value not in (None, (), False)}
    misplaced = [others[name] for name in given if name in others]
    if misplaced:
        raise click.UsageError(f"{misplaced[0]} is not for table {number}")
    opened, computing = devices.open()
    note = computing.note
    measured = [option for name, option in MEASURED.items() if name in given]
    if measured and note:
        raise click.UsageError(
            f"{measured[0]} measures MXNet in float32: leave out --engine and --precision"
        )
    check_table_files(output, number, overwrite=overwrite)
    with exit_when_interrupted(), Display(err=True) as display:
        hooks = {"on_step": display.on_step, "on_row": display.on_row}
        fill = _fill_table_1 if number == 1 else _fill_other_table
        where = {"computing": computing, "data_root": data_root}
        text, content = fill(number, weights_dir, opened, **where, **given, **hooks)
    text, content = text + (f"\n{note}\n" if note else ""), {**content, **computing.as_dict()}
    write_table_files(output, number, text, content)
    if as_json:
        print_json(content)
    else:
        click.echo(text, nl=False)


def _fill_table_1(
    number: int, weights: Path, devices: Sequence[Any], **options: Any
) -> Tuple[str, Dict[str, Any]]:
    """Return the table of classification as Markdown and in plain types."""
    from rnw.reports.classification_tables import as_dict, as_markdown, fill_table

    rows = fill_table(weights, devices, **options)
    engine = options["computing"].engine
    device = str(devices[0]) if engine == MXNET else engine
    return as_markdown(rows, device), as_dict(rows, device)


def _fill_other_table(
    number: int, weights: Path, devices: Sequence[Any], **options: Any
) -> Tuple[str, Dict[str, Any]]:
    """Return a table of segmentation as Markdown and in plain types."""
    from rnw.reports.segmentation_tables import as_dict, as_markdown, fill_table

    rows = fill_table(number, weights, devices, **options)
    return as_markdown(number, rows), as_dict(number, rows)
