"""The growth of time and memory of a training step as a picture."""

from functools import partial
from typing import Sequence, Tuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, NullFormatter

from rnw.bench.scaling import ScalingRow, fit_growth, varied_rows
from rnw.files import PathLike
from rnw.plots import save_plot

PANEL, DPI = (4, 3.5), 100  # inches of a panel, pixels per inch of a PNG
LABELS = {
    "batch": "images in a batch",
    "size": "side of the images (pixels)",
    "width": "width (factor on channels)",
    "devices": "CPU devices that share a batch",
}

_style = partial(matplotlib.rc_context, {"font.size": 12})


def draw_scaling(network: str, rows: Sequence[ScalingRow], output: PathLike) -> None:
    """Draw the rows of `bench_scaling` with the fitted powers to a PNG, SVG or PDF file."""
    with _style():
        save_plot(_draw(network, rows), output)


def _draw(network: str, rows: Sequence[ScalingRow]) -> Figure:
    growth = fit_growth(rows)
    size = (PANEL[0] * len(growth), PANEL[1] * 2)
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"A training step of {network}", parse_math=False)
    panels = figure.subplots(2, len(growth), sharex="col", sharey="row", squeeze=False)
    for column, (fitted, (varied, chosen)) in enumerate(zip(growth, varied_rows(rows))):
        values = [getattr(row, varied) for row in chosen]
        figures = (
            ([row.time * rows[0].seconds_per_step for row in chosen], fitted.time),
            ([row.added_mb for row in chosen], fitted.memory),
        )
        for axes, (measured, exponent) in zip(panels[:, column], figures):
            _draw_power(axes, values, measured, exponent)
        panels[1, column].set(xlabel=LABELS[varied])
    panels[0, 0].set(ylabel="seconds of a step")
    panels[1, 0].set(ylabel="memory of a step (MB)")
    return figure


def _draw_power(
    axes: Axes, values: Sequence[float], measured: Sequence[float], exponent: float
) -> None:
    """Draw points and the power with this exponent that lies nearest to them, both logarithmic."""
    axes.plot(values, measured, "o")
    factor = np.exp(np.mean(np.log(measured) - exponent * np.log(values)))
    ends: Tuple[float, float] = (min(values), max(values))
    axes.plot(ends, [factor * end**exponent for end in ends], alpha=0.6)
    axes.set(title=f"exponent {exponent:.2f}", xscale="log", yscale="log")
    axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter("{x:g}")  # 0.1 rather than a power of ten
    axes.yaxis.set_minor_formatter(LogFormatter())
    axes.grid(alpha=0.3)
