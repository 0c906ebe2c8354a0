"""The permutohedral lattice of Adams, Baek and Davis (Eurographics 2010), which sums by Gaussians.

Values of points are spread over the vertices around each, blurred there and gathered again.
"""

from typing import Callable, List, NamedTuple, Tuple

import numpy as np
from scipy import sparse

from rnw.arrays import check_finite
from rnw.errors import InputError

Located = Tuple[np.ndarray, np.ndarray, np.ndarray]


class Simplices(NamedTuple):
    """Where N points of d dimensions lie in the lattice.

    codes: numbers (N, d + 1) int64 of the vertices round each. weights: barycentric (N, d + 1)
    float32. steps: (d + 1,) int64, what leads from the code of a vertex to its neighbor's on each
    axis.
    """

    codes: np.ndarray
    weights: np.ndarray
    steps: np.ndarray


def locate(points: np.ndarray) -> Located:
    """Return the simplex around each point (N, d + 1) of sum 0.

    Returns its vertex of remainder 0, the axes that lead from there round the others, and the
    barycentric weights in that order; each (N, d + 1). Stable sorting gives points on a common
    face the same vertices.
    """
    corner = np.rint(points)
    excess = corner.sum(axis=1, keepdims=True)
    rank = np.argsort(np.argsort(corner - points, axis=1, kind="stable"), axis=1)
    corner += (rank < -excess).astype(int) - (rank >= points.shape[1] - excess)
    order = np.argsort(corner - points, axis=1, kind="stable")[:, ::-1]
    rest = np.take_along_axis(points - corner, order, axis=1)
    weights = rest - np.roll(rest, 1, axis=1)
    weights[:, 0] += 1
    return corner.astype(np.int64), order, weights


def enclosing_simplices(
    features: np.ndarray, locate: Callable[[np.ndarray], Located] = locate
) -> Simplices:
    """Return the simplices around features (N, d) in standard deviations.

    locate: a function that does what `locate` does.

    Raises InputError when the features spread too far to number the vertices, and for NaN and
    infinity.
    """
    check_finite("features", features)
    dimension = features.shape[1]
    corner, order, weights = locate(features @ _elevation(dimension).T)
    radix = _radix(corner)
    steps = radix.sum() - (dimension + 1) * radix  # an axis: -d in one coordinate, 1 in all others
    walk = np.cumsum(steps[order], axis=1)  # round the vertices, back to the corner
    codes = ((dimension + 1) * corner @ radix)[:, None] + np.roll(walk, 1, axis=1)
    return Simplices(codes, weights.astype(np.float32), steps)


def permutohedral_lattice(
    features: np.ndarray,
) -> Tuple[sparse.csr_matrix, List[sparse.csr_matrix]]:
    """Return the lattice around features (N, d) as sparse matrices.

    Returns barycentric weights S (N, vertices) and a blur B_i (vertices, vertices) along each of
    the d + 1 axes: S B_d ... B_0 S^T is nearly a multiple of exp(-|f_m - f_n|^2 / 2).
    Raises InputError as `enclosing_simplices`.
    """
    codes, weights, steps = enclosing_simplices(features)
    vertices, indices = np.unique(codes, return_inverse=True)
    ends = np.arange(0, codes.size + 1, codes.shape[1])
    parts = (weights.ravel(), indices.ravel(), ends)
    barycentric = sparse.csr_matrix(parts, (len(codes), len(vertices)))
    return barycentric, [_blur(vertices, step) for step in steps]


def _elevation(dimension: int) -> np.ndarray:
    """From features (d,) to the plane of sum 0 (d + 1,), where S B_d ... B_0 S^T has deviation 1.

    The lattice's points of remainder 0 have whole coordinates: the paper's, divided by d + 1.
    """
    basis = np.triu(np.ones((dimension + 1, dimension)))
    basis[np.arange(1, dimension + 1), np.arange(dimension)] = -np.arange(1, dimension + 1)
    return basis * np.sqrt(2 / 3) / np.linalg.norm(basis, axis=0)


def _radix(corner: np.ndarray) -> np.ndarray:
    """Factors (d + 1,) that make one number of the coordinates of a vertex or its neighbor."""
    spans = corner.shape[1] * (np.ptp(corner[:, :-1], axis=0) + 3)
    if np.prod(spans.astype(float)) > np.iinfo(np.int64).max:
        raise InputError("the CRF's deviations are too small: expected some pixels and gray levels")
    return np.append(np.cumprod(spans) // spans, 0)  # the last coordinate follows from the others


def _blur(vertices: np.ndarray, step: int) -> sparse.csr_matrix:
    """Weights 1/2, 1, 1/2 along an axis; a neighbor that is not among the vertices counts as 0."""
    found = np.minimum(np.searchsorted(vertices, vertices + step), len(vertices) - 1)
    source = np.flatnonzero(vertices[found] == vertices + step)
    halves = np.full(len(source), 0.5, np.float32)
    shift = sparse.csr_matrix((halves, (source, found[source])), (len(vertices),) * 2)
    return (sparse.identity(len(vertices), np.float32, "csr") + shift + shift.T).tocsr()


def filter_sparse(
    splat: sparse.csr_matrix,
    blurs: List[sparse.csr_matrix],
    slicing: sparse.csr_matrix,
    values: np.ndarray,
) -> np.ndarray:
    """Return values (N, classes) spread over the lattice, blurred and gathered again."""
    values = splat @ values
    for blur in blurs:
        values = blur @ values
    return slicing @ values
