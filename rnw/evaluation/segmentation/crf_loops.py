"""The loops of the CRF, compiled by numba when they are first used, for this machine.

numba keeps what it compiled beside this file, or in a folder of the user's where it may not write
there. Values are (N, classes) float32 throughout.
"""

from typing import List, NamedTuple, Tuple

import numpy as np
from numba import njit

from rnw.evaluation.segmentation.permutohedral import enclosing_simplices

NOBODY = -1
_compiled = njit(cache=True, nogil=True, fastmath=True)


class Lattice(NamedTuple):
    """The permutohedral lattice around N points of d dimensions.

    indices, weights: the vertices round each point, (N, d + 1) int32, and their barycentric
    weights, float32. size: the number of vertices. lines: those along each of the d + 1 axes, as
    arrays of the vertices that have neighbors there, one line after the other, and of whether each
    is the last of its line.
    """

    indices: np.ndarray
    weights: np.ndarray
    size: int
    lines: List[Tuple[np.ndarray, np.ndarray]]


def make_lattice(features: np.ndarray) -> Lattice:
    """Return the lattice around features (N, d); raise InputError as `enclosing_simplices`."""
    codes, weights, steps = enclosing_simplices(features, _locate)
    indices, vertices, table = _number_vertices(codes.ravel())
    lines = [_find_lines(vertices, table, step) for step in steps]
    return Lattice(indices.reshape(codes.shape), weights, len(vertices), lines)


def filter_values(
    lattice: Lattice, splat: np.ndarray, slicing: np.ndarray, values: np.ndarray
) -> np.ndarray:
    """Return values (N, classes) spread over the lattice, blurred and gathered again.

    splat, slicing: weights (N, d + 1) float32 of the vertices when spreading and when gathering.
    """
    spread = np.empty((lattice.size, values.shape[1]), np.float32)  # zeros would be in small pages
    _spread(values, lattice.indices, splat, spread)
    for vertices, ends in lattice.lines:
        _blur(spread, vertices, ends)
    gathered = np.empty_like(values)
    _gather(spread, lattice.indices, slicing, gathered)
    return gathered


def add_smooth(
    weight: float,
    taps: np.ndarray,
    down: np.ndarray,
    across: np.ndarray,
    values: np.ndarray,
    total: np.ndarray,
) -> None:
    """Add values (H, W, classes), convolved by taps along both directions, to total.

    taps: weights float32 of distances from 0 on. down, across: factors (H,) and (W,) float32 of
    rows and columns before and after the convolution. weight: a factor of all.
    """
    height, width, classes = values.shape
    flat = values.reshape(height, width * classes)
    before, after = np.repeat(across, classes), np.repeat(np.float32(weight) * across, classes)
    _add_smooth(taps, down, before, after, flat, total.reshape(flat.shape), classes)


def softmax(scores: np.ndarray, unaries: np.ndarray) -> np.ndarray:
    """Return the probabilities (H, W, classes) of scores and unaries, which are added."""
    _add_and_lower(scores, unaries)
    np.exp(scores, out=scores)  # by vector instructions, which numba's has not
    _divide_by_sums(scores)
    return scores


@_compiled
def _add_and_lower(scores: np.ndarray, unaries: np.ndarray) -> None:
    """Add unaries to scores (H, W, classes), and take the largest sum of each pixel from all."""
    height, width, classes = scores.shape
    for y in range(height):
        for x in range(width):
            line = scores[y, x]
            largest = line[0] + unaries[y, x, 0]
            for k in range(classes):
                line[k] += unaries[y, x, k]
                largest = max(largest, line[k])
            for k in range(classes):
                line[k] -= largest


@_compiled
def _divide_by_sums(values: np.ndarray) -> None:
    """Divide values (H, W, classes) by the sum over the classes of each pixel."""
    height, width, classes = values.shape
    for y in range(height):
        for x in range(width):
            line = values[y, x]
            total = np.float32(0)
            for k in range(classes):
                total += line[k]
            for k in range(classes):
                line[k] /= total


@_compiled
def _locate(points: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Do what `permutohedral.locate` does, point by point."""
    count, size = points.shape
    corner = np.rint(points)
    order = np.empty((count, size), np.int64)
    weights = np.empty((count, size))
    rank = np.empty(size, np.int64)
    for n in range(count):
        excess = corner[n].sum()
        _rank(corner[n] - points[n], rank)
        for axis in range(size):
            if rank[axis] < -excess:
                corner[n, axis] += 1
            elif rank[axis] >= size - excess:
                corner[n, axis] -= 1
        _rank(corner[n] - points[n], rank)
        for axis in range(size):
            order[n, size - 1 - rank[axis]] = axis
        last = order[n, size - 1]
        for place in range(size):
            axis = order[n, place]
            weights[n, place] = (
                points[n, axis] - corner[n, axis] - points[n, last] + corner[n, last]
            )
            last = axis
        weights[n, 0] += 1
    return corner.astype(np.int64), order, weights


@_compiled
def _rank(values: np.ndarray, rank: np.ndarray) -> None:
    """Write the place of each value in their order; the first of equal ones comes first."""
    rank[:] = 0
    for later in range(values.size):
        for earlier in range(later):
            ordered = values[earlier] <= values[later]
            rank[later] += ordered
            rank[earlier] += not ordered


@_compiled
def _find(table: np.ndarray, vertices: np.ndarray, code: int) -> int:
    """Return the place of a vertex in the hash table, or the free one where it belongs."""
    spot = np.uint64(code) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(20)  # 2^64 / golden ratio
    mask = np.uint64(table.size - 1)
    spot &= mask
    while table[spot] != NOBODY and vertices[table[spot]] != code:
        spot = (spot + np.uint64(1)) & mask
    return int(spot)


@_compiled
def _number_vertices(codes: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number the vertices of codes (M,) in the order in which they appear.

    Returns the numbers (M,) int32, the code of each vertex, and a hash table of both.
    """
    size = 1
    while size < 2 * codes.size:
        size *= 2
    table = np.full(size, NOBODY, np.int32)
    vertices = np.empty(codes.size, np.int64)
    indices = np.empty(codes.size, np.int32)
    count = 0
    for i in range(codes.size):
        spot = _find(table, vertices, codes[i])
        if table[spot] == NOBODY:
            table[spot] = count
            vertices[count] = codes[i]
            count += 1
        indices[i] = table[spot]
    return indices, vertices[:count].copy(), table


@_compiled
def _find_lines(
    vertices: np.ndarray, table: np.ndarray, step: int
) -> Tuple[np.ndarray, np.ndarray]:
    """Return the lines of an axis, as `Lattice` has them: who has no neighbor is on none."""
    count = vertices.size
    following = np.empty(count, np.int32)
    starts = np.ones(count, np.bool_)
    for vertex in range(count):
        following[vertex] = table[_find(table, vertices, vertices[vertex] + step)]
        if following[vertex] != NOBODY:
            starts[following[vertex]] = False
    order = np.empty(count, np.int32)
    ends = np.empty(count, np.bool_)
    filled = 0
    for start in range(count):
        vertex = start if starts[start] and following[start] != NOBODY else NOBODY
        while vertex != NOBODY:
            order[filled] = vertex
            ends[filled] = following[vertex] == NOBODY
            filled += 1
            vertex = following[vertex]
    return order[:filled].copy(), ends[:filled].copy()


@_compiled
def _spread(
    values: np.ndarray, indices: np.ndarray, weights: np.ndarray, spread: np.ndarray
) -> None:
    spread[:] = 0
    for n in range(len(values)):
        for corner in range(indices.shape[1]):
            vertex, weight = indices[n, corner], weights[n, corner]
            for k in range(values.shape[1]):
                spread[vertex, k] += weight * values[n, k]


@_compiled
def _blur(values: np.ndarray, order: np.ndarray, ends: np.ndarray) -> None:
    """Add half of both neighbors to each vertex, in place."""
    classes = values.shape[1]
    half = np.float32(0.5)
    before = np.zeros(classes, np.float32)
    for i in range(order.size):
        vertex = order[i]
        if ends[i]:
            for k in range(classes):
                values[vertex, k] += half * before[k]
                before[k] = 0
        else:
            after = order[i + 1]
            for k in range(classes):
                own = values[vertex, k]
                values[vertex, k] = own + half * (before[k] + values[after, k])
                before[k] = own


@_compiled
def _gather(
    spread: np.ndarray, indices: np.ndarray, weights: np.ndarray, gathered: np.ndarray
) -> None:
    for n in range(len(gathered)):
        gathered[n] = 0
        for corner in range(indices.shape[1]):
            vertex, weight = indices[n, corner], weights[n, corner]
            for k in range(gathered.shape[1]):
                gathered[n, k] += weight * spread[vertex, k]


@_compiled
def _add_smooth(
    taps: np.ndarray,
    down: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    values: np.ndarray,
    total: np.ndarray,
    classes: int,
) -> None:
    """Do what `add_smooth` does, on values (H, W classes), with scales (W classes,) of columns."""
    height, size = values.shape
    margin = (taps.size - 1) * classes
    line = np.zeros(size + 2 * margin, np.float32)
    inner = line[margin : margin + size]
    smooth = np.empty(size, np.float32)
    zero = np.float32(0)  # the weight of rows beyond the picture
    for y in range(height):
        for j in range(size):
            inner[j] = taps[0] * down[y] * values[y, j]
        for distance in range(1, taps.size):
            above, below = max(y - distance, 0), min(y + distance, height - 1)
            weight = taps[distance] * down[above] if y >= distance else zero
            other = taps[distance] * down[below] if y + distance < height else zero
            for j in range(size):
                inner[j] += weight * values[above, j] + other * values[below, j]
        for j in range(size):
            inner[j] *= before[j]
            smooth[j] = taps[0] * inner[j]
        for distance in range(1, taps.size):
            tap = taps[distance]
            left = line[margin - distance * classes :]
            right = line[margin + distance * classes :]
            for j in range(size):
                smooth[j] += tap * (left[j] + right[j])
        for j in range(size):
            total[y, j] += down[y] * after[j] * smooth[j]
