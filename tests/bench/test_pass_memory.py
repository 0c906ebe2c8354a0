"""Memory of a pass beside what its graph needs."""

import mmap

import pytest

from rnw.bench.pass_memory import measure_pass
from rnw.memory import process_peak_mb, restart_peak
from rnw.networks.layout import configure


@pytest.mark.slow
def test_a_pass_of_a_large_picture_takes_little_more_than_its_maps():
    """MXNet reserves maps for a whole graph at once, where it finds them places too few by half."""
    found = measure_pass(configure("224-0-1-1-1-1-1-1", width=1 / 4), 1, 1024, 1024)
    assert 0.9 < found.ratio < 1.9


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["mxnet", "onnxruntime"])
def test_a_segmentation_network_takes_what_its_maps_need(engine):
    if engine != "mxnet":
        pytest.importorskip(engine, reason=f"{engine} is not installed")
    found = measure_pass(configure("fcn_a1", width=1 / 2), 1, 512, 1024, engine=engine)
    assert 0.7 < found.ratio < 1.3


@pytest.mark.slow
def test_a_second_pass_of_onnxruntime_takes_no_memory_of_its_own():
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    found = measure_pass(configure("model_a1", width=1 / 4), 8, 224, 224, engine="onnxruntime")
    assert 0.9 < found.ratio < 1.2


def test_the_peak_begins_anew():
    with mmap.mmap(-1, 64_000_000) as block:  # gone at once when closed, as no array need be
        block[::1024] = bytes(62_500)
        before = process_peak_mb()
    held = restart_peak()
    assert held <= process_peak_mb() < before - 40
