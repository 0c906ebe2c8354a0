"""Training steps of the trainer beside those of Module."""

import mxnet as mx
import numpy as np
import pytest

from rnw.bench import training_steps
from rnw.bench.examples import training_example
from rnw.bench.train import bench_training
from rnw.errors import InputError
from rnw.networks.cost import count_parameters
from rnw.networks.layout import configure

pytestmark = pytest.mark.slow

NETWORK = "28-1-1-1-1-1-1-1"
NARROW_FCN = configure("fcn_a2", 5, width=1 / 32, head="softmax", dropout=(0, 0))
WIDTH = 0.25
WEIGHTS_MB = 4e-6 * count_parameters(configure(NETWORK, width=WIDTH))


@pytest.fixture(scope="module")
def rows():
    options = {"recompute": True, "repetitions": 1, "width": WIDTH}
    result = bench_training(NETWORK, 4, 28, cpus=2, **options)
    return {row.variant: row for row in result}


def test_compares_all_ways_to_take_the_step(rows):
    devices = {variant: row.devices for variant, row in rows.items()}
    assert devices == {"rnw": 2, "recomputing": 2, "module": 2, "one device": 1}


def test_speeds_fit_the_times(rows):
    first = rows["rnw"]
    assert first.ratio == 1
    for row in rows.values():
        assert row.images_per_second == pytest.approx(4 / row.seconds_per_step)
        assert row.ratio == pytest.approx(row.seconds_per_step / first.seconds_per_step)


def test_memory_adds_up(rows):
    for variant, devices, copies in (("rnw", 2, 3), ("recomputing", 2, 3), ("one device", 1, 1)):
        parts = rows[variant].parts
        assert sum(parts.values()) == pytest.approx(rows[variant].peak_memory_mb)
        assert parts["parameters"] == parts["gradients"] == pytest.approx(devices * WEIGHTS_MB)
        assert parts["momentum"] == pytest.approx(WEIGHTS_MB)
        assert parts["kvstore"] == pytest.approx(copies * WEIGHTS_MB)
        assert parts["activations"] > 0
    before = rows["rnw"].parts["process"]
    assert rows["module"].peak_memory_mb > before + 4 * WEIGHTS_MB


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        (NETWORK, {"batch": 0}, "batch is 0, expected at least 1"),
        ("model_z", {}, "unknown network"),
        (NETWORK, {"cpus": 2, "batch": 3}, "a batch of 3 cannot be cut into 2"),
        (NETWORK, {"gpus": "0"}, "CPU build|no GPU|found 0"),
        (NETWORK, {"cpus": 0}, "--cpus 0: expected at least 1"),
        (NETWORK, {"precision": "float16"}, "float16: is for GPUs"),
    ],
)
def test_refused(network, options, message):
    with pytest.raises(InputError, match=message):
        bench_training(network, options.pop("batch", 4), 28, **options)


def test_labels_of_a_segmentation_network():
    images, labels = training_example(NARROW_FCN, 2, 100)
    assert (images.shape, labels.shape) == ((2, 3, 100, 100), (2, 13, 13))
    assert set(np.unique(labels)) == {0, 1, 2, 3, 4, 255}


@pytest.mark.parametrize("step", [training_steps.trainer_step, training_steps.module_step])
def test_a_segmentation_network_steps(step):
    step(NARROW_FCN, 2, 48, [mx.cpu(0), mx.cpu(1)])()
