"""Memory against time of a training step: plans of recomputation, beside PyTorch's checkpoints.

Each is measured in turn with a step that keeps all, in a process of its own, so that the load of
the machine is the same for both, and two processes at most are there at one time.
"""

import importlib.util
import statistics
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from rnw.bench.train import (
    OURS,
    RECOMPUTING,
    TORCH,
    TORCH_CHECKPOINTED,
    StepProcess,
    Variant,
    step_processes,
)
from rnw.bench.worker import check_counts, median_ratio
from rnw.networks.layout import NetworkConfig, configure
from rnw.training.recompute_plan import Plan, frontier, plan_step

SPARE = 0.1  # of a share, for what the process takes beyond the plan


class FrontierRow(NamedTuple):
    """A way to take a training step; times and activations are those of the step that keeps all.

    layers_again: how many layers, from the image on, are computed again. chosen: whether
    `--recompute` alone does so. planned_memory, planned_time: by the liveness of the graph and by
    multiply-adds; None for PyTorch. memory, time: as measured. activations_mb: the peak of the
    process without what it held before and without parameters, gradients, momentum and KVStore.
    """

    variant: str
    layers_again: int
    chosen: bool
    planned_memory: Optional[float]
    planned_time: Optional[float]
    memory: float
    time: float
    activations_mb: float
    seconds_per_step: float


def bench_frontier(
    network: str,
    batch: int,
    size: int,
    *,
    gpus: Optional[str] = None,
    cpus: Optional[int] = None,
    plans: int = 4,
    repetitions: int = 3,
    **options: Any,
) -> List[FrontierRow]:
    """Measure plans of recomputation of `network` on (batch, 3, size, size) float32.

    plans: how many, evenly spread over the frontier from the first that computes anything again to
        the least memory; the one that `--recompute` alone takes is among them. On one CPU device
        and where PyTorch is installed, its step is measured as well, without and with checkpoints.
    options: those of the network, as `rnw.get_network` takes them.

    Raises InputError as `rnw.bench.train.bench_training`.
    """
    check_counts(batch=batch, size=size, repetitions=repetitions)
    config = configure(network, head="softmax", **options)
    keeping, *all_plans = frontier(config, size)
    chosen = plan_step(config, size, True)
    spread = _spread(all_plans, plans)
    picked = sorted({*spread, chosen}, key=lambda plan: plan.layers_again)
    variants = [Variant(RECOMPUTING, gpus, cpus, plan) for plan in picked]
    if gpus is None and cpus in (None, 1) and importlib.util.find_spec("torch"):
        variants += [Variant(TORCH, None, None), Variant(TORCH_CHECKPOINTED, None, None)]
    rows = []
    with StepProcess(config, batch, size, Variant(OURS, gpus, cpus)) as base:
        for variant in variants:
            with StepProcess(config, batch, size, variant) as other:
                turns = [(base.step(), other.step()) for _ in range(repetitions)]
                rows.append(_row(base, other, turns, keeping, chosen))
    return rows


class RecomputedShare(NamedTuple):
    """A step that computes the first `layers_again` layers again, beside one that keeps all.

    memory: of activations, what the peak grows by from half a batch to a whole one, so that what
    does not depend on the batch is left out. time: of a step, the median over the turns.
    """

    layers_again: int
    memory: float
    time: float


def bench_share(
    network: str, batch: int, size: int, share: float, *, repetitions: int = 3, **options: Any
) -> RecomputedShare:
    """Measure the plan that computes the fewest layers again for a share of the activations.

    It is chosen by the liveness of the graph, with a tenth of the share to spare; the smallest plan
    where there is none. Steps are on (batch, 3, size, size) float32 on one CPU device.

    Raises InputError as `rnw.bench.train.bench_training`.
    """
    check_counts(half_of_batch=batch // 2, size=size, repetitions=repetitions)
    config = configure(network, head="softmax", **options)
    plan = _plan_for(share, frontier(config, size))
    variants = (Variant(OURS, None, None), Variant(RECOMPUTING, None, None, plan))
    turns, whole = _in_turn(config, batch, size, variants, repetitions)
    _, half = _in_turn(config, batch // 2, size, variants, 1)
    kept, again = (more - less for more, less in zip(whole, half))
    own, others = zip(*turns)
    return RecomputedShare(plan.layers_again, again / kept, median_ratio(others, own))


def _plan_for(share: float, plans: Sequence[Plan]) -> Plan:
    most = (1 - SPARE) * share * plans[0].peak
    return next((plan for plan in plans if plan.peak <= most), plans[-1])


def _in_turn(
    config: NetworkConfig, batch: int, size: int, variants: Sequence[Variant], repetitions: int
) -> Tuple[List[List[float]], List[float]]:
    """Return the seconds of steps, a list for each turn, and the activations of each variant."""
    with step_processes(config, batch, size, variants) as processes:
        turns = [[process.step() for process in processes] for _ in range(repetitions)]
        return turns, [process.memory()[2]["activations"] for process in processes]


def _spread(plans: List[Plan], number: int) -> List[Plan]:
    """Return so many plans, from the first to the last, as evenly spaced in memory as there are."""
    if len(plans) <= number:
        return plans
    first, last = plans[0].peak, plans[-1].peak
    wanted = [first + (last - first) * k / max(1, number - 1) for k in range(number)]
    return [min(plans, key=lambda plan: abs(plan.peak - peak)) for peak in wanted]


def _row(
    base: StepProcess,
    other: StepProcess,
    turns: List[Tuple[float, float]],
    keeping: Plan,
    chosen: Plan,
) -> FrontierRow:
    plan = other.variant.recompute
    found = plan if isinstance(plan, Plan) else None
    whole_steps, steps = zip(*turns)
    activations, whole = (process.memory()[2]["activations"] for process in (other, base))
    return FrontierRow(
        other.variant.name,
        found.layers_again if found else 0,
        found == chosen,
        found.peak / keeping.peak if found else None,
        found.time if found else None,
        activations / whole,
        median_ratio(steps, whole_steps),
        activations,
        statistics.median(steps),
    )
