"""Converting weights files beside copying them."""

import pytest

from rnw.bench.convert import bench_conversion
from rnw.errors import InputError

NARROW = {"classes": 7, "width": 1 / 32}


@pytest.mark.slow
@pytest.mark.parametrize("to", ["module", "gluon"])
def test_measures(to, tmp_path):
    measured = bench_conversion("a1", to, repetitions=1, folder=tmp_path, **NARROW)
    assert measured[:3] == ("a1", 7, to)
    assert 0.42 < measured.file_mb < 0.45
    assert measured.ratio == pytest.approx(measured.convert / measured.copy)
    assert 0 < measured.copy < 60
    assert 0 < measured.convert < 60
    assert 0.05 < measured.show < 60
    assert measured.peak_memory_mb > 10
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("to", "repetitions", "wording"),
    [("onyx", 1, "unknown format 'onyx'"), ("gluon", 0, "repetitions is 0, expected at least 1")],
)
def test_refuses(to, repetitions, wording, tmp_path):
    with pytest.raises(InputError, match=wording):
        bench_conversion("a1", to, repetitions=repetitions, folder=tmp_path, **NARROW)
    assert list(tmp_path.iterdir()) == []


def test_refuses_a_folder_that_is_not_there():
    with pytest.raises(InputError, match=r"^absent: cannot be written: No such file"):
        bench_conversion("a1", "gluon", folder="absent", **NARROW)
