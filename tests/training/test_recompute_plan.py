"""Where the layers are cut: the best of all cuts, and by hand."""

from itertools import combinations

import pytest

from rnw.networks.layout import configure
from rnw.networks.liveness import liveness
from rnw.training.recipes import RECIPES
from rnw.training.recompute_plan import plan_step


def _peak(rows, starts):
    """Values of the inputs of all segments so far, and of one that is differentiated, at most."""
    inputs, peak = 0, 0
    for start, end in zip(starts, (*starts[1:], len(rows))):
        inputs += rows[start].input
        gradients = max(row.backward for row in rows[start:end])
        peak = max(peak, inputs + sum(row.kept for row in rows[start:end]) + gradients)
    return peak


@pytest.mark.parametrize(
    ("network", "size"),
    [("28-1-1-1-1-1-1-1", 28), ("224-0-1-1-1-1-1-1", 224), ("224-0-1-1-1-1-1-1", 504)],
)
def test_no_other_cuts_are_better(network, size):
    config = configure(network)
    rows = liveness(config, size)
    places = range(1, len(rows))
    every = [(0, *cuts) for number in range(len(rows)) for cuts in combinations(places, number)]
    found = plan_step(config, size, True)
    assert found.peak == _peak(rows, found.starts)
    least = min((_peak(rows, starts), starts[-1]) for starts in every)
    assert (found.peak, found.starts[-1]) == least


def test_cuts_of_model_a1_by_hand():
    """The peak is where stem and first unit are computed again, from the image.

    They keep the map of the stem, that of the first ReLU and three of half as many values, and
    their gradients are at most two and a half times the stem's map at one time.
    """
    plan = plan_step(configure("model_a1"), 224, True)
    stem = 64 * 224**2
    assert plan.peak == 3 * 224**2 + (1 + 2.5 + 2.5) * stem
    assert plan.starts == (0, 2, 3, 5, 8)
    assert plan.segments[1] == slice(2, 3)
    assert plan.segments[-1] == slice(8, None)


@pytest.mark.parametrize("name", RECIPES)
def test_without_recomputation_all_layers_are_one_segment(name):
    config, size = RECIPES[name].configure(), RECIPES[name].input_size
    rows = liveness(config, size)
    assert plan_step(config, size, False) == (_peak(rows, (0,)), (0,))
    assert plan_step(config, size, True).peak < 0.75 * _peak(rows, (0,))
