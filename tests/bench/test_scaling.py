"""How a training step grows around a base, and the exponents of that."""

import numpy as np
import pytest

from rnw.bench.scaling import Growth, ScalingRow, _points, bench_scaling, fit_growth
from rnw.errors import InputError

NETWORK = "28-1-1-1-1-1-1-1"


def _row(varied, seconds, added, batch=4, size=224):
    return ScalingRow(varied, batch, size, 1, 1, seconds, seconds / 8, 100 + added, added)


def test_exponents_are_those_of_the_powers():
    rows = [_row(None, 8, 64)]
    rows += [_row("batch", 2 * batch, 32 * batch**0.5, batch=batch) for batch in (2, 1)]
    rows += [_row("size", 8 * (size / 224) ** 2, 64, size=size) for size in (112, 448)]
    assert [growth.varied for growth in fit_growth(rows)] == ["batch", "size"]
    assert np.allclose([growth[1:] for growth in fit_growth(rows)], [(1, 0.5), (2, 0)])


def test_exponents_are_the_least_squares_of_points_on_no_power():
    rows = [_row(None, 8, 64), _row("batch", 8, 64, batch=8), _row("batch", 32, 64, batch=16)]
    assert fit_growth(rows) == [Growth("batch", pytest.approx(1), pytest.approx(0, abs=1e-12))]


def test_one_field_differs_from_the_base_at_a_time():
    assert list(_points([4, 2, 4, 2], [28], [1, 0.5], [1, 4])) == [
        (None, (4, 28, 1, 1)),
        ("batch", (2, 28, 1, 1)),
        ("width", (4, 28, 0.5, 1)),
        ("devices", (4, 28, 1, 4)),
    ]


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        (([4], [28], [1], [1]), "one of them two that differ"),
        (([4, 2], [28], [], [1]), "at least one number each"),
        (([4, 2], [28, 0], [1], [1]), "sizes is 0, expected at least 1"),
        (([4, 2], [28], [1], [1, 3]), "a batch of 4 cannot be cut into 3 equal parts"),
        (([4, 3], [28], [1], [2]), "a batch of 3 cannot be cut into 2 equal parts"),
        (([4, 2], [28], [1], [1, 0]), "devices is 0, expected at least 1"),
        (([4, 2], [28], [1, -1.0], [1]), "width"),
    ],
)
def test_refused(lists, message):
    with pytest.raises(InputError, match=message):
        bench_scaling(NETWORK, *lists)
