"""The trainer against the original's runs, step by step."""

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.networks.classifier import get_network
from rnw.training.optimizers import make_optimizer
from rnw.training.schedules import make_schedule
from rnw.training.trainer import Trainer, check_devices, trained_parameters
from tests.golden_cases import each_json_case, golden_arrays
from tests.training.golden_runs import PARAMETER, Run, assert_original, run_case


@pytest.mark.slow
@pytest.mark.parametrize("recompute", [False, True])
@each_json_case("train_cases")
def test_run_is_the_originals(case, recompute, reference_process):
    expected = golden_arrays(f"train_{case['case']}")
    run = reference_process.submit(run_case, case, recompute=recompute).result()
    first = expected["probabilities_step0"]
    np.testing.assert_allclose(run.first.reshape(first.shape), first, rtol=0, atol=1e-5)
    values, *others = run.values
    assert_original(case, run.losses, values)
    for other in others:
        for name, value in other.items():
            np.testing.assert_array_equal(value, values[name], err_msg=name)
    if "conv1a_weight_per_step" in expected:
        steps = expected["conv1a_weight_per_step"]
        close = {"rtol": 0, "atol": PARAMETER * np.abs(steps).max()}
        np.testing.assert_allclose(run.stem, steps, **close)


@pytest.mark.slow
@each_json_case("train_cases")
def test_another_kvstore_gives_the_same(case, reference_process):
    other = {"local": "device", "device": "local"}[case["kvstore"]]
    run = reference_process.submit(run_case, case, kvstore=other).result()
    assert_original(case, run.losses, run.values[0], reference_process, kvstore=other)


@each_json_case("train_cases")
def test_the_number_of_devices_matters_by_batch_statistics_alone(case):
    expected = golden_arrays(f"train_{case['case']}")["probabilities_step0"]
    other = 1 if case["devices"] > 1 else 2
    first = Run(case, devices=other, steps=1).first.reshape(expected.shape)
    frozen = case["task"] == "segmentation"
    difference = np.abs(first - expected).max()
    assert difference < 1e-5 if frozen else difference > 1e-3


def test_statistics_differ_until_they_are_averaged(fill):
    contexts = [mx.cpu(0), mx.cpu(1)]
    net = fill(get_network("model_a1", 3, width=1 / 32, head="softmax"), contexts)
    optimizer = make_optimizer(
        "sgd",
        trained_parameters(net),
        schedule=make_schedule("fixed", 0.01, 1),
        momentum=0.9,
        weight_decay=0.0,
        rescale=0.25,
    )
    trainer = Trainer(net, contexts, optimizer)
    trainer.step(np.random.RandomState(0).standard_normal((4, 3, 32, 32)), np.array([0, 1, 2, 0]))
    mx.nd.waitall()
    before = [copy.asnumpy() for copy in net.collect_params()["bn7_moving_mean"].list_data()]
    trainer.average_statistics()
    after = [copy.asnumpy() for copy in net.collect_params()["bn7_moving_mean"].list_data()]
    assert np.abs(before[0] - before[1]).max() > 0
    np.testing.assert_allclose(after[0], (before[0] + before[1]) / 2, rtol=1e-6)
    np.testing.assert_array_equal(after[0], after[1])


def test_refuses_unknown_kvstore(fill):
    net = fill(get_network("28-1-1-1-1-1-1-1", 3, width=1 / 64, head="softmax"))
    with pytest.raises(InputError, match="unknown kvstore 'dist': expected one of local, device"):
        Trainer(net, [mx.cpu()], mx.optimizer.SGD(), "dist")


def test_batch_must_divide():
    check_devices(12, 4)
    with pytest.raises(InputError, match="a batch of 10 cannot be cut into 4 equal parts"):
        check_devices(10, 4)
