"""The unraveled view: a residual network as an ensemble of sub-networks M_0 to M_d (section 3).

d is the number of residual units. By equations 1 to 3 the output of the units is the sum of what
the shortcuts alone carry to the top, M_0, and of what the mapping of each unit i adds, M_i.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Callable, Iterator, List, NamedTuple, Protocol, Sequence, Tuple

import numpy as np
from mxnet.ndarray import NDArray

from rnw.analysis.chains import Between, Link, Unit


class Ensemble(NamedTuple):
    """The outputs of the sub-networks for a batch, below the last normalization and classifier.

    partial: for i from 0 to d, the sum of the terms of M_0 to M_i, (N, C, H, W), which is the
    output of unit i passed to the top by the shortcuts alone. The last one is that of the network.
    scores: a function from such a sum to (N, classes).
    """

    partial: List[NDArray]
    scores: Callable[[NDArray], NDArray]

    @property
    def terms(self) -> List[NDArray]:
        """Return the term of each sub-network, M_0 first; their sum is the output of all units.

        Where no projection and no pooling lies above unit i, the term of M_i is f_i(y_{i-1}) of
        equation 3; otherwise it is the difference that this makes at the top.
        """
        return [self.partial[0]] + [
            later - earlier for earlier, later in zip(self.partial, self.partial[1:])
        ]


def unravel(chain: Sequence[Link], images: NDArray) -> Ensemble:
    """Split a network's output for a batch (N, 3, H, W) in test mode; chain: see `chain_of`."""
    top = max(place for place, link in enumerate(chain) if isinstance(link, Unit)) + 1
    partial = [images]
    for link in chain[:top]:
        if isinstance(link, Unit):
            partial = _pass_unit(link, partial)
        else:
            partial = [link.function(x) for x in partial]

    head = [link for link in chain[top:] if isinstance(link, Between)]

    def scores(x: NDArray) -> NDArray:
        for link in head:
            x = link.function(x)
        return x

    return Ensemble(partial, scores)


def _pass_unit(unit: Unit, partial: List[NDArray]) -> List[NDArray]:
    """Return the sums at the output of a unit; only the last, the network's, takes its mapping."""
    shortcut, mapping = unit.split(partial[-1])
    if shortcut is partial[-1]:
        carried = partial
    else:
        carried = [unit.split(x)[0] for x in partial[:-1]] + [shortcut]
    sums = [*carried, shortcut + mapping]
    return sums if unit.join is None else [unit.join(x) for x in sums]


@dataclass(frozen=True)
class SubNetwork:
    """Accuracy in percent of M_i (`alone`) and of the sum of M_0 to M_i (`together`).

    size: the norm of the term of M_i over the norm of the whole sum, the mean over the examples.
    """

    index: int
    alone: float
    together: float
    size: float


class LabeledBatches(Protocol):
    """Batches of images (N, 3, H, W) with their labels (N,)."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Tuple[NDArray, NDArray]]: ...


def measure_sub_networks(
    chain: Sequence[Link],
    batches: LabeledBatches,
    on_batch: Callable[[int, int], None] = lambda done, batches: None,
) -> List[SubNetwork]:
    """Measure all sub-networks on batches of images (N, 3, H, W) and labels (N,)."""
    found = []
    for done, (images, labels) in enumerate(batches, 1):
        found.append(_measure_batch(unravel(chain, images), labels.asnumpy()))
        on_batch(done, len(batches))
    rows = np.concatenate(found, axis=1).mean(axis=1)
    return [
        SubNetwork(index, float(100 * alone), float(100 * together), float(size))
        for index, (alone, together, size) in enumerate(rows)
    ]


def _measure_batch(ensemble: Ensemble, labels: np.ndarray) -> np.ndarray:
    """Return whether M_i alone and together is right, and the size of its term, (d + 1, N, 3)."""

    def right(x: NDArray) -> np.ndarray:
        return ensemble.scores(x).asnumpy().argmax(axis=1) == labels

    def norms(x: NDArray) -> np.ndarray:
        return x.reshape((len(x), -1)).norm(axis=1).asnumpy()

    whole = norms(ensemble.partial[-1])
    rows = [
        np.stack([right(term), right(partial), norms(term) / whole], axis=-1)
        for term, partial in zip(ensemble.terms, ensemble.partial)
    ]
    return np.array(rows)


def gradient_terms(units: int, unit: int, depth: int) -> Iterator[Tuple[int, ...]]:
    """Yield the terms of the gradient of a unit's parameters, given an effective depth.

    A term is the tuple of the units above, counted from 1, whose mappings it passes on its way down
    (equations 5 to 7 list them for two units). No term passes more than `depth` mappings, that of
    the unit itself included.
    """
    for length in range(min(depth, units - unit + 1)):
        yield from combinations(range(unit + 1, units + 1), length)


def trained_end_to_end(units: int, depth: int) -> float:
    """Return the fraction of the sub-networks M_1 to M_d that are trained end to end (Figure 1).

    The deepest path of M_i passes gradients through i mappings, so that M_i is trained end to end
    if i is at most the effective depth. The network is over-deepened if the fraction is below 1.
    """
    return min(depth, units) / units
