"""Gradients along single paths through a residual network (Figure 4, appendix A.2).

A path passes the mapping of some residual units and the shortcut of the others; its length is the
number of mappings. What is measured is the gradient that arrives at the input along it.
"""

import math
from itertools import combinations
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import mxnet as mx
import numpy as np
from mxnet import autograd
from mxnet.ndarray import NDArray

from rnw.analysis.chains import Link, Unit
from rnw.arrays import check_finite

GRADIENT_SHARE = 0.9  # that the paths up to the effective depth carry


class _TracedLink(NamedTuple):
    """A link with the arrays of a forward pass from input `x`.

    For a residual unit, `shortcut` and `top` (its mapping) are computed from `x`, and `output` from
    `total`, their sum. For other links, `shortcut` alone is computed and the rest is None.
    """

    x: NDArray
    shortcut: NDArray
    top: Optional[NDArray] = None
    total: Optional[NDArray] = None
    output: Optional[NDArray] = None

    def at_sum(self, gradient: NDArray) -> NDArray:
        """Return the gradient of the unit's sum, given that of its output."""
        return gradient if self.output is None else _pass_back(self.output, self.total, gradient)

    def by_shortcut(self, gradient: NDArray) -> NDArray:
        """Return the gradient of `x` through the shortcut, given that of the sum."""
        return _pass_back(self.shortcut, self.x, gradient)

    def by_mapping(self, gradient: NDArray) -> NDArray:
        """Return the gradient of `x` through the mapping, given that of the sum."""
        return _pass_back(self.top, self.x, gradient)


def _pass_back(output: NDArray, x: NDArray, gradient: NDArray) -> NDArray:
    """Return the product of a gradient of `output` and the Jacobian of `output` by `x`."""
    if output is x:
        return gradient
    return autograd.grad([output], [x], [gradient], retain_graph=True, train_mode=False)[0]


def _marked(x: NDArray) -> NDArray:
    x = x.detach()
    x.attach_grad()
    return x


class Trace:
    """One forward pass of a batch, from which gradients can be passed back along any paths.

    The network is used as in tests: normalizations use their moving averages and nothing is
    dropped, so that the examples of a batch do not act on each other.

    chain: see `chain_of`; images: (N, 3, H, W); labels: (N,) classes, or (N, H/s, W/s) of the cells
    of a segmentation network. The loss is the cross-entropy, summed over the examples and cells.

    While a trace is in use, other gradients of the same network must be computed with
    `retain_graph=True`; otherwise MXNet frees what their graphs share.
    """

    def __init__(self, chain: Sequence[Link], images: NDArray, labels: NDArray):
        self._links: List[_TracedLink] = []
        x = images
        for link in chain:
            x = self._pass(link, x)
        self.scores = x.detach()
        self.units = sum(link.top is not None for link in self._links)
        classes = mx.nd.one_hot(labels, x.shape[1], dtype=x.dtype)
        classes = mx.nd.moveaxis(classes, -1, 1)
        self._gradient = mx.nd.softmax(self.scores, axis=1) - classes

    def _pass(self, link: Link, x: NDArray) -> NDArray:
        x = _marked(x)
        if not isinstance(link, Unit):
            with autograd.record(train_mode=link.as_in_training):
                self._links.append(_TracedLink(x, link.function(x)))
            return self._links[-1].shortcut
        with autograd.record(train_mode=False):
            shortcut, top = link.split(x)
            total = _marked(shortcut + top)
            output = None if link.join is None else link.join(total)
        self._links.append(_TracedLink(x, shortcut, top, total, output))
        return total if output is None else output

    def along(self, paths: np.ndarray) -> Iterator[Tuple[int, NDArray]]:
        """Yield the row of each path and the gradient of the input along it, shaped as `images`.

        paths: (P, units) bool, whether a path takes the mapping of a unit, the lowest unit first.
        The order of the results is one in which common upper parts of paths are passed only once.
        """
        waiting = [(len(self._links), self._gradient, np.arange(len(paths)))]
        below = np.cumsum([link.top is not None for link in self._links]) - 1  # unit of a link
        while waiting:
            position, gradient, rows = waiting.pop()
            if position == 0:
                yield from ((row, gradient) for row in rows)
                continue
            link = self._links[position - 1]
            if link.top is None:
                waiting.append((position - 1, link.by_shortcut(gradient), rows))
                continue
            gradient, mapped = link.at_sum(gradient), paths[rows, below[position - 1]]
            for chosen, back in (
                (rows[~mapped], link.by_shortcut),
                (rows[mapped], link.by_mapping),
            ):
                if len(chosen):
                    waiting.append((position - 1, back(gradient), chosen))

    def sums(
        self,
        longest: Optional[int] = None,
        unit: Optional[int] = None,
        on_unit: Callable[[int], None] = lambda passed: None,
    ) -> List[NDArray]:
        """Return the exact sum of gradients along all paths of length k, for k = 0 to `longest`.

        As gradients are linear, the sum of all paths of length k that end at the input of a unit is
        the sum of those of length k at its output, passed by the shortcut, and of those of length
        k - 1, passed by the mapping: about units^2 / 2 products instead of 2^units.

        unit: stop at the output of the mapping of that unit, counted from 0, rather than at the
        input; the gradient of its parameters is linear in what is found there (equation 7).
        on_unit: called with the number of units passed.
        """
        sums, number = [self._gradient], self.units
        for link in reversed(self._links):
            if link.top is None:
                sums = [link.by_shortcut(gradient) for gradient in sums]
            else:
                number -= 1
                sums = [link.at_sum(gradient) for gradient in sums]
                if number == unit:
                    return sums
                sums = _lengthened(link, sums)[: None if longest is None else longest + 1]
                mx.nd.waitall()  # or the maps of all units are held at once
                on_unit(self.units - number)
        return sums


def _lengthened(unit: _TracedLink, sums: List[NDArray]) -> List[NDArray]:
    """Return the sums by length at the input of a unit, given those at its sum."""
    short = [unit.by_shortcut(gradient) for gradient in sums]
    long = [unit.by_mapping(gradient) for gradient in sums]
    both = [first + second for first, second in zip(short[1:], long)]
    return [short[0], *both, long[-1]]


class PathLength(NamedTuple):
    """Gradients at the input along paths of one length.

    A norm is the Euclidean norm of the gradient of the whole batch, divided by the number of
    examples. paths: the number of paths of this length. samples: the number of those measured, to
    whose norms mean, median, lowest and highest belong. total: the mean times the number of paths.
    norm_of_sum: the exact norm of the sum of all of them, which is less where they cancel.
    """

    length: int
    paths: int
    samples: int
    mean: float
    median: float
    lowest: float
    highest: float
    total: float
    norm_of_sum: float


def draw_paths(units: int, length: int, samples: int, random: np.random.RandomState) -> np.ndarray:
    """Draw `samples` paths of a length, or take all if there are no more; (P, units) bool."""
    if math.comb(units, length) <= samples:
        chosen = np.array(list(combinations(range(units), length)), int)
    else:
        chosen = np.array([random.choice(units, length, replace=False) for _ in range(samples)])
    paths = np.zeros((len(chosen), units), bool)
    np.put_along_axis(paths, chosen, True, axis=1)
    return paths


def measure_paths(
    trace: Trace,
    samples: int = 16,
    seed: int = 0,
    on_step: Callable[[int, int], None] = lambda done, steps: None,
) -> List[PathLength]:
    """Measure paths of each length from 0 to the number of units, as in Figure 4.

    samples: the number of paths of each length. on_step: called with the number of steps done and
    the number of all steps, one for each unit and each path.
    """
    random = np.random.RandomState(seed)
    lengths = range(trace.units + 1)
    paths = np.concatenate([draw_paths(trace.units, k, samples, random) for k in lengths])
    steps = trace.units + len(paths)
    sums = list(map(_norm, trace.sums(on_unit=lambda passed: on_step(passed, steps))))
    norms = np.zeros(len(paths))
    for done, (row, gradient) in enumerate(trace.along(paths), trace.units + 1):
        norms[row] = _norm(gradient)
        on_step(done, steps)
    by_length = [norms[paths.sum(axis=1) == length] for length in lengths]
    return [
        PathLength(
            length,
            math.comb(trace.units, length),
            len(found),
            float(found.mean()),
            float(np.median(found)),
            float(found.min()),
            float(found.max()),
            float(found.mean() * math.comb(trace.units, length)),
            sums[length],
        )
        for length, found in enumerate(by_length)
    ]


def _norm(gradient: NDArray) -> float:
    return float(np.linalg.norm(gradient.asnumpy().astype(np.float64)) / len(gradient))


def effective_depth(masses: Sequence[float], share: float = GRADIENT_SHARE) -> int:
    """Return the smallest length such that paths up to it carry `share` of the gradient.

    masses: the `total` or the `norm_of_sum` of the paths of each length, from length 0.

    Raises InputError for NaN and infinity.
    """
    check_finite("norms of gradients", masses)
    carried = np.cumsum(masses)
    return int(np.searchsorted(carried, share * carried[-1]))
