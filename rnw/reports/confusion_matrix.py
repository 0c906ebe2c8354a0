"""Confusion matrices of reports, of pixels or of pictures: as a picture, and the largest mistakes.

They are counts (classes, classes) int64, by true class and predicted class.
"""

import io
from typing import List, Sequence, Tuple

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from rnw.plots import write_plot

FEW = 25  # classes whose confusions are written out as numbers


def shares_of_true(counts: np.ndarray) -> np.ndarray:
    """Return the counts as shares (classes, classes) float64 of each true class; 0 for none."""
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def most_confused(counts: np.ndarray, most: int) -> List[Tuple[int, int]]:
    """Return at most so many pairs of (true class, predicted class) that differ, by their count."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    largest = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = zip(*(part.tolist() for part in np.unravel_index(largest, wrong.shape)))
    return [pair for pair in pairs if wrong[pair]]


def draw_matrix(names: Sequence[str], shares: np.ndarray, *, numbers: bool) -> bytes:
    """Return an SVG file; the text in it is outlines, so that it looks the same everywhere."""
    cell, size = (0.42, 9) if numbers else (0.13, 7)  # inches, points
    side = cell * len(names)
    with matplotlib.rc_context({"font.size": size, "text.parse_math": False}):
        figure = Figure(figsize=(side, side))
        FigureCanvasAgg(figure)
        axis = figure.add_axes((0, 0, 1, 1))
        axis.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1), interpolation="nearest")
        axis.set_xticks(range(len(names)), names, rotation=90)
        axis.set_yticks(range(len(names)), names)
        axis.set(xlabel="predicted", ylabel="true")
        for row, column in np.argwhere(shares >= 0.005) if numbers else ():
            value = shares[row, column]
            color = "white" if value > 0.3 else "black"
            axis.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=color)
        file = io.BytesIO()
        write_plot(figure, file, "svg", bbox_inches="tight")
    return file.getvalue()
