"""Score maps brought to the size of their picture by cubic interpolation: scores, or labels alone.

Resampling is linear and separable: one product with a matrix along each side. `label` makes use of
it, block by block, as a pixel depends on few cells.
"""

from functools import lru_cache
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from PIL import Image

from rnw.arrays import check_finite
from rnw.data.transforms import interpolation
from rnw.evaluation.segmentation.score_maps import ScoreMap, Size

BLOCK = 128  # pixels a side that are labeled at a time, so that they stay in the cache


def upsample(found: ScoreMap, size: Size) -> np.ndarray:
    """Return the scores (classes, H, W) float32 of a picture, resampled as the original does.

    Cubic from cells to the pixels of the scaled picture, and from there to the picture by the
    filter that pictures are scaled with. Raises InputError for NaN and infinity.
    """
    check_finite("scores", found.scores)
    planes = []
    for scores in found.scores:
        height, width = (side * found.stride for side in scores.shape)
        plane = Image.fromarray(scores).resize((width, height), Image.Resampling.BICUBIC)
        plane = plane.crop((0, 0, *found.scaled[::-1]))
        if size != found.scaled:
            how = interpolation(found.scaled, size, found.interpolation)
            plane = plane.resize(size[::-1], how)
        planes.append(np.asarray(plane))
    return np.stack(planes)


def label(
    maps: Sequence[ScoreMap], size: Size, mix: Optional[Sequence[float]] = None
) -> np.ndarray:
    """Return the class (H, W) uint8 of the largest score at each pixel of a picture of `size`.

    With several maps that is the largest in the sum of `upsample`, each map weighted by its number
    in `mix`; default 1. Where two classes tie to float32 rounding, it may be the other one.
    Raises InputError for NaN and infinity.
    """
    check_finite("weights of the maps", mix or [1])
    for found in maps:
        check_finite("scores", found.scores)
    weighted = [
        found.scores if weight == 1 else found.scores * np.float32(weight)
        for found, weight in zip(maps, mix or [1] * len(maps))
    ]
    resampling = [
        _resampling(f.scores.shape[1:], f.stride, f.scaled, size, f.interpolation) for f in maps
    ]
    labels = np.empty(size, np.uint8)
    for row, top in enumerate(range(0, size[0], BLOCK)):
        for column, left in enumerate(range(0, size[1], BLOCK)):
            parts = [
                _Part.cut(scores, rows[row], columns[column])
                for scores, (rows, columns) in zip(weighted, resampling)
            ]
            labels[top : top + BLOCK, left : left + BLOCK] = _label_block(parts)
    return labels


class _Band(NamedTuple):
    """The `weights` (pixels, last - first) float32 by which a block of pixels depends on cells."""

    first: int
    last: int
    weights: np.ndarray


class _Part(NamedTuple):
    """A block of a map: (pixels, h) `rows` times each plane of `widened` (classes, h, pixels)."""

    rows: np.ndarray
    widened: np.ndarray

    @classmethod
    def cut(cls, scores: np.ndarray, rows: _Band, columns: _Band) -> "_Part":
        cells = scores[:, rows.first : rows.last, columns.first : columns.last]
        flat = cells.reshape(-1, cells.shape[2]) @ columns.weights.T
        return cls(rows.weights, flat.reshape(*cells.shape[:2], -1))


def _label_block(parts: List[_Part]) -> np.ndarray:
    """Return the class of the largest score of each pixel; `wins` is 0 or that class."""
    scores = _scores(parts, 0)
    best = scores.copy()
    labels, wins = (np.zeros(best.shape, np.uint8) for _ in range(2))
    for number in range(1, len(parts[0].widened)):
        _scores(parts, number, out=scores)
        np.greater(scores, best, out=wins.view(bool))
        np.multiply(wins, np.uint8(number), out=wins)
        np.maximum(labels, wins, out=labels)
        np.maximum(best, scores, out=best)
    return labels


def _scores(parts: List[_Part], number: int, out: Optional[np.ndarray] = None) -> np.ndarray:
    """Return the scores of one class, summed over the maps."""
    first, *others = parts
    total = np.matmul(first.rows, first.widened[number], out=out)
    for part in others:
        total += part.rows @ part.widened[number]
    return total


@lru_cache(maxsize=32)
def _resampling(
    cells: Size, stride: int, scaled: Size, size: Size, choice: str
) -> Tuple[List[_Band], List[_Band]]:
    """Return what `upsample` does along columns and along rows."""
    filter_number = None if size == scaled else interpolation(scaled, size, choice)
    vertical, horizontal = (
        _bands(_resampling_matrix(*sides, stride, filter_number))
        for sides in zip(cells, scaled, size)
    )
    return vertical, horizontal


def _resampling_matrix(
    cells: int, scaled: int, side: int, stride: int, filter_number: Optional[int]
) -> np.ndarray:
    """(side, cells) float64."""
    matrix = resize_matrix(cells, cells * stride, Image.Resampling.BICUBIC)[:scaled]
    return matrix if filter_number is None else resize_matrix(scaled, side, filter_number) @ matrix


def _bands(matrix: np.ndarray) -> List[_Band]:
    bands = []
    for start in range(0, len(matrix), BLOCK):
        block = matrix[start : start + BLOCK]
        used = np.flatnonzero(block.any(axis=0))
        first, last = int(used[0]), int(used[-1]) + 1
        bands.append(_Band(first, last, block[:, first:last].astype(np.float32)))
    return bands


def _linear(distance: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(distance), 0)


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Keys' kernel with the slope that Pillow takes."""
    x = np.abs(distance)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((2.5 - 0.5 * x) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(distance: np.ndarray) -> np.ndarray:
    return np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0)


class _Filter(NamedTuple):
    kernel: Callable[[np.ndarray], np.ndarray]
    support: float  # where it becomes zero


_FILTERS: Dict[int, _Filter] = {
    Image.Resampling.BILINEAR: _Filter(_linear, 1),
    Image.Resampling.BICUBIC: _Filter(_cubic, 2),
    Image.Resampling.LANCZOS: _Filter(_lanczos, 3),
}


def resize_matrix(source: int, target: int, filter_number: int) -> np.ndarray:
    """Return (target, source) float64: Pillow's resampling of `source` pixels to `target`.

    Kernels are widened where the side shrinks; what falls outside is left out.
    """
    kernel, support = _FILTERS[filter_number]
    scale = source / target
    widening = max(scale, 1)
    centers = ((np.arange(target) + 0.5) * scale)[:, None]
    pixels = np.arange(source)
    first = np.floor(centers - support * widening + 0.5)
    last = np.floor(centers + support * widening + 0.5)
    weights = kernel((pixels - centers + 0.5) / widening)
    weights[(pixels < first) | (pixels >= last)] = 0
    return weights / weights.sum(axis=1, keepdims=True)
