"""Speed of reading pictures beside other libraries, and with more processes."""

from importlib.util import find_spec

import pytest

from rnw.bench import data
from rnw.bench.reading import OURS, bench_reading, cores_to_feed
from rnw.errors import InputError
from rnw.runtime import cpu_cores


@pytest.mark.slow
def test_every_number_of_processes_is_measured(monkeypatch):
    monkeypatch.setattr(data, "LOADED", 2)
    found = bench_reading(2, 32, gpu_rate=1000, repetitions=1)
    assert (OURS in found.core, len(found.core) > 1) == (True, bool(find_spec("torchvision")))
    assert (found.ratio is None) == (len(found.core) == 1)
    most = cpu_cores()
    assert [min(found.processes), max(found.processes)] == [1, most]
    assert (found.scaling is None) == (most == 1)
    assert found.cores == cores_to_feed(4000, found.processes[most] / most)


@pytest.mark.parametrize(("rate", "cores"), [(1000, 3), (800, 2), (1, 1)])
def test_the_last_core_may_be_half_idle(rate, cores):
    assert cores_to_feed(rate, 400) == cores


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"images": 0}, "images is 0, expected at least 1"),
        ({"gpus": 0}, "gpus is 0, expected at least 1"),
        ({"gpu_rate": 0.0}, "the rate of a GPU is 0.0, expected more than 0"),
    ],
)
def test_refuses_numbers_that_are_too_small(wrong, message):
    with pytest.raises(InputError, match=message):
        bench_reading(**wrong)
