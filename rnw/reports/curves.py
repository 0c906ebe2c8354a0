"""Loss, error and learning rate of training runs as a picture, from their `metrics.jsonl`."""

import io
from functools import partial
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Set, Tuple, Union

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogFormatter

from rnw.errors import InputError
from rnw.files import PathLike, read_json_lines
from rnw.plots import check_plot_file, save_plot, write_plot
from rnw.training.run_folder import METRICS_FILE

MAX_POINTS = 300  # of a curve over steps: where there are more, each is the mean of several
SIZE, DPI = (15, 5.5), 100  # inches, pixels per inch of a PNG

_SCORES = ("loss", "top-1", "top-5")
_FIGURES = {"train": ("loss", "lr"), "epoch": _SCORES, "val": _SCORES}
_PIXEL_SCORES = ("loss", "accuracy", "mean-iou")
_PIXEL_FIGURES = {"train": ("loss", "lr"), "epoch": _PIXEL_SCORES[:2], "val": _PIXEL_SCORES}

_style = partial(matplotlib.rc_context, {"font.size": 12, "svg.fonttype": "none"})
_LineStyle = Mapping[str, Union[str, float]]  # properties of a Line2D
_STEPS: _LineStyle = {"linewidth": 1, "alpha": 0.35}
_THIN: _LineStyle = {"linewidth": 1, "alpha": 0.6}
_EPOCH: _LineStyle = {"marker": ".", "markersize": 4}
_VALIDATION: _LineStyle = {"linestyle": ":", "marker": "o", "markersize": 5}
_LOSSES: Dict[str, Tuple[str, _LineStyle]] = {
    "train": ("step", _STEPS),
    "epoch": ("epoch", _EPOCH),
    "val": ("validation", _VALIDATION),
}
_ERRORS: Dict[Tuple[str, str], _LineStyle] = {
    ("epoch", "top-1"): _EPOCH,
    ("epoch", "top-5"): {**_EPOCH, **_THIN},
    ("val", "top-1"): _VALIDATION,
    ("val", "top-5"): {**_VALIDATION, **_THIN},
    ("epoch", "accuracy"): {**_EPOCH, **_THIN},
    ("val", "accuracy"): {**_VALIDATION, **_THIN},
    ("val", "mean-iou"): _VALIDATION,
}
_ERROR_NAMES = {
    "top-1": "top-1",
    "top-5": "top-5",
    "accuracy": "pixel error",
    "mean-iou": "100 - mean IoU",
}
_PHASES = {"epoch": "training", "val": "validation"}

Key = Tuple[str, str]


class Curve(NamedTuple):
    """Values over epochs, both (N,) float64; an epoch's own value stands at its end."""

    epochs: np.ndarray
    values: np.ndarray


class RunCurves(NamedTuple):
    """The curves of the run `label` by (kind of record, figure), such as `("val", "top-1")`."""

    name: str
    label: str
    curves: Dict[Key, Curve]


def read_runs(path: PathLike) -> List[RunCurves]:
    """Return the runs in a folder's `metrics.jsonl` or in such a file, one for each label.

    Raises InputError for a missing or empty file and for a line that is no record.
    """
    path = Path(path)
    if path.is_dir():
        path = path / METRICS_FILE
    runs: Dict[str, Dict[Key, List[Tuple[float, float]]]] = {}
    for number, record in enumerate(read_json_lines(path), 1):
        try:
            points = runs.setdefault(record["label"], {})
            figures = _PIXEL_FIGURES if "accuracy" in record else _FIGURES
            for figure in figures[record["kind"]]:
                point = (_epochs(record), float(record[figure]))
                points.setdefault((record["kind"], figure), []).append(point)
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise InputError(f"{path}, line {number}: is no record of a run ({error!r})") from error
    if not runs:
        raise InputError(f"{path}: holds no metrics yet")
    return [
        RunCurves(
            str(path.parent) if len(runs) == 1 else f"{path.parent}: {label}",
            label,
            {key: Curve(*np.array(rows).T) for key, rows in points.items()},
        )
        for label, points in runs.items()
    ]


def _epochs(record: Dict[str, Any]) -> float:
    if record["kind"] == "train":
        return float(record["epoch"] - 1 + record["step"] / record["steps"])
    return float(record["epoch"])


def plot(paths: Sequence[PathLike], output: PathLike, *, overwrite: bool = False) -> None:
    """Draw the runs in `paths` (see `read_runs`) to a PNG, SVG or PDF file.

    Raises InputError for runs that cannot be read, another kind of file, and a file that exists
    when `overwrite` is not set.
    """
    check_plot_file(output, overwrite=overwrite)
    runs = [run for path in paths for run in read_runs(path)]
    with _style():
        save_plot(_draw(runs), output)


def draw_curves(runs: Sequence[RunCurves]) -> bytes:
    """Draw runs as an SVG picture; return the bytes of the file."""
    file = io.BytesIO()
    with _style():
        write_plot(_draw(runs), file, "svg")
    return file.getvalue()


def _draw(runs: Sequence[RunCurves]) -> Figure:
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    loss, error, rate = figure.subplots(1, 3, sharex=True)
    for number, run in enumerate(runs):
        color = f"C{number}"
        for kind, (_, style) in _LOSSES.items():
            _line(loss, run, (kind, "loss"), {**style, "color": color})
        for key, style in _ERRORS.items():
            _line(error, run, key, {**style, "color": color})
        _line(rate, run, ("train", "lr"), {"color": color})
    loss.set(title="Loss", ylabel="cross-entropy", yscale="log")
    loss.yaxis.set_major_formatter("{x:g}")  # 0.1 rather than a power of ten
    loss.yaxis.set_minor_formatter(LogFormatter())
    drawn = {key for run in runs for key in run.curves}
    error.set(title="Error", ylabel=_error_label(drawn), ylim=(0, None))
    rate.set(title="Learning rate", ylabel="learning rate", ylim=(0, None))
    for axes in (loss, error, rate):
        axes.set_xlabel("epochs")
        axes.grid(alpha=0.3)
    _explain(loss, dict(named for kind, named in _LOSSES.items() if (kind, "loss") in drawn))
    names = {key: f"{_ERROR_NAMES[key[1]]}, {_PHASES[key[0]]}" for key in _ERRORS if key in drawn}
    _explain(error, {name: _ERRORS[key] for key, name in names.items()})
    _name_runs(figure, runs)
    return figure


def _error_label(drawn: Set[Key]) -> str:
    """Name what the middle panel shows: errors, or what mean IoU lacks to 100 %, or both."""
    scores = {score for _, score in drawn}
    errors = ["error in %"] * bool(scores & {"top-1", "top-5"} or "mean-iou" not in scores)
    return " or ".join([*errors, *["100 - mean IoU, %"] * ("mean-iou" in scores)])


def _name_runs(figure: Figure, runs: Sequence[RunCurves]) -> None:
    """Draw a legend of colors, with the names as they are: a dollar is no formula in a path."""
    lines = [Line2D([], [], color=f"C{number}") for number, _ in enumerate(runs)]
    numbers = map(str, range(len(runs)))  # a name that begins with _ would be left out
    legend = figure.legend(lines, numbers, loc="outside lower center", ncols=3)
    for text, run in zip(legend.get_texts(), runs):
        text.set_parse_math(False)
        text.set_text(run.name)


def _line(axes: Axes, run: RunCurves, key: Key, style: _LineStyle) -> None:
    if key in run.curves:
        epochs, values = _thin(run.curves[key])
        (line,) = axes.plot(epochs, values if key[1] in ("loss", "lr") else 100 - values)
        line.set(**style)


def _explain(axes: Axes, styles: Mapping[str, _LineStyle]) -> None:
    """Draw a legend of line styles, whatever the color."""
    lines = [Line2D([], [], color="black") for _ in styles]
    for line, style in zip(lines, styles.values()):
        line.set(**style)
    axes.legend(lines, list(styles), fontsize="small")


def _thin(curve: Curve) -> Curve:
    """At most about MAX_POINTS points, each the mean of as many neighbors."""
    block = -(-len(curve.values) // MAX_POINTS)
    starts = np.arange(0, len(curve.values), block)
    sizes = np.diff(np.append(starts, len(curve.values)))
    return Curve(*(np.add.reduceat(part, starts) / sizes for part in curve))
