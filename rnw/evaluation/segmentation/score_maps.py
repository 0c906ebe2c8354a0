"""From a network's coarse score maps to the labels of a picture (section 6): the steps of a test.

A `Forward` takes (N, 3, H, W) float32 to scores (N, classes, H/stride, W/stride) float32. The steps
around one are functions: mirror images, overlapping tiles, shifts by a part of the stride. Maps of
several scales and networks are averaged in `rnw.evaluation.segmentation.upsampling`.
"""

import math
from typing import List, NamedTuple, Tuple

import numpy as np

from rnw.data.picture_types import IMAGENET, Normalization
from rnw.data.transforms import normalize, scale_longer_side
from rnw.errors import InputError
from rnw.evaluation.engines.table import Forward

Size = Tuple[int, int]  # height, width in pixels


class ScoreMap(NamedTuple):
    """Scores (classes, h, w) float32 of a picture that was scaled to `scaled`.

    A cell covers `stride` pixels a side there; cells beyond the scaled picture are of no account.
    interpolation: how it was scaled (see `rnw.data.transforms.interpolation`).
    """

    scores: np.ndarray
    stride: int
    scaled: Size
    interpolation: str = "adaptive"


def flipped(forward: Forward) -> Forward:
    """Return the mean over a picture and its mirror image."""

    def average(data: np.ndarray) -> np.ndarray:
        scores = forward(np.concatenate([data, data[..., ::-1]]))
        return (scores[: len(data)] + scores[len(data) :, ..., ::-1]) / 2

    return average


def tiled(forward: Forward, stride: int, tile: int, overlap: int) -> Forward:
    """Return the network in squares of at most `tile` pixels, neighbors having `overlap` in common.

    Each takes over from the one before in the middle of what they share, so that the scores are
    those of the whole wherever the network sees no further than half the overlap.

    Raises InputError unless both are multiples of the stride and the overlap is the smaller.
    """
    if tile % stride or overlap % stride or not 0 <= overlap < tile:
        raise InputError(
            f"tiles of {tile} with an overlap of {overlap} pixels: expected multiples of the "
            f"network's stride {stride}, the overlap smaller than the tile"
        )

    def by_tile(data: np.ndarray) -> np.ndarray:
        rows, columns = (_tiles(side, tile, overlap, stride) for side in data.shape[2:])
        return np.concatenate(
            [
                np.concatenate([_cut(forward, data, row, column, stride) for column in columns], 3)
                for row in rows
            ],
            axis=2,
        )

    return by_tile


class _Tile(NamedTuple):
    """Where a tile lies along one side, and which part its scores count for; in pixels."""

    start: int
    stop: int
    first: int
    last: int


def _tiles(side: int, tile: int, overlap: int, stride: int) -> List[_Tile]:
    starts = [*range(0, max(side - tile, 0), tile - overlap), max(side - tile, 0)]
    stops = [min(start + tile, side) for start in starts]
    seams = [(start + stop) // 2 // stride * stride for start, stop in zip(starts[1:], stops[:-1])]
    return [_Tile(*row) for row in zip(starts, stops, [0, *seams], [*seams, side])]


def _cut(forward: Forward, data: np.ndarray, row: _Tile, column: _Tile, stride: int) -> np.ndarray:
    scores = forward(data[:, :, row.start : row.stop, column.start : column.stop])
    top, bottom = ((edge - row.start) // stride for edge in (row.first, row.last))
    left, right = ((edge - column.start) // stride for edge in (column.first, column.last))
    return scores[:, :, top:bottom, left:right]


def score_map(
    forward: Forward,
    image: np.ndarray,
    size: int,
    stride: int,
    *,
    normalization: Normalization = IMAGENET,
    steps: int = 1,
    square: bool = True,
    interpolation: str = "adaptive",
) -> ScoreMap:
    """Return the scores of a picture (H, W, 3) uint8 whose longer side is scaled to `size` pixels.

    steps: the scaled picture is shifted by as many fractions of the stride along each side, and the
        maps are interleaved to one that is so much finer.
    square: the network is given a square, zeros (the mean color) beyond the picture, rather than
        what is needed to make its sides multiples of the stride.

    Raises InputError when the stride is no multiple of `steps`, and for a network whose maps have
    fewer cells than the stride makes.
    """
    check_steps(stride, steps)
    scaled = normalize(scale_longer_side(image, size, interpolation), *normalization)
    height, width = scaled.shape[1:]
    sides = (size, size) if square else (height, width)
    shifts = _shifts(stride, steps)
    data = np.zeros((steps * steps, 3, *(_round_up(side, stride) for side in sides)), np.float32)
    whole = _pad(scaled, stride)
    for number, canvas in enumerate(data):
        _place(whole, canvas, shifts[number // steps], shifts[number % steps])
    maps = forward(data)
    classes, rows, columns = maps.shape[1:]
    if (rows * stride, columns * stride) != data.shape[2:]:
        raise InputError(
            f"the network gives {rows}x{columns} cells for {data.shape[2]}x{data.shape[3]} pixels, "
            f"expected one for each {stride}: its poolings leave borders out; --pooling pad or full"
        )
    grid = maps.reshape(steps, steps, classes, rows, columns).transpose(2, 3, 0, 4, 1)
    scores = grid.reshape(classes, rows * steps, columns * steps)
    return ScoreMap(scores, stride // steps, (height, width), interpolation)


def check_steps(stride: int, steps: int) -> None:
    """Raise InputError when the stride is no multiple of `steps`."""
    if steps < 1 or stride % steps:
        raise InputError(f"{steps} test steps: expected a divisor of the network's stride {stride}")


def _shifts(stride: int, steps: int) -> List[int]:
    """Return how far the picture is moved up or left, so that cells fall on finer centers."""
    finer = stride // steps
    return [finer // 2 + step * finer - stride // 2 for step in range(steps)]


def _pad(image: np.ndarray, cell: int) -> np.ndarray:
    """(3, h, w) with zeros up to a cell a side, so that shifts do not move all of it out."""
    bottom, right = (max(cell - side, 0) for side in image.shape[1:])
    return np.pad(image, ((0, 0), (0, bottom), (0, right)))


def _place(image: np.ndarray, canvas: np.ndarray, up: int, left: int) -> None:
    """Copy (3, h, w) to the upper left of (3, H, W), moved within its own h x w pixels."""
    height, width = image.shape[1:]
    rows, columns = _moved(height, up), _moved(width, left)
    canvas[:, _moved(height, -up), _moved(width, -left)] = image[:, rows, columns]


def _moved(side: int, by: int) -> slice:
    """Return what is left of a side that is moved out of its own place; nothing if it is short."""
    return slice(max(by, 0), max(side + min(by, 0), 0))


def _round_up(side: int, stride: int) -> int:
    return math.ceil(side / stride) * stride
