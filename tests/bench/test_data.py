"""Speed of the training transform beside a plain transcription."""

import cv2
import numpy as np
import pytest

from rnw.bench import data as throughput
from rnw.bench.pictures import make_pictures
from rnw.data.augmentation import Augmentation
from rnw.errors import InputError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measured():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(throughput, "LOADED", 4)
        threads = cv2.getNumThreads()
        result = throughput.bench_data(12, 224, repetitions=3)
        assert cv2.getNumThreads() == threads
    return result


def test_describes_what_was_measured(measured):
    assert measured[:2] == (12, 224)


def test_the_reference_is_the_yardstick_bit_for_bit(measured):
    assert measured.identical


def test_the_fast_path_is_near(measured):
    assert 0.5 < measured.difference < 3


def test_ratios_are_near_those_of_the_medians(measured):
    reference = measured.reference / measured.yardstick
    fast = measured.fast / measured.yardstick
    assert reference / 5 < measured.reference_ratio < reference * 5
    assert fast / 5 < measured.fast_ratio < fast * 5


def test_both_paths_beat_the_yardstick(measured):
    assert measured.reference_ratio > 1  # 2.3 when nothing disturbs
    assert measured.fast_ratio > 1.5  # 6.4


def test_loader(measured):
    if measured.loader is not None:
        one, two, apart = measured.loader
        assert (measured.scaling, measured.kept) == (two / one, two / apart)
        assert min(measured.loader) > measured.yardstick / 10


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("size", [32, 224])
def test_plain_chain_is_the_reference_bit_for_bit(tmp_path, seed, size):
    make_pictures(tmp_path, 1)
    content = (tmp_path / "0.jpg").read_bytes()
    found, expected = np.empty((2, 3, size, size), np.float32)
    Augmentation(size, "pillow")(content, "0.jpg", np.random.RandomState(seed), found)
    throughput._plain_chain(content, size, np.random.RandomState(seed), expected)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("images", "size", "repetitions"), [(0, 8, 1), (1, 0, 1), (1, 8, 0)])
def test_refuses_less_than_one(images, size, repetitions):
    with pytest.raises(InputError, match=r"(images|size|repetitions) is 0, expected at least 1"):
        throughput.bench_data(images, size, repetitions=repetitions)
