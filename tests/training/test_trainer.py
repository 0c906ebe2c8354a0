"""The trainer against the original's runs, step by step."""

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.networks.classifier import get_network
from rnw.networks.layers import parameter_kind
from rnw.training.optimizers import make_optimizer
from rnw.training.schedules import make_schedule
from rnw.training.trainer import Trainer, check_devices, trained_parameters
from tests.golden_cases import golden_arrays, golden_json, training_data, training_network

CASES = golden_json("train_cases")
OPTIMIZERS = {"TorchNesterov": "torch_nesterov", "sgd": "sgd"}


class Run:
    """What came of a training case; as one of several workers, of its part of each batch."""

    def __init__(self, case, fill, devices=None, kvstore=None, recompute=False):
        contexts = [mx.cpu(i) for i in range(devices or case["devices"])]
        network, options = training_network(case)
        self.net = fill(get_network(network, **options), contexts)
        kvstore = kvstore or case["kvstore"]
        optimizer = self._optimizer(case)
        trainer = Trainer(self.net, contexts, optimizer, kvstore, recompute=recompute)
        self.losses, self.counts, self.stem = [], [], []
        self.rank, workers = trainer.kvstore.rank, trainer.kvstore.workers
        size = case["batch"] // workers
        images, labels = training_data(case)
        for _ in range(case["epochs"]):
            for start in range(self.rank * size, len(images), case["batch"]):
                part = slice(start, start + size)
                outputs = trainer.step(images[part], labels[part])
                probabilities = np.concatenate([o.probabilities.asnumpy() for o in outputs])
                self._record(probabilities, labels[part])
            trainer.average_statistics()

    def _optimizer(self, case):
        updates = case["epochs"] * case["batches_per_epoch"]
        schedule = make_schedule(
            case["lr"], case["base_lr"], updates, floor=case.get("stop_lr", 0.0)
        )
        assert getattr(schedule, "updates", None) == case.get("lr_updates")
        return make_optimizer(
            OPTIMIZERS[case["optimizer"]],
            trained_parameters(self.net),
            schedule=schedule,
            momentum=case["momentum"],
            weight_decay=case["wd"],
            rescale=case["rescale_grad"],
        )

    def _record(self, probabilities, labels):
        if not self.losses:
            self.first = probabilities
        rows = np.moveaxis(probabilities, 1, -1)[labels != 255]
        true = labels[labels != 255].astype(int)
        self.counts.append(len(true))
        self.losses.append(-np.log(rows[np.arange(len(true)), true]).mean())
        self.stem.append(self.value("conv1a_weight"))

    def value(self, name, device=0):
        return self.net.collect_params()[name].list_data()[device].asnumpy()


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_run_is_the_originals(case, fill, recompute):
    expected = golden_arrays(f"train_{case['case']}")
    run = Run(case, fill, recompute=recompute)
    first = expected["probabilities_step0"]
    np.testing.assert_allclose(run.first.reshape(first.shape), first, rtol=0, atol=1e-5)
    np.testing.assert_allclose(run.losses, expected["losses"], rtol=0, atol=5e-4)
    for name in run.net.collect_params():
        value = expected[f"{parameter_kind(name)}:{name}"]
        close = {"rtol": 0, "atol": 2e-3 * np.abs(value).max(), "err_msg": name}
        for device in range(case["devices"]):
            np.testing.assert_allclose(run.value(name, device), value, **close)
    if "conv1a_weight_per_step" in expected:
        steps = expected["conv1a_weight_per_step"]
        np.testing.assert_allclose(run.stem, steps, rtol=0, atol=2e-3 * np.abs(steps).max())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_device_kvstore_gives_the_same(case, fill):
    expected = golden_arrays(f"train_{case['case']}")["losses"]
    np.testing.assert_allclose(Run(case, fill, kvstore="device").losses, expected, atol=5e-4)


def _has_batch_statistics(case):
    return case["task"] == "classification"


@pytest.mark.parametrize(
    "case", filter(_has_batch_statistics, CASES), ids=lambda case: case["case"]
)
def test_one_device_is_not_four(case, fill):
    expected = golden_arrays(f"train_{case['case']}")
    run = Run(case, fill, devices=1)
    assert np.abs(run.first - expected["probabilities_step0"]).max() > 1e-2
    assert np.abs(np.array(run.losses) - expected["losses"]).max() > 5e-3


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
