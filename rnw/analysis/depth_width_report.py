"""A study of depth and width as a table, a figure and its caption."""

import csv
import io
import statistics
from functools import partial
from pathlib import Path
from typing import Any, Dict, NamedTuple

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from rnw.analysis.depth_width import RunResult, Study, StudyNetwork, StudyRow
from rnw.errors import counted
from rnw.files import write_json, write_text
from rnw.plots import save_plot

TABLE, RECORD, CAPTION = "study.csv", "study.json", "study.txt"
PICTURE, PDF = "study.png", "study.pdf"  # the same figure
SIZE, DPI = (15, 5), 100  # inches, pixels per inch

_style = partial(matplotlib.rc_context, {"font.size": 12})
_HEADER = (
    "depth   width  parameters  activations  M multiply-adds  memory MB  ms a step  "
    "top-1 %  lowest  highest"
)
_CAPTION = """\
Wider or deeper: networks of {budget} each, from narrow and deep to wide and shallow,
trained alike on {dataset}, after "Wider or Deeper" (arXiv 1611.10080).

{networks}
All are trained by recipe {name}: {passes} in batches of {batch}, learning rate from
{base_lr:g} ({schedule}), {optimizer}, weight decay {weight_decay:g}; {seeds}, on {devices}.
Depth is the number of convolutions on the longest path, and the classifier. The width multiplies
the channels of all levels, which are whole numbers (rounded down): of all widths the one whose
network is nearest to the budget is taken. Activations are the values that training keeps of one
image; multiply-adds are those of one image.

Accuracy: top-1 on the test split after the last epoch, the mean and the range over the seeds; one
picture of {tested:,} is {picture:.2g} %.
Memory: of a training step, {where}; computed from the maps and parameters, not measured.
Time: of a training step, measured in the fastest epoch of all runs of a network, which other
programs disturbed least.
"""


class Range(NamedTuple):
    """Mean, lowest and highest value over the seeds."""

    mean: float
    lowest: float
    highest: float


def over_seeds(row: StudyRow, figure: str) -> Range:
    """Return the range of a field of `RunResult` over the runs of a network."""
    values = [getattr(run, figure) for run in row.runs]
    return Range(statistics.fmean(values), min(values), max(values))


def save_report(study: Study, folder: Path) -> None:
    """Write `study.csv`, `.json`, the figure `.png` and `.pdf`, and its caption `.txt`.

    Files of an earlier call are replaced.
    """
    write_text(folder / TABLE, _table(study))
    write_json(folder / RECORD, as_record(study))
    write_text(folder / CAPTION, _caption(study))
    with _style():
        figure = _draw(study)
        for name in (PICTURE, PDF):
            save_plot(figure, folder / name)


def as_record(study: Study) -> Dict[str, Any]:
    """Return the study in plain types: its settings, and the networks with their runs."""
    networks = [
        {
            **row.member._asdict(),
            **{figure: over_seeds(row, figure)._asdict() for figure in RunResult._fields[1:]},
            "runs": [run._asdict() for run in row.runs],
        }
        for row in study.rows
    ]
    return {**study._asdict(), "rows": networks}


def as_text(study: Study) -> str:
    """Return the study as a table in text, one line for each network."""
    lines = []
    for row in study.rows:
        member, top1 = row.member, over_seeds(row, "top1")
        milliseconds = 1000 * over_seeds(row, "seconds_per_step").lowest
        lines.append(
            f"{member.depth:5}  {member.width:6.4f}  {member.parameters:10,}"
            f"  {member.activations:11,}  {member.multiply_adds / 1e6:15.1f}"
            f"  {member.memory_bytes / 1e6:9.0f}  {milliseconds:9.1f}"
            f"  {top1.mean:7.2f}  {top1.lowest:6.2f}  {top1.highest:7.2f}"
        )
    return "\n".join([_HEADER, *lines])


def _table(study: Study) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*StudyNetwork._fields, *RunResult._fields))
    for member, runs in study.rows:
        writer.writerows((*member, *run) for run in runs)
    return text.getvalue()


def _caption(study: Study) -> str:
    devices = study.settings["devices"]
    return _CAPTION.format(
        **{**study.settings, "devices": ", ".join(devices)},
        networks=as_text(study) + "\n",
        passes=counted(study.settings["epochs"], "epoch"),
        seeds=_seeds(study),
        tested=study.tested,
        picture=100 / study.tested,
        where="on each GPU" if devices[0].startswith("gpu") else "in the main memory",
    )


def _seeds(study: Study) -> str:
    number = len(study.rows[0].runs)
    return f"{number} seeds" if number > 1 else "one seed"


def _draw(study: Study) -> Figure:
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    settings = study.settings
    epochs = counted(settings["epochs"], "epoch")
    dataset = Path(settings["dataset"]).resolve().name  # a folder is named in full in the caption
    figure.suptitle(f"{dataset}: {settings['budget']} each, {epochs}, {_seeds(study)}")
    accuracy, memory, seconds = figure.subplots(1, 3)
    depths = [row.member.depth for row in study.rows]
    mean, lowest, highest = np.transpose([over_seeds(row, "top1") for row in study.rows])
    bars = (mean - lowest, highest - mean)
    accuracy.errorbar(depths, mean, bars, marker="o", capsize=4, label="mean and range of seeds")
    if len(study.rows[0].runs) > 1:
        accuracy.legend(fontsize="small")
    accuracy.set(title="Accuracy", ylabel="top-1 on the test split (%)")
    megabytes = [row.member.memory_bytes / 1e6 for row in study.rows]
    milliseconds = [1000 * over_seeds(row, "seconds_per_step").lowest for row in study.rows]
    for axes, values in ((memory, megabytes), (seconds, milliseconds)):
        axes.plot(depths, values, marker="o")
        axes.set_ylim(0, 1.1 * max(values))
    memory.set(title="Memory", ylabel="of a training step, computed (MB)")
    seconds.set(title="Time", ylabel="of a training step, measured (ms)")
    widths = [f"{row.member.depth}\n{row.member.width:.3g}" for row in study.rows]
    for axes in (accuracy, memory, seconds):
        axes.set_xscale("log")  # the depths of the family double
        axes.set_xticks(depths, widths)
        axes.minorticks_off()
        axes.set_xlabel("depth (layers), with the width below")
        axes.grid(alpha=0.3)
    return figure
