"""Figures of kept predictions: photograph, truth, prediction and where it is wrong, in rows."""

from pathlib import Path
from typing import Any, List, NamedTuple, Optional, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from rnw.data.catalog import SegmentationDataset
from rnw.data.labelled import IGNORED
from rnw.data.readers import decode
from rnw.errors import InputError
from rnw.evaluation.confusion import Confusion
from rnw.evaluation.kept_labels import correctness, labels_file, read_kept
from rnw.files import atomic_write

COLUMNS = ("photograph", "truth", "prediction", "difference")
FORMATS = (".png", ".pdf")
CELL, GAP, NAMES, LEGEND_LINE = 3.0, 0.1, 0.6, 0.25  # inches
LEGEND_COLUMNS = 6
DPI = 120  # of a PNG
SETTINGS = {"font.size": 9, "pdf.fonttype": 42}


class Results(NamedTuple):
    """Kept predictions for the pictures `names` of a split, whose indices in it are `indices`."""

    folder: Path
    dataset: SegmentationDataset
    examples: Any
    names: List[str]
    indices: List[int]

    def truth(self, name: str) -> np.ndarray:
        """The true classes (H, W) uint8."""
        return self.examples.label(self._index(name))

    def labels(self, name: str) -> np.ndarray:
        """The predicted classes (H, W) uint8."""
        return read_kept(self.folder, name, self.dataset)

    def image(self, name: str) -> np.ndarray:
        """The picture (H, W, 3) uint8."""
        index = self._index(name)
        return decode(self.examples.read(index), self.examples.name(index))

    def iou(self, name: str) -> float:
        """The mean IoU of the classes that a picture has."""
        confusion = Confusion(self.dataset.classes)
        confusion.add(self.truth(name), self.labels(name))
        present = confusion.counts.any(axis=1)
        return float(confusion.ious[present].mean()) if present.any() else 1.0

    def _index(self, name: str) -> int:
        return self.indices[self.names.index(name)]


def read_results(
    folder: Path,
    dataset: SegmentationDataset,
    *,
    data_root: Optional[Path] = None,
    split: Optional[str] = None,
) -> Results:
    """What an evaluation has kept in `folder` so far.

    Raises InputError when that is nothing, and for a split without labels.
    """
    examples = dataset.read(data_root or dataset.root or Path(), split or dataset.test_split)
    if not examples.has_labels:
        raise InputError(f"{dataset.title}, split {split}: has no labels to compare with")
    names = [Path(examples.name(index)).stem for index in range(len(examples))]
    kept = [k for k, name in enumerate(names) if labels_file(folder, name).is_file()]
    if not kept:
        raise InputError(
            f"{folder}: no predictions for {dataset.title}; `rnw eval-seg --save-predictions "
            f"{folder}` makes them"
        )
    return Results(folder, dataset, examples, [names[k] for k in kept], kept)


def choose(
    results: Results,
    images: Sequence[str] = (),
    *,
    worst: int = 0,
    random: int = 0,
    seed: int = 0,
) -> List[str]:
    """Names of pictures: those given, then the `worst` by IoU, then some at `random`.

    Raises InputError for a given one without a prediction.
    """
    missing = [name for name in images if name not in results.names]
    if missing:
        raise InputError(f"{missing[0]}: no prediction for it in {results.folder}")
    chosen = list(dict.fromkeys(images))
    if worst:
        chosen += sorted(_others(results, chosen), key=results.iou)[:worst]
    others = _others(results, chosen)
    order = np.random.RandomState(seed).permutation(len(others))[:random]
    return chosen + [others[k] for k in order]


def _others(results: Results, chosen: Sequence[str]) -> List[str]:
    return [name for name in results.names if name not in chosen]


def draw_panels(
    results: Results, names: Sequence[str], output: Path, *, overwrite: bool = False
) -> None:
    """Write a figure with a row for each picture, and a legend of the classes in them.

    Raises InputError for a file that exists or of another kind.
    """
    if output.suffix not in FORMATS:
        raise InputError(f"{output}: expected a name that ends in {' or '.join(FORMATS)}")
    if output.exists() and not overwrite:
        raise InputError(f"{output}: exists; choose another name or --overwrite it")
    with matplotlib.rc_context(SETTINGS):
        figure = _draw(results, names)
        with atomic_write(output) as file:
            figure.savefig(file, format=output.suffix[1:], dpi=DPI)


def _draw(results: Results, names: Sequence[str]) -> Figure:
    truths, predictions = (list(map(read, names)) for read in (results.truth, results.labels))
    present = np.setdiff1d(np.concatenate([t.ravel() for t in truths + predictions]), [IGNORED])
    heights = [CELL * truth.shape[0] / truth.shape[1] for truth in truths]
    legend = LEGEND_LINE * (2 + len(present) // LEGEND_COLUMNS)
    size = CELL * len(COLUMNS) + NAMES, sum(heights) + GAP * len(names) + legend
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(
        len(names), len(COLUMNS), squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for row, name, truth, labels in zip(axes, names, truths, predictions):
        _draw_row(row, results, name, truth, labels)
    for axis, title in zip(axes[0], COLUMNS):
        axis.set_title(title)
    figure.legend(
        handles=[_patch(results.dataset, number) for number in present.tolist()],
        loc="outside lower center",
        ncols=LEGEND_COLUMNS,
        frameon=False,
    )
    return figure


def _draw_row(
    row: Sequence[Axes], results: Results, name: str, truth: np.ndarray, labels: np.ndarray
) -> None:
    colours = np.full((256, 3), 255, np.uint8)
    colours[: results.dataset.classes] = results.dataset.palette
    difference = np.repeat(correctness(labels, truth)[:, :, None], 3, axis=2)
    for axis, picture in zip(
        row, (results.image(name), colours[truth], colours[labels], difference)
    ):
        axis.imshow(picture, interpolation="nearest")
        axis.set_xticks([])
        axis.set_yticks([])
    row[0].set_ylabel(name)
    row[3].set_ylabel(f"mean IoU {100 * results.iou(name):.1f} %")
    row[3].yaxis.set_label_position("right")


def _patch(dataset: SegmentationDataset, number: int) -> Patch:
    colour = np.array(dataset.palette[number]) / 255
    return Patch(facecolor=colour, edgecolor="black", label=dataset.class_names[number])
