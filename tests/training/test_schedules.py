"""Learning rates against the original's and by hand."""

import numpy as np
import pytest

from rnw.errors import InputError
from rnw.training.schedules import Fixed, Linear, Step, make_schedule
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
        ("step", Step(0.1, (4, 8))),
    ],
)
def test_by_name(kind, expected):
    assert make_schedule(kind, 0.1, 10, floor=1e-6, steps=(4, 8)) == expected


def test_refuses_unknown_kind():
    with pytest.raises(InputError, match="unknown schedule 'cosine'"):
        make_schedule("cosine", 0.1, 10)
