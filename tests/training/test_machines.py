"""The model of a step on several machines, beside what was measured and what the README tells."""

from math import inf
from pathlib import Path

import pytest

import rnw
from rnw.errors import InputError
from rnw.networks.cost import FLOAT_BYTES, count_multiply_adds, count_parameters
from rnw.networks.layout import configure
from rnw.training.machines import PROTOCOLS, Step, exchange_seconds

README = Path(rnw.__file__).parent / "training" / "README.md"
LIMITED = 20e6 / 8  # bytes/s of 20 Mbit/s
LOCAL = 1e9  # bytes/s between workers and server of one machine
TOLERANCE = 0.2


def test_step_of_two_workers_on_two_machines_as_measured():
    """The server is beside the first worker; a link of 20 Mbit/s each way lies between them."""
    two = {"workers": [1, 1], "servers": [1, 0], "link": LIMITED}
    assert exchange_seconds(1.25e6, **two) == pytest.approx(1.02, rel=TOLERANCE)
    step = Step(compute=0.75, exchange=exchange_seconds(3.78e6, **two), update=0)  # 0.75 is of both
    assert step.longest == pytest.approx(3.7, rel=TOLERANCE)
    assert step.shortest < 3.7 < step.longest


def test_step_of_two_workers_on_one_machine_as_measured():
    exchange = exchange_seconds(14.99e6, [2], [1], inf, local=LOCAL)
    assert exchange == pytest.approx(0.067, rel=TOLERANCE)
    step = Step(compute=0.394, exchange=exchange, update=0)  # 0.394 is of both, of two at once
    assert step.longest == pytest.approx(0.484, rel=TOLERANCE)


@pytest.mark.parametrize(
    ("workers", "servers", "sent"),
    [
        ([1, 1], [1, 0], 1),  # one worker's gradients, to the other machine
        ([1, 1, 1, 1], [1, 0, 0, 0], 3),  # to the only server, from all others
        ([1, 1, 1, 1], [0, 0, 0, 4], 3),
        ([1, 1, 1, 1], [1, 1, 1, 1], 1.5),  # three quarters of its own, a quarter of three others
        ([2, 2], [1, 1], 2),
        ([3], [1], 0),
    ],
)
def test_busiest_link(workers, servers, sent):
    """What it sends is as much as it receives, in units of one worker's gradients."""
    seconds = exchange_seconds(100, workers, servers, 50)
    assert seconds == pytest.approx(2 * PROTOCOLS * sent * 100 / 50)


def test_exchange_within_a_machine():
    assert exchange_seconds(100, [2], [1], inf, local=50) == 2 * 2 * 100 / 50
    on_two = exchange_seconds(100, [1, 1], [1, 1], inf, local=50)
    assert on_two == 2 * 50 / 50  # half of the gradients of one worker is for its own machine


def test_exchange_is_hidden_as_far_as_compute_reaches():
    assert (Step(2, 1, 0.5).shortest, Step(2, 1, 0.5).longest) == (2.5, 3.5)
    assert (Step(1, 2, 0.5).shortest, Step(1, 2, 0.5).longest) == (2.5, 3.5)


@pytest.mark.parametrize(
    ("workers", "servers", "link", "message"),
    [
        ([1], [1, 1], 1, "of each machine"),
        ([1, 1], [0, 0], 1, "at least one each"),
        ([], [], 1, "of each machine"),
        ([1, 1], [1, 0], 0, "must be above 0"),
    ],
)
def test_refused(workers, servers, link, message):
    with pytest.raises(InputError, match=message):
        exchange_seconds(1, workers, servers, link)


# What the README assumes of a machine with four GPUs that trains Model A
IMAGES, FLOPS, UPDATE = 64, 10e12, 0.1
LINKS = (1e9 / 8, 10e9 / 8, 100e9 / 8)


def _extrapolate(machines, link):
    config = configure("model_a")
    compute = IMAGES * 2 * 3 * count_multiply_adds(config, 224) / FLOPS
    places = [1] * machines
    gradients = FLOAT_BYTES * count_parameters(config)
    exchange = exchange_seconds(gradients, places, places, link, local=LOCAL)
    step = Step(compute, exchange, UPDATE)
    alone = compute + UPDATE
    shares = f"{100 * alone / step.longest:.0f} to {100 * alone / step.shortest:.0f} %"
    return f"{step.shortest:.1f} to {step.longest:.1f} s, {shares}"


@pytest.mark.parametrize("machines", [4, 16, 64])
def test_table_of_the_readme(machines):
    cells = " | ".join(_extrapolate(machines, link) for link in LINKS)
    row = f"| {machines} | {4 * machines} | {4 * IMAGES * machines:,} | {cells} |"
    assert row in README.read_text(encoding="utf-8"), row
