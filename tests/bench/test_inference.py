"""Speed beside that of a matrix product."""

import resource
import sys

import mxnet as mx
import pytest

from rnw.bench import inference as speed
from rnw.errors import InputError
from rnw.networks.cost import count_multiply_adds, count_parameters
from rnw.networks.layout import configure

pytestmark = pytest.mark.slow

NETWORK, WIDTH = "28-1-1-1-1-1-1-1", 0.25
REFERENCE = 1024


@pytest.fixture(scope="module")
def measured():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "REFERENCE_SIZE", REFERENCE)
        return speed.bench_inference(NETWORK, 2, 32, mx.cpu(), repetitions=3, width=WIDTH)


def test_describes_what_was_measured(measured):
    assert measured[:3] == (NETWORK, 2, 32)


def test_rate_is_speed_times_work(measured):
    work = count_multiply_adds(configure(NETWORK, width=WIDTH), 32)
    assert measured.gflops == pytest.approx(2e-9 * work * measured.images_per_second, rel=1e-9)


def test_ratio_is_near_that_of_the_medians(measured):
    ratio = measured.gflops / measured.reference_gflops
    assert ratio / 5 < measured.ratio < ratio * 5


def test_a_process_of_its_own_gives_the_gain(measured):
    assert 0.01 < measured.thread_gain < 100


def test_gain_of_the_optimized_copy(measured):
    assert 0.05 < measured.optimized_gain < 20


def test_peak_memory_is_that_of_the_process_in_megabytes(measured):
    unit = 1 if sys.platform == "darwin" else 1024
    now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    weights = 4e-6 * count_parameters(configure(NETWORK, width=WIDTH))
    assert weights < measured.peak_memory_mb <= now


def test_reference_is_of_the_order_of_the_same_product_timed_here(measured):
    matrix = mx.nd.ones((REFERENCE, REFERENCE))
    seconds = sorted(speed._seconds(lambda: mx.nd.dot(matrix, matrix)) for _ in range(5))[2]
    ratio = measured.reference_gflops / (2e-9 * REFERENCE**3 / seconds)
    assert 1 / 30 < ratio < 30


@pytest.mark.parametrize(
    ("batch", "size", "repetitions"), [(0, 28, 1), (-1, 28, 1), (1, 0, 1), (1, 28, 0)]
)
def test_refuses_less_than_one(batch, size, repetitions):
    with pytest.raises(InputError, match=r"(batch|size|repetitions) is (0|-1), expected"):
        speed.bench_inference(NETWORK, batch, size, mx.cpu(), repetitions=repetitions)


def test_refuses_an_unknown_network():
    with pytest.raises(InputError, match="unknown network 'model_z'"):
        speed.bench_inference("model_z", 1, 28, mx.cpu())
