"""What is measured of the CRF."""

from importlib.util import find_spec

import pytest

from rnw.bench.crf import SETTINGS, bench_crf
from rnw.errors import InputError


def test_measures_every_way_that_is_installed():
    rows = bench_crf(51, 3, repetitions=1)
    assert [row.setting for row in rows] == list(SETTINGS)
    for row in rows:
        assert row.sparse > 0
        assert (row.compiled is not None) == bool(find_spec("numba"))
        peer = bool(find_spec("pydensecrf"))
        assert [row.pydensecrf is not None, row.ratio is not None] == [peer, peer]
        assert not peer or row.other_labels < 0.02


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((50, 3, 1), "size is 50, expected at least 51"),
        ((51, 0, 1), "classes is 0, expected at least 1"),
        ((51, 3, 0), "repetitions is 0, expected at least 1"),
    ],
)
def test_refuses_numbers_that_are_too_small(numbers, message):
    size, classes, repetitions = numbers
    with pytest.raises(InputError, match=message):
        bench_crf(size, classes, repetitions=repetitions)
