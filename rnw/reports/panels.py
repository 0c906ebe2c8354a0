"""Figures of kept predictions: photograph, truth, prediction and where it is wrong."""

import math
import textwrap
from functools import partial
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.textpath import TextPath

from rnw.data.picture_types import LabeledSource
from rnw.data.readers import read_picture
from rnw.data.sets.reading import read_pictures
from rnw.data.sets.rows import SegmentationDataset
from rnw.errors import InputError, naming
from rnw.evaluation.segmentation.confusion import Confusion
from rnw.evaluation.segmentation.kept import (
    correctness,
    kept_split,
    labels_file,
    picture_names,
    read_kept,
)
from rnw.networks.heads import IGNORED_LABEL
from rnw.plots import check_plot_file, save_plot

KINDS = ("photograph", "truth", "prediction", "difference")
CELL, GAP, PAD, LINE = 3.0, 0.1, 0.12, 0.19  # inches; a line is one of text
CHARACTER = 0.09  # inches of a wide letter
LEGEND_LINE, LEGEND_EDGE, HANDLE = 0.205, 0.2, 0.65  # inches; a handle is all beside a name
SHORT = 28  # characters of a class's name in a legend
DPI, LARGEST = 300, 65_000  # of a PNG: dots per inch, and the most that can be drawn
FONT_SIZE = 9  # points
_style = partial(matplotlib.rc_context, {"font.size": FONT_SIZE, "text.parse_math": False})


class Layout(NamedTuple):
    """At which edge of the pictures their kinds, names and scores stand."""

    kinds: str
    names: str
    scores: str


ROWS = Layout(kinds="top", names="left", scores="right")
COLUMNS = Layout(kinds="left", names="top", scores="bottom")
EDGES: Dict[str, Tuple[Union[int, slice], Union[int, slice]]] = {
    "top": (0, slice(None)),
    "bottom": (-1, slice(None)),
    "left": (slice(None), 0),
    "right": (slice(None), -1),
}


class Results(NamedTuple):
    """Kept predictions for the pictures `names` of a split, whose indices in it are `indices`."""

    folder: Path
    dataset: SegmentationDataset
    split: str
    examples: LabeledSource
    names: List[str]
    indices: List[int]

    def truth(self, name: str) -> np.ndarray:
        """Return the true classes (H, W) uint8."""
        return self.examples.label(self._index(name))

    def labels(self, name: str) -> np.ndarray:
        """Return the predicted classes (H, W) uint8."""
        return self._truth_and_labels(name)[1]

    def image(self, name: str) -> np.ndarray:
        """Return the picture (H, W, 3) uint8."""
        index = self._index(name)
        return read_picture(self.examples, index)

    def present(self, name: str) -> np.ndarray:
        """Return the classes in the truth or in the prediction."""
        truth, labels = self._truth_and_labels(name)
        return np.setdiff1d([*np.unique(truth), *np.unique(labels)], IGNORED_LABEL)

    def panels(self, name: str) -> Dict[str, np.ndarray]:
        """Return the pictures (H, W, 3) uint8 of each of KINDS."""
        truth, labels = self._truth_and_labels(name)
        colors = np.full((256, 3), 255, np.uint8)
        colors[: self.dataset.classes] = self.dataset.palette
        difference = np.repeat(correctness(labels, truth)[:, :, None], 3, axis=2)
        return dict(zip(KINDS, (self.image(name), colors[truth], colors[labels], difference)))

    def confusion(self, name: str) -> Confusion:
        """Count a picture's pixels; raise InputError where they cannot be compared."""
        confusion = Confusion(self.dataset.classes)
        truth, labels = self._truth_and_labels(name)
        with naming(self.examples.label_name(self._index(name))):
            confusion.add(truth, labels)
        return confusion

    def iou(self, name: str) -> float:
        """Return the mean IoU of the classes that occur in a picture, nan if no pixel is judged."""
        return self.confusion(name).mean_iou_of_occurring

    def _truth_and_labels(self, name: str) -> Tuple[np.ndarray, np.ndarray]:
        truth = self.truth(name)
        height, width = truth.shape
        return truth, read_kept(self.folder, name, self.dataset, (height, width))

    def _index(self, name: str) -> int:
        return self.indices[self.names.index(name)]


def read_results(
    folder: Path,
    dataset: SegmentationDataset,
    *,
    data_root: Optional[Path] = None,
    split: Optional[str] = None,
) -> Results:
    """Return what an evaluation has kept in `folder` so far, by default of the split it was on.

    Raises InputError when that is nothing, and for a split without labels.
    """
    split = split or kept_split(folder) or dataset.test_split
    examples = read_pictures(dataset, split, data_root)
    if not examples.has_labels:
        raise InputError(
            f"{dataset.title}, split {split}: has no labels to compare with; choose another --split"
        )
    names = picture_names(examples)
    kept = [k for k, name in enumerate(names) if labels_file(folder, name).is_file()]
    if not kept:
        raise InputError(
            f"{folder}: no predictions for {dataset.title}, split {split}; `rnw eval-seg --split "
            f"{split} --save-predictions {folder}` makes them"
        )
    return Results(folder, dataset, split, examples, [names[k] for k in kept], kept)


def choose(
    results: Results,
    images: Sequence[str] = (),
    *,
    worst: int = 0,
    random: int = 0,
    seed: int = 0,
) -> List[str]:
    """Return names of pictures: those given, then the `worst` by IoU, then some at `random`.

    Raises InputError for a given one without a prediction, and where that is none.
    """
    missing = [name for name in images if name not in results.names]
    if missing:
        raise InputError(f"{missing[0]}: no prediction for it in {results.folder}")
    chosen = list(dict.fromkeys(images))
    if worst:
        ious = {name: results.iou(name) for name in _others(results, chosen)}
        chosen += by_iou(ious)[:worst]
    others = _others(results, chosen)
    order = np.random.RandomState(seed).permutation(len(others))[:random]
    chosen += [others[k] for k in order]
    if not chosen:
        raise InputError(f"{results.folder}: no pixel of its pictures is judged, so none is worst")
    return chosen


def by_iou(ious: Mapping[str, float]) -> List[str]:
    """Return the pictures of which pixels are judged, the one of lowest IoU first."""
    judged = [name for name, iou in ious.items() if not math.isnan(iou)]
    return sorted(judged, key=lambda name: ious[name])


def describe_iou(iou: float) -> str:
    """Return the score of a picture in words."""
    return "no pixel is judged" if math.isnan(iou) else f"mean IoU {100 * iou:.2f} %"


def _others(results: Results, chosen: Sequence[str]) -> List[str]:
    return [name for name in results.names if name not in chosen]


def draw_panels(
    results: Results,
    names: Sequence[str],
    output: Path,
    *,
    layout: Layout = ROWS,
    overwrite: bool = False,
) -> None:
    """Write a figure with a row or a column for each picture, and a legend of the classes in them.

    Raises InputError for a file that exists or of another kind.
    """
    check_plot_file(output, overwrite=overwrite)
    figure = make_figure(results, names, layout)
    dpi = min(DPI, LARGEST / max(figure.get_size_inches()))
    with _style():
        save_plot(figure, output, dpi=dpi)


@_style()
def make_figure(results: Results, names: Sequence[str], layout: Layout = ROWS) -> Figure:
    """Return the figure that `draw_panels` writes.

    All sizes are in inches and known before anything is drawn, so that nothing overlaps.
    """
    scores = [describe_iou(results.iou(name)) for name in names]
    panels = [results.panels(name) for name in names]
    shapes = [panel["photograph"].shape for panel in panels]
    if layout == ROWS:
        heights, widths = [CELL * h / w for h, w, _ in shapes], [CELL] * len(KINDS)
        lengths = heights
    else:
        heights, widths = [CELL] * len(KINDS), [CELL * w / h for h, w, _ in shapes]
        lengths = widths
    texts = {
        layout.kinds: KINDS,
        layout.names: [_wrap(name, length) for name, length in zip(names, lengths)],
        layout.scores: [_wrap(score, length) for score, length in zip(scores, lengths)],
    }
    legend = _Legend(results, names)
    figure, grid = _make_grid(heights, widths, _margins(texts), legend)
    for axes, panel in zip(grid if layout == ROWS else grid.T, panels):
        for axis, picture in zip(axes, panel.values()):
            axis.imshow(picture, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
    for edge, labels in texts.items():
        for axis, text in zip(grid[EDGES[edge]], labels):
            side = axis.xaxis if edge in ("top", "bottom") else axis.yaxis
            side.set_label_position(edge)
            side.set_label_text(text)
    return figure


def _wrap(text: str, length: float) -> str:
    return textwrap.fill(text, max(int(length / CHARACTER), 8))


def _margins(texts: Dict[str, Sequence[str]]) -> Dict[str, float]:
    """Inches at each edge."""
    lines = {edge: max(text.count("\n") + 1 for text in texts[edge]) for edge in texts}
    return {edge: PAD + LINE * lines.get(edge, 0) for edge in EDGES}


class _Legend:
    """The classes in some pictures, below them."""

    def __init__(self, results: Results, names: Sequence[str]):
        numbers = np.unique(np.concatenate([results.present(name) for name in names]))
        self._handles = [_patch(results.dataset, number) for number in numbers.tolist()]
        texts = [short_name(results.dataset, number) for number in numbers.tolist()]
        extents = [TextPath((0, 0), text, FONT_SIZE).get_extents() for text in texts]
        self.column = HANDLE + max(extent.width for extent in extents) / 72

    def height(self, width: float) -> float:
        """Inches, in so many inches across."""
        return LEGEND_EDGE + LEGEND_LINE * -(-len(self._handles) // self._columns(width))

    def draw(self, figure: Figure) -> None:
        columns = self._columns(figure.get_figwidth())
        figure.legend(handles=self._handles, loc="lower center", ncols=columns, frameon=False)

    def _columns(self, width: float) -> int:
        return max(int(width / self.column), 1)


def _patch(dataset: SegmentationDataset, number: int) -> Patch:
    red, green, blue = dataset.palette[number]
    color = (red / 255, green / 255, blue / 255)
    return Patch(facecolor=color, edgecolor="black", label=short_name(dataset, number))


def short_name(dataset: SegmentationDataset, number: int) -> str:
    """Return the name of a class, without what is beyond SHORT characters of a list of synonyms."""
    return shorten(dataset.class_names[number])


def shorten(name: str) -> str:
    """Return the name of a class as `short_name` does."""
    return textwrap.shorten(name, SHORT, placeholder=" ...")


def _make_grid(
    heights: Sequence[float], widths: Sequence[float], margins: Dict[str, float], legend: _Legend
) -> Tuple[Figure, np.ndarray]:
    """Return a figure with axes of these inches in rows and columns, and the legend below."""
    inner_height = sum(heights) + GAP * (len(heights) - 1)
    inner_width = sum(widths) + GAP * (len(widths) - 1)
    width = max(margins["left"] + inner_width + margins["right"], legend.column)
    bottom = margins["bottom"] + legend.height(width)
    height = margins["top"] + inner_height + bottom
    left = (width + margins["left"] - inner_width - margins["right"]) / 2
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    grid = figure.subplots(
        len(heights),
        len(widths),
        squeeze=False,
        gridspec_kw={
            "height_ratios": heights,
            "width_ratios": widths,
            "hspace": GAP / np.mean(heights),
            "wspace": GAP / np.mean(widths),
            "left": left / width,
            "right": (left + inner_width) / width,
            "bottom": bottom / height,
            "top": (bottom + inner_height) / height,
        },
    )
    legend.draw(figure)
    return figure, grid
