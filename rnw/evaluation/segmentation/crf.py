"""The fully connected CRF of Krähenbühl and Koltun (NIPS 2011), which sharpens score maps.

Each pixel draws all others to its class, the more the nearer they are in place and color, and in
place alone. As in the authors' code of 2013 a kernel k is normalized symmetrically, to
k(i, j) / sqrt(sum k(i, .) sum k(., j)), and a pixel is among its own neighbors.
"""

from typing import Callable, List, NamedTuple, Tuple

import numpy as np
from scipy import sparse
from scipy.spatial.distance import cdist

from rnw.arrays import check_finite
from rnw.errors import InputError

EXACT_PIXELS = 2500  # 50 MB for the kernel of all pairs
LEAST_PROBABILITY = 1e-5  # what is less counts as this, else no neighbor could raise it

Messages = Callable[[np.ndarray], np.ndarray]


class CrfParameters(NamedTuple):
    """Weights and standard deviations of the kernels on place and color, and on place alone.

    Places are in pixels, colors in gray levels of 0 to 255. The defaults are DeepLab's for
    ResNet-101 on PASCAL VOC 2012 (arXiv 1606.00915), as its ports give them.
    """

    iterations: int = 10
    appearance_weight: float = 4
    appearance_position: float = 67
    appearance_color: float = 3
    smoothness_weight: float = 3
    smoothness_position: float = 1


DEEPLAB = CrfParameters()
KRAEHENBUEHL = CrfParameters(5, 10, 80, 13, 3, 3)  # the example in the authors' code
PSA = KRAEHENBUEHL._replace(iterations=10)  # of PSA's code (Ahn and Kwak, CVPR 2018)
CRFS = {"deeplab": DEEPLAB, "kraehenbuehl": KRAEHENBUEHL, "psa": PSA}


def refine(
    probabilities: np.ndarray, image: np.ndarray, parameters: CrfParameters = DEEPLAB
) -> np.ndarray:
    """Return probabilities (classes, H, W) float32 after mean field inference.

    probabilities: (classes, H, W) float32, of the picture `image` (H, W, 3) uint8. Up to
    `EXACT_PIXELS` the sums over all pairs are exact; beyond, the appearance kernel is approximated
    as in the authors' code, which labels 1 to 3 % of the pixels of photographs otherwise.
    Raises InputError for other shapes, for deviations of zero, below or next to it, and for NaN and
    infinity.
    """
    _check(probabilities, image, parameters)
    small = image.shape[0] * image.shape[1] <= EXACT_PIXELS
    messages = (exact_messages if small else lattice_messages)(image, parameters)
    return mean_field(probabilities, messages, parameters.iterations)


def mean_field(probabilities: np.ndarray, messages: Messages, iterations: int) -> np.ndarray:
    """Run Algorithm 1 of the CRF's paper on probabilities (classes, H, W); return the same shape.

    messages: from beliefs (H, W, classes) to what all pixels say for each class, same shape.
    Raises InputError for NaN and infinity.
    """
    check_finite("probabilities", probabilities)
    beliefs = np.ascontiguousarray(np.moveaxis(probabilities, 0, 2), np.float32)
    unaries = np.log(np.maximum(beliefs, LEAST_PROBABILITY))
    for _ in range(iterations):
        beliefs = _softmax(messages(beliefs) + unaries)
    return np.ascontiguousarray(np.moveaxis(beliefs, 2, 0))


def exact_messages(image: np.ndarray, parameters: CrfParameters) -> Messages:
    """Return the messages for a picture (H, W, 3) uint8, by the kernel of all (H W)^2 pairs."""
    features = _features(image, parameters)
    appearance = _normalize(np.exp(-cdist(features, features, "sqeuclidean") / 2))
    smoothness = np.kron(*_smoothness(image, parameters))
    kernel = parameters.appearance_weight * appearance + parameters.smoothness_weight * smoothness
    kernel = kernel.astype(np.float32)

    def messages(beliefs: np.ndarray) -> np.ndarray:
        return (kernel @ beliefs.reshape(len(kernel), -1)).reshape(beliefs.shape)

    return messages


def lattice_messages(image: np.ndarray, parameters: CrfParameters) -> Messages:
    """Return the messages for a picture (H, W, 3) uint8, by a permutohedral lattice."""
    slicing, blurs = permutohedral_lattice(_features(image, parameters))
    ones = np.ones((slicing.shape[0], 1), np.float32)
    scale = 1 / np.sqrt(_filter(slicing.T, blurs, slicing, ones))
    splat = slicing.multiply(scale).T.tocsr()
    slicing = slicing.multiply(parameters.appearance_weight * scale).tocsr()
    rows, columns = (_banded(kernel) for kernel in _smoothness(image, parameters))
    rows *= parameters.smoothness_weight

    def messages(beliefs: np.ndarray) -> np.ndarray:
        height, _, classes = beliefs.shape
        total = _filter(splat, blurs, slicing, beliefs.reshape(-1, classes)).reshape(beliefs.shape)
        smooth = (rows @ beliefs.reshape(height, -1)).reshape(beliefs.shape)
        for line, values in zip(total, smooth):
            line += columns @ values
        return total

    return messages


def permutohedral_lattice(
    features: np.ndarray,
) -> Tuple[sparse.csr_matrix, List[sparse.csr_matrix]]:
    """Return the lattice of Adams, Baek and Davis (Eurographics 2010) around features (N, d).

    Returns barycentric weights S (N, vertices) and a blur B_i (vertices, vertices) along each of
    the d + 1 axes: S B_d ... B_0 S^T is nearly a multiple of exp(-|f_m - f_n|^2 / 2).
    Raises InputError when the features spread too far to number the vertices, and for NaN and
    infinity.
    """
    check_finite("features", features)
    count, dimension = features.shape
    corner, order, weights = _enclosing_simplices(features @ _elevation(dimension).T)
    radix = _radix(corner)
    steps = radix.sum() - (dimension + 1) * radix  # an axis: -d in one coordinate, 1 in all others
    walk = np.cumsum(steps[order], axis=1)  # round the vertices, back to the corner
    codes = ((dimension + 1) * corner @ radix)[:, None] + np.roll(walk, 1, axis=1)
    vertices, indices = np.unique(codes, return_inverse=True)
    ends = np.arange(0, codes.size + 1, dimension + 1)
    parts = (weights.astype(np.float32).ravel(), indices.ravel(), ends)
    barycentric = sparse.csr_matrix(parts, (count, len(vertices)))
    return barycentric, [_blur(vertices, step) for step in steps]


def _elevation(dimension: int) -> np.ndarray:
    """From features (d,) to the plane of sum 0 (d + 1,), where S B_d ... B_0 S^T has deviation 1.

    The lattice's points of remainder 0 have whole coordinates: the paper's, divided by d + 1.
    """
    basis = np.triu(np.ones((dimension + 1, dimension)))
    basis[np.arange(1, dimension + 1), np.arange(dimension)] = -np.arange(1, dimension + 1)
    return basis * np.sqrt(2 / 3) / np.linalg.norm(basis, axis=0)


def _enclosing_simplices(points: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
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


def _filter(
    splat: sparse.csr_matrix,
    blurs: List[sparse.csr_matrix],
    slicing: sparse.csr_matrix,
    values: np.ndarray,
) -> np.ndarray:
    values = splat @ values
    for blur in blurs:
        values = blur @ values
    return slicing @ values


def _features(image: np.ndarray, parameters: CrfParameters) -> np.ndarray:
    """x, y and color (H W, 5) of each pixel in standard deviations."""
    places = np.moveaxis(np.indices(image.shape[:2])[::-1], 0, 2) / parameters.appearance_position
    features = np.concatenate([places, image / parameters.appearance_color], axis=2)
    return features.reshape(-1, 5)


def _smoothness(image: np.ndarray, parameters: CrfParameters) -> Tuple[np.ndarray, np.ndarray]:
    """Return the two factors (H, H) and (W, W) of the normalized kernel on places."""
    lines = (np.arange(size)[:, None] / parameters.smoothness_position for size in image.shape[:2])
    rows, columns = (_normalize(np.exp(-cdist(line, line, "sqeuclidean") / 2)) for line in lines)
    return rows, columns


def _banded(kernel: np.ndarray) -> sparse.csr_matrix:
    """Return the kernel (n, n) without what float32 would hardly notice."""
    return sparse.csr_matrix(np.where(kernel > 1e-6 * kernel.max(), kernel, 0), dtype=np.float32)


def _normalize(kernel: np.ndarray) -> np.ndarray:
    scale = 1 / np.sqrt(kernel.sum(axis=1))
    return scale[:, None] * kernel * scale


def _softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities over the last axis."""
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    exponentials /= exponentials.sum(axis=-1, keepdims=True)
    return exponentials


def _check(probabilities: np.ndarray, image: np.ndarray, parameters: CrfParameters) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InputError(
            f"expected a picture (H, W, 3) of uint8, found {image.shape} of {image.dtype}"
        )
    if probabilities.ndim != 3 or probabilities.shape[1:] != image.shape[:2]:
        raise InputError(
            f"expected probabilities (classes, {image.shape[0]}, {image.shape[1]}) for the "
            f"picture, found {probabilities.shape}"
        )
    check_finite("probabilities", probabilities)
    check_finite("parameters of the CRF", parameters)
    for name in ("appearance_position", "appearance_color", "smoothness_position"):
        if not getattr(parameters, name) > 0:
            raise InputError(f"{name} is {getattr(parameters, name)}, expected more than 0")
