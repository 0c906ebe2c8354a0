"""Where the layers are cut: the best of all cuts, and by hand."""

import math
from itertools import combinations

import pytest

from rnw.networks.cost import count_multiply_adds
from rnw.networks.layout import configure
from rnw.networks.liveness import liveness
from rnw.training.recipes import RECIPES
from rnw.training.recompute_plan import frontier, plan_step


def _peak(rows, starts):
    """The most values while layers are differentiated one by one, what each kept being freed.

    There are the inputs of all segments so far, what the segment has kept up to the layer, and its
    gradients; at first that of the output and, later, all of them, without the output if nothing
    reads that.
    """
    inputs, peak = 0, 0
    for start, end in zip(starts, (*starts[1:], len(rows))):
        inputs += rows[start].input
        for place in range(start, end):
            held = inputs + sum(row.kept for row in rows[start : place + 1])
            row = rows[place]
            peak = max(peak, held + row.backward - row.replaced, held + row.replaced)
    return peak


def _whole(rows):
    """The values where all that is kept is there to the end, beside the most gradients."""
    kept = rows[0].input + sum(row.kept for row in rows)
    return kept + max(row.backward for row in rows)


@pytest.mark.parametrize(
    ("network", "size"),
    [("28-1-1-1-1-1-1-1", 28), ("224-0-1-1-1-1-1-1", 224), ("224-0-1-1-1-1-1-1", 504)],
)
def test_no_other_cuts_are_better(network, size):
    config = configure(network)
    rows = liveness(config, size)
    places = range(1, len(rows))
    every = [(0, *cuts) for number in range(len(rows)) for cuts in combinations(places, number)]
    least = {}
    for starts in every:
        least[starts[-1]] = min(_peak(rows, starts), least.get(starts[-1], math.inf))
    keeping, *found = frontier(config, size)
    assert keeping == (_whole(rows), (0,), 1.0)
    assert [plan.peak for plan in found] == [_peak(rows, plan.starts) for plan in found]
    better = [n for n in least if all(least[n] < least[fewer] for fewer in range(n))]
    assert [(plan.layers_again, plan.peak) for plan in found] == [(n, least[n]) for n in better]


def test_the_time_of_plans_by_hand():
    """Of Model A1 all convolutions of a level have the same multiply-adds, but for the ends."""
    config = configure("model_a1")
    plans = {plan.layers_again: plan for plan in frontier(config, 224)}
    assert plans[0].time == 1
    stem = 3 * 64 * 9 * 224**2
    unit = (64 * 128 * 10 + 128 * 128 * 9) * 112**2
    assert plans[2].time == 1 + (stem + unit) / (3 * count_multiply_adds(config, 224))


@pytest.mark.parametrize("name", ["model_a1", "model_a2", "resnet101"])
def test_the_knee_is_where_a_percent_of_memory_is_worth_a_percent_of_time(name):
    config = configure(name)
    knee = plan_step(config, 224, True)
    for plan in frontier(config, 224):
        memory, time = plan.peak / knee.peak, plan.time / knee.time
        assert memory * time >= 1


def test_a_plan_is_gone_by_as_it_is():
    config = configure("model_a1")
    plan = frontier(config, 224)[1]
    assert plan_step(config, 224, plan) is plan


def test_cuts_of_model_a1_by_hand():
    """The peak is where stem and first unit are computed again, from the image.

    They keep the map of the stem, that of the first ReLU and three of half as many values, and
    their gradients are at most two and a half times the stem's map at one time. Of these that of
    the unit's output is in the place of the output.
    """
    plan = frontier(configure("model_a1"), 224)[-1]
    stem = 64 * 224**2
    assert plan.peak == 3 * 224**2 + (1 + 2.5 + 2.5 - 0.5) * stem


@pytest.mark.parametrize("name", RECIPES)
def test_without_recomputation_all_layers_are_one_segment(name):
    config, size = RECIPES[name].configure(), RECIPES[name].input_size
    rows = liveness(config, size)
    assert plan_step(config, size, False) == (_whole(rows), (0,), 1.0)
    assert plan_step(config, size, True).peak < 0.75 * _whole(rows)
