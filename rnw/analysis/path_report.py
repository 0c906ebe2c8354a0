"""Measured gradient paths as a table, a figure like Figure 4, and its caption."""

import csv
import io
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rnw.analysis.paths import (
    GRADIENT_SHARE,
    PathLength,
    Trace,
    effective_depth,
    measure_paths,
)
from rnw.analysis.subjects import Batches, Subject
from rnw.errors import InputError, counted
from rnw.files import check_free, write_json, write_text
from rnw.plots import save_plot

TABLE, RECORD, CAPTION = "paths.csv", "paths.json", "paths.txt"
PICTURE, PDF = "paths.png", "paths.pdf"  # the same figure
PANEL, DPI = (4, 7.2), 100  # inches, pixels per inch

_style = partial(matplotlib.rc_context, {"font.size": 11})
_CAPTION = """\
Gradients that arrive at the input along single paths through residual networks, in the manner of
Figure 4 (appendix A.2) of "Wider or Deeper" (arXiv 1611.10080).

A batch is passed forward through the whole network once, as in tests (moving averages, no
dropout). For each path length k, k of the n residual units are drawn; the gradient of the
cross-entropy, summed over the batch, passes only through the mappings of these and only through
the shortcuts of the others. A projection counts as the shortcut of its unit; a ReLU behind the
sum, which the units of some ResNets have, is passed by all paths. The norm is the Euclidean one of
the gradient at the input, over the whole batch, divided by the number of examples. Where there are
no more paths of a length than would be drawn, each is measured once.

Upper panels: the mean norm of the paths of each length, and the range of those measured.
Lower panels: all paths of a length together. "sum of norms" is the mean norm times the number of
paths of that length (from the drawn ones: noisy where few paths carry most); "norm of sum" is the
norm of the sum of the gradients of all these paths, exact, less where they cancel.
Effective depth: the smallest length such that paths up to it carry {share:.0%} of the sum over all
lengths, by sums of norms (dashed line) and by norms of sums. Since most paths are of middling
length, it is below the number of units even where every path has the same norm; that figure is
given with it.

"""


class Measured(NamedTuple):
    """The measurement of a network, with all that it depends on.

    told: how the network was inferred from the weights file, '' for networks without one.
    """

    name: str
    weights: str
    dataset: str
    split: str
    examples: int
    samples: int
    seed: int
    lengths: List[PathLength]
    told: str = ""

    @property
    def units(self) -> int:
        """Return the number of residual units."""
        return len(self.lengths) - 1

    @property
    def depth(self) -> int:
        """Return the effective depth by the sums of norms."""
        return effective_depth([row.total for row in self.lengths])

    @property
    def even_depth(self) -> int:
        """Return what the effective depth would be if all paths had the same norm."""
        return effective_depth([row.paths for row in self.lengths])

    @property
    def exact_depth(self) -> int:
        """Return the effective depth by the norms of sums."""
        return effective_depth([row.norm_of_sum for row in self.lengths])

    def __str__(self) -> str:
        shown = sorted({0, self.units // 2, self.units})
        norms = ", ".join(f"{self.lengths[k].mean:.2e} at length {k}" for k in shown)
        units = counted(self.units, "unit")
        return (
            f"{self.name}: {units}, effective depth {self.depth} ({self.exact_depth} by "
            f"exact sums, {self.even_depth} if all paths were alike); mean norms {norms}"
        )


def measure(
    subject: Subject,
    samples: int = 16,
    examples: int = 32,
    *,
    seed: int = 0,
    data_root: Optional[Path] = None,
    on_step: Callable[[int, int], None] = lambda done, steps: None,
) -> Measured:
    """Measure `samples` paths of each length of a network on one batch of `examples` images.

    on_step: called with the number of steps done and the number of all steps.

    Raises InputError for missing data, and for gradients that are not finite or all zero.
    """
    ((images, labels),) = Batches(subject, examples, examples, seed=seed, data_root=data_root)
    trace = Trace(subject.chain, images, labels)
    lengths = measure_paths(trace, samples, seed, on_step)
    _check_gradients(subject, lengths)
    return Measured(
        subject.name,
        subject.weights,
        subject.dataset.name,
        subject.dataset.test_split,
        len(labels),
        samples,
        seed,
        lengths,
        str(subject.meaning or ""),
    )


def _check_gradients(subject: Subject, lengths: Sequence[PathLength]) -> None:
    about = f"{subject.name} ({subject.weights})"
    norms = np.array([(row.total, row.norm_of_sum) for row in lengths])
    if not np.isfinite(norms).all():
        raise InputError(
            f"{about}: the gradients at the input are not finite, so that nothing can be said of "
            "paths; are there values in the weights that are not (`rnw weights show --stats`)?"
        )
    if not norms.any(axis=0).all():
        raise InputError(
            f"{about}: all gradients at the input are zero: the network is certain of every "
            "example, or lets none through; use more of them (--examples)"
        )


def report_files(folder: Path) -> List[Path]:
    """Return the paths of the files of a report in `folder`."""
    return [folder / name for name in (TABLE, RECORD, PICTURE, PDF, CAPTION)]


def save_report(networks: Sequence[Measured], folder: Path, *, overwrite: bool = False) -> None:
    """Write `paths.csv`, `.json`, the figure `.png` and `.pdf`, and its caption `.txt`.

    Raises InputError when one of them exists and `overwrite` is not set.
    """
    check_free(*report_files(folder), overwrite=overwrite)
    write_text(folder / TABLE, _table(networks))
    write_json(folder / RECORD, _record(networks))
    write_text(folder / CAPTION, _caption(networks))
    with _style():
        figure = _draw(networks)
        for name in (PICTURE, PDF):
            save_plot(figure, folder / name)


def _record(networks: Sequence[Measured]) -> Dict[str, Any]:
    return {
        "share": GRADIENT_SHARE,
        "networks": [
            {
                **network._asdict(),
                "units": network.units,
                "effective_depth": network.depth,
                "effective_depth_of_exact_sums": network.exact_depth,
                "effective_depth_of_equal_paths": network.even_depth,
                "lengths": [row._asdict() for row in network.lengths],
            }
            for network in networks
        ],
    }


def _table(networks: Sequence[Measured]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("network", *PathLength._fields))
    for network in networks:
        writer.writerows((network.name, *row) for row in network.lengths)
    return text.getvalue()


def _caption(networks: Sequence[Measured]) -> str:
    lines = [
        f"{network}.\n{_told(network)}  Weights: {network.weights}. {network.examples} examples of "
        f"{network.dataset}, split {network.split}; {network.samples} paths a length, seed "
        f"{network.seed}.\n"
        for network in networks
    ]
    return _CAPTION.format(share=GRADIENT_SHARE) + "".join(lines)


def _told(network: Measured) -> str:
    return f"  Network: {network.told}.\n" if network.told else ""


def _draw(networks: Sequence[Measured]) -> Figure:
    width, height = PANEL
    figure = Figure(figsize=(width * len(networks), height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, len(networks), squeeze=False, sharey="row")
    for network, above, below in zip(networks, *panels):
        _draw_norms(above, network)
        _draw_sums(below, network)
    for axes, paths in zip(panels[:, 0], ("one path", "all paths")):
        axes.set_ylabel(f"gradient at the input, {paths}\n(norm of a batch / examples)")
    return figure


def _draw_norms(axes: Axes, network: Measured) -> None:
    k = [row.length for row in network.lengths]
    low, mean, high = zip(*((row.lowest, row.mean, row.highest) for row in network.lengths))
    axes.fill_between(k, low, high, alpha=0.2, linewidth=0, label="lowest to highest")
    axes.plot(k, mean, marker=".", label="mean")
    units = counted(network.units, "residual unit")
    name = network.name.replace(", ", "\n")  # panels are narrow
    axes.set_title(f"{name}\n{units}, {network.dataset}", fontsize="medium")
    _finish(axes)


def _draw_sums(axes: Axes, network: Measured) -> None:
    k = [row.length for row in network.lengths]
    axes.plot(k, [row.total for row in network.lengths], marker=".", label="sum of norms")
    axes.plot(k, [row.norm_of_sum for row in network.lengths], marker=".", label="norm of sum")
    axes.axvline(
        network.depth, color="black", linestyle="--", label=f"effective depth {network.depth}"
    )
    _finish(axes)


def _finish(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.set_xlabel("path length (residual units)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9, framealpha=1)
