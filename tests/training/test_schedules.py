"""Learning rates against the original's and by hand."""

import numpy as np
import pytest

from rnw.errors import InputError
from rnw.training.schedules import SCHEDULES, Cosine, Fixed, Linear, Step, WarmUp, make_schedule
from tests.golden_cases import golden_arrays

LINEAR = [  # rows of the reference: base rate, updates, floor, offset
    (base, *row) for row in ((11, 1e-6, 0), (100, 1e-6, 40), (20, 0.0, 0)) for base in (0.1, 0.0016)
]


def test_linear_is_the_originals():
    expected = golden_arrays("optimizer")["linear_schedule"]
    found = [[Linear(*row)(update) for update in range(70)] for row in LINEAR]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_step_falls_after_each_step():
    schedule = Step(1.0, (2, 5), 0.1)
    rates = [schedule(update) for update in (0, 2, 3, 5, 6, 100)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("fixed", Fixed(0.1)),
        ("linear", Linear(0.1, 11, 1e-6)),
        ("cosine", Cosine(0.1, 11, 1e-6)),
        ("step", Step(0.1, (4, 8))),
    ],
)
def test_by_name(kind, expected):
    assert make_schedule(kind, 0.1, 10, floor=1e-6, steps=(4, 8)) == expected


def test_refuses_unknown_kind():
    with pytest.raises(InputError, match=r"unknown schedule 'cosines': .* did you mean 'cosine'"):
        make_schedule("cosines", 0.1, 10)


def test_cosine_falls_by_half_a_period():
    schedule = Cosine(1.0, 4, 0.1)
    found = [schedule(update) for update in range(6)]
    half, quarter = 0.45, 0.45 * 2**-0.5
    assert found == pytest.approx([1, 0.55 + quarter, 0.1 + half, 0.55 - quarter, 0.1, 0.1])


def test_warm_up_rises_to_the_base_rate_and_goes_on_from_there():
    schedule = make_schedule("linear", 1.0, 9, warmup=4)
    assert schedule == WarmUp(1.0, 4, Linear(1.0, 6))
    found = [schedule(update) for update in range(10)]
    assert found == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])


def test_steps_count_the_updates_of_warm_up():
    schedule = make_schedule("step", 1.0, 9, steps=(5, 7), warmup=4)
    assert [schedule(update) for update in range(4, 9)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])


@pytest.mark.parametrize("kind", SCHEDULES)
def test_no_update_is_at_no_rate(kind):
    schedule = make_schedule(kind, 1.0, 10, steps=(4,), warmup=3)
    assert all(0 < schedule(update) <= 1 for update in range(11))
