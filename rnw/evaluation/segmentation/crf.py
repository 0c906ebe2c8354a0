"""The fully connected CRF of Krähenbühl and Koltun (NIPS 2011), which sharpens score maps.

Each pixel draws all others to its class, the more the nearer they are in place and color, and in
place alone. As in the authors' code of 2013 a kernel k is normalized symmetrically, to
k(i, j) / sqrt(sum k(i, .) sum k(., j)), and a pixel is among its own neighbors.
"""

import functools
import importlib
from typing import Callable, NamedTuple, Tuple

import numpy as np
from scipy import sparse
from scipy.spatial.distance import cdist

from rnw.arrays import check_finite
from rnw.errors import InputError
from rnw.evaluation.segmentation.permutohedral import filter_sparse, permutohedral_lattice

EXACT_PIXELS = 2500  # 50 MB for the kernel of all pairs
NOTICED = 1e-6  # the share of the largest weight below which smoothing leaves one out
LEAST_PROBABILITY = 1e-5  # what is less counts as this, else no neighbor could raise it

Messages = Callable[[np.ndarray], np.ndarray]
Softmax = Callable[[np.ndarray, np.ndarray], np.ndarray]


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


def _softmax(scores: np.ndarray, unaries: np.ndarray) -> np.ndarray:
    scores += unaries
    scores -= scores.max(axis=-1, keepdims=True)
    exponentials = np.exp(scores, out=scores)
    exponentials /= exponentials.sum(axis=-1, keepdims=True)
    return exponentials


def refine(
    probabilities: np.ndarray, image: np.ndarray, parameters: CrfParameters = DEEPLAB
) -> np.ndarray:
    """Return probabilities (classes, H, W) float32 after mean field inference.

    probabilities: (classes, H, W) float32, of the picture `image` (H, W, 3) uint8. Up to
    `EXACT_PIXELS` the sums over all pairs are exact; beyond, the appearance kernel is approximated
    as in the authors' code, which labels 1 to 3 % of the pixels of photographs otherwise.
    numba, where it is installed, makes that two to three times as fast, up to rounding.
    Raises InputError for other shapes, for deviations of zero, below or next to it, and for NaN and
    infinity.
    """
    _check(probabilities, image, parameters)
    if image.shape[0] * image.shape[1] <= EXACT_PIXELS:
        messages = exact_messages(image, parameters)
        return mean_field(probabilities, messages, parameters.iterations)
    way = compiled_refinement if can_compile() else sparse_refinement
    return way(probabilities, image, parameters)


def compiled_refinement(
    probabilities: np.ndarray, image: np.ndarray, parameters: CrfParameters
) -> np.ndarray:
    """Do what `refine` does to large pictures by loops that numba, an extra, compiles."""
    from rnw.evaluation.segmentation.crf_loops import softmax

    messages = compiled_messages(image, parameters)
    return mean_field(probabilities, messages, parameters.iterations, softmax)


def sparse_refinement(
    probabilities: np.ndarray, image: np.ndarray, parameters: CrfParameters
) -> np.ndarray:
    """Do what `refine` does to large pictures by SciPy alone, in two to three times the time."""
    return mean_field(probabilities, sparse_messages(image, parameters), parameters.iterations)


def mean_field(
    probabilities: np.ndarray, messages: Messages, iterations: int, softmax: Softmax = _softmax
) -> np.ndarray:
    """Run Algorithm 1 of the CRF's paper on probabilities (classes, H, W); return the same shape.

    messages: from beliefs (H, W, classes) to what all pixels say for each class, same shape.
    softmax: from these messages, which it may change, and the unaries to beliefs, same shape.
    Raises InputError for NaN and infinity.
    """
    check_finite("probabilities", probabilities)
    beliefs = np.ascontiguousarray(np.moveaxis(probabilities, 0, 2), np.float32)
    unaries = np.maximum(beliefs, LEAST_PROBABILITY)
    np.log(unaries, out=unaries)
    for _ in range(iterations):
        beliefs = softmax(messages(beliefs), unaries)
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


def compiled_messages(image: np.ndarray, parameters: CrfParameters) -> Messages:
    """Return the messages for a picture (H, W, 3) uint8, by a permutohedral lattice.

    numba, which must be there, compiles its loops.
    """
    from rnw.evaluation.segmentation import crf_loops  # an extra

    lattice = crf_loops.make_lattice(_features(image, parameters))
    ones = np.ones((len(lattice.indices), 1), np.float32)
    scale = 1 / np.sqrt(crf_loops.filter_values(lattice, lattice.weights, lattice.weights, ones))
    splat = lattice.weights * scale
    slicing = parameters.appearance_weight * splat
    smoothing = _taps(image, parameters.smoothness_position)

    def messages(beliefs: np.ndarray) -> np.ndarray:
        values = beliefs.reshape(-1, beliefs.shape[2])
        total = crf_loops.filter_values(lattice, splat, slicing, values).reshape(beliefs.shape)
        crf_loops.add_smooth(parameters.smoothness_weight, *smoothing, beliefs, total)
        return total

    return messages


def sparse_messages(image: np.ndarray, parameters: CrfParameters) -> Messages:
    """Return the messages for a picture (H, W, 3) uint8, by a permutohedral lattice.

    It is made of sparse matrices, which SciPy multiplies.
    """
    slicing, blurs = permutohedral_lattice(_features(image, parameters))
    ones = np.ones((slicing.shape[0], 1), np.float32)
    scale = 1 / np.sqrt(filter_sparse(slicing.T, blurs, slicing, ones))
    splat = slicing.multiply(scale).T.tocsr()
    slicing = slicing.multiply(parameters.appearance_weight * scale).tocsr()
    rows, columns = (_banded(kernel) for kernel in _smoothness(image, parameters))
    rows *= parameters.smoothness_weight

    def messages(beliefs: np.ndarray) -> np.ndarray:
        height, _, classes = beliefs.shape
        values = beliefs.reshape(-1, classes)
        total = filter_sparse(splat, blurs, slicing, values).reshape(beliefs.shape)
        smooth = (rows @ beliefs.reshape(height, -1)).reshape(beliefs.shape)
        for line, smooth_line in zip(total, smooth):
            line += columns @ smooth_line
        return total

    return messages


@functools.lru_cache(maxsize=None)
def can_compile() -> bool:
    """Return whether numba is there, works with this NumPy, and can keep what it compiles."""
    try:
        importlib.import_module("rnw.evaluation.segmentation.crf_loops")
    except (ImportError, RuntimeError):
        return False
    return True


def _features(image: np.ndarray, parameters: CrfParameters) -> np.ndarray:
    """x, y and color (H W, 5) of each pixel in standard deviations."""
    places = np.moveaxis(np.indices(image.shape[:2])[::-1], 0, 2) / parameters.appearance_position
    features = np.concatenate([places, image / parameters.appearance_color], axis=2)
    return features.reshape(-1, 5)


def _smoothness(image: np.ndarray, parameters: CrfParameters) -> Tuple[np.ndarray, np.ndarray]:
    """Return the two factors (H, H) and (W, W) of the normalized kernel on places."""
    rows, columns = (
        _normalize(_gaussian(size, parameters.smoothness_position)) for size in image.shape[:2]
    )
    return rows, columns


def _gaussian(size: int, deviation: float) -> np.ndarray:
    """Return the kernel (size, size) on places along a line."""
    places = np.arange(size)[:, None] / deviation
    return np.exp(-cdist(places, places, "sqeuclidean") / 2)


def _banded(kernel: np.ndarray) -> sparse.csr_matrix:
    """Return the kernel (n, n) without what float32 would hardly notice."""
    return sparse.csr_matrix(np.where(kernel > NOTICED * kernel.max(), kernel, 0), dtype=np.float32)


def _taps(image: np.ndarray, deviation: float) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the kernel of `_smoothness` as weights of distances, and scales (H,) and (W,).

    All are float32; what float32 would hardly notice is left out.
    """
    rows, columns = (_gaussian(size, deviation) for size in image.shape[:2])
    weights = max(rows[0], columns[0], key=len)
    scales = (1 / np.sqrt(kernel.sum(axis=1)) for kernel in (rows, columns))
    taps, down, across = (part.astype(np.float32) for part in (weights[weights > NOTICED], *scales))
    return taps, down, across


def _normalize(kernel: np.ndarray) -> np.ndarray:
    scale = 1 / np.sqrt(kernel.sum(axis=1))
    return scale[:, None] * kernel * scale


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
