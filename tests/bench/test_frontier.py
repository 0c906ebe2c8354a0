"""Memory against time of plans of recomputation."""

import pytest

from rnw.bench.frontier import _plan_for, _spread, bench_frontier
from rnw.bench.train import RECOMPUTING
from rnw.networks.layout import configure
from rnw.training.recompute_plan import Plan, frontier, plan_step

NETWORK = "28-1-1-1-1-1-1-1"


def test_plans_are_spread_evenly_in_memory():
    plans = [Plan(peak, (0, 100 - peak)) for peak in (90, 88, 70, 52, 50, 31, 30)]
    assert [plan.peak for plan in _spread(plans, 4)] == [90, 70, 50, 30]
    assert [plan.peak for plan in _spread(plans, 1)] == [90]
    assert _spread(plans, 7) == plans


@pytest.mark.parametrize(("share", "peak"), [(0.9, 80), (0.8, 70), (0.5, 45), (0.4, 45)])
def test_the_plan_for_a_share_has_a_tenth_to_spare(share, peak):
    plans = [Plan(values, (0, 100 - values)) for values in (100, 80, 70, 50, 45)]
    assert _plan_for(share, plans).peak == peak


@pytest.mark.slow
def test_rows_are_the_plans_beside_the_step_that_keeps_all():
    rows = bench_frontier(NETWORK, 2, 28, plans=1, repetitions=1, width=1 / 16)
    config = configure(NETWORK, width=1 / 16)
    keeping, *plans = frontier(config, 28)
    expected = sorted({plans[0].layers_again, plan_step(config, 28, True).layers_again})
    own = [row for row in rows if row.variant == RECOMPUTING]
    assert [row.layers_again for row in own] == expected
    assert [row.chosen for row in own] == [
        row.layers_again == plan_step(config, 28, True).layers_again for row in own
    ]
    by_layers = {plan.layers_again: plan for plan in plans}
    for row in own:
        plan = by_layers[row.layers_again]
        assert (row.planned_memory, row.planned_time) == (plan.peak / keeping.peak, plan.time)
        assert min(row.time, row.memory, row.activations_mb, row.seconds_per_step) > 0
