"""Training cases of the reference data, by the trainer and by MXNet's Module.

Float noise grows a hundredfold a step where a ReLU or a maximum flips. With THREADS the reference
runs made with MXNet 1.9.1 are met in every digit of their losses, so the tests have `run_case` and
`run_module` called in a process that has so many: see `reference_process`.
"""

from types import SimpleNamespace

import mxnet as mx
import numpy as np

from rnw.networks.classifier import get_network
from rnw.networks.layers import parameter_kind
from rnw.networks.symbols import to_symbol
from rnw.training.optimizers import make_optimizer
from rnw.training.schedules import make_schedule
from rnw.training.trainer import Trainer, trained_parameters
from rnw.weights import wait_for_statistics
from tests.golden_cases import (
    deterministic_weights,
    fill_network,
    golden_arrays,
    training_data,
    training_network,
)

OPTIMIZERS = {"TorchNesterov": "torch_nesterov", "sgd": "sgd"}
THREADS = "2"
LOSS, PARAMETER = 5e-4, 2e-3  # how far two builds of MXNet may be apart


class Run:
    """What came of a training case; as one of several workers, of its part of each batch.

    `steps` ends it early.
    """

    def __init__(self, case, devices=None, kvstore=None, recompute=False, steps=None):
        contexts = [mx.cpu(i) for i in range(devices or case["devices"])]
        network, options = training_network(case)
        self.net = fill_network(get_network(network, **options), contexts)
        optimizer = _optimizer(case, self.net)
        kvstore = kvstore or case["kvstore"]
        trainer = Trainer(self.net, contexts, optimizer, kvstore, recompute=recompute)
        self.losses, self.counts, self.stem = [], [], []
        self.kvstore = trainer.kvstore
        self.rank, workers = self.kvstore.rank, self.kvstore.workers
        size = case["batch"] // workers
        images, labels = training_data(case)
        for _ in range(case["epochs"]):
            for start in range(self.rank * size, len(images), case["batch"]):
                if len(self.losses) == steps:
                    return
                part = slice(start, start + size)
                outputs = trainer.step(images[part], labels[part])
                probabilities = np.concatenate([o.probabilities.asnumpy() for o in outputs])
                self._record(probabilities, labels[part])
            trainer.average_statistics()

    def _record(self, probabilities, labels):
        if not self.losses:
            self.first = probabilities
        self.counts.append(_judged(labels).sum())
        self.losses.append(_loss(probabilities, labels))
        self.stem.append(self.value("conv1a_weight"))

    def value(self, name, device=0):
        return self.net.collect_params()[name].list_data()[device].asnumpy()

    def values(self, device=0):
        return {name: self.value(name, device) for name in self.net.collect_params()}


def run_case(case, **options):
    """What came of a `Run`, with the parameters of each of its devices."""
    run = Run(case, **options)
    devices = range(options.get("devices") or case["devices"])
    values = [run.values(device) for device in devices]
    return SimpleNamespace(losses=run.losses, first=run.first, stem=run.stem, values=values)


def _optimizer(case, net):
    updates = case["epochs"] * case["batches_per_epoch"]
    schedule = make_schedule(case["lr"], case["base_lr"], updates, floor=case.get("stop_lr", 0.0))
    assert getattr(schedule, "updates", None) == case.get("lr_updates")
    return make_optimizer(
        OPTIMIZERS[case["optimizer"]],
        trained_parameters(net),
        schedule=schedule,
        momentum=case["momentum"],
        weight_decay=case["wd"],
        rescale=case["rescale_grad"],
    )


def _judged(labels):
    """Of label maps what is not ignored."""
    return (labels != 255) | (labels.ndim == 1)


def _loss(probabilities, labels):
    judged = _judged(labels)
    rows = np.moveaxis(probabilities, 1, -1)[judged]
    true = labels[judged].astype(int)
    return -np.log(rows[np.arange(len(true)), true]).mean()


def assert_original(case, losses, values, process=None, **change):
    """Check a run against the reference, as far as float noise lets it follow.

    change: how its gradients were summed otherwise than the reference's, as `run_module` takes it.
    process: the `reference_process`, where there is a change.

    Another order of a sum changes its last digit. Where a maximum is pooled, that may decide which
    pixel a gradient goes to, and runs part by more than two builds of MXNet do. How far is measured
    with MXNet's own Module, from a run of the same graph under the same change: what lies between
    it and the reference (for networks with pooling, Module's run without the change) is added to
    the tolerance. So a trainer that does what Module does passes, however large the noise is.
    """
    expected = _reference(case)
    changed = expected
    if change and "p" in case["downsampling"]:
        changed = process.submit(run_module, case, **change).result()
    for name, found in {"losses": losses, **values}.items():
        value = expected[name]
        tolerance = LOSS if name == "losses" else PARAMETER * np.abs(value).max()
        noise = np.abs(changed[name] - value).max()
        close = {"rtol": 0, "atol": tolerance + noise, "err_msg": name}
        np.testing.assert_allclose(found, value, **close)


def _reference(case):
    arrays = golden_arrays(f"train_{case['case']}")
    return {name.split(":")[-1]: array for name, array in arrays.items()}


def run_module(case, kvstore="local", workers=1):
    """Losses and final parameters, by name, of a case's graph under MXNet's `Module.fit`.

    The gradients of the devices of each of `workers` are summed before those of the workers.
    """
    name, options = training_network(case)
    net = get_network(name, **options)
    contexts = [mx.cpu(i) for i in range(case["devices"])]
    module = _Module(to_symbol(net), context=contexts, workers=workers)
    images, labels = training_data(case)
    values = {n: mx.nd.array(value) for n, value in deterministic_weights(net.config).items()}
    module.fit(
        mx.io.NDArrayIter(images, labels, case["batch"], label_name="softmax_label"),
        kvstore=kvstore,
        optimizer=_optimizer(case, net),
        arg_params={name: values[name] for name in values if parameter_kind(name) == "arg"},
        aux_params={name: values[name] for name in values if parameter_kind(name) == "aux"},
        num_epoch=case["epochs"],
    )
    batches = np.split(labels, case["batches_per_epoch"]) * case["epochs"]
    losses = np.array([_loss(*step) for step in zip(module.outputs, batches)])
    trained = {n: v.asnumpy() for part in module.get_params() for n, v in part.items()}
    return {"losses": losses, **trained}


class _Module(mx.mod.Module):
    """Keeps the probabilities of each step, and sums what the devices of a worker give apart."""

    def __init__(self, *arguments, workers, **options):
        super().__init__(*arguments, **options)
        self.outputs = []
        self._workers = workers

    def update(self):
        self.outputs.append(self.get_outputs()[0].asnumpy())
        wait_for_statistics()  # Module itself does not
        if self._workers > 1:
            for gradients in self._exec_group.grad_arrays:
                self._sum_by_worker(gradients)
        super().update()

    def _sum_by_worker(self, gradients):
        """Leave the sum on the first device and zeros, which add nothing to it, on the others."""
        size = len(gradients) // self._workers
        starts = range(0, len(gradients), size)
        total = sum(_sum(gradients[start : start + size]) for start in starts)
        for gradient in gradients:
            gradient[:] = 0
        total.copyto(gradients[0])


def _sum(gradients):
    """The sum as a KVStore of one worker makes it."""
    store = mx.kv.create("local")
    store.init(0, gradients[0])
    store.push(0, gradients)
    total = mx.nd.zeros_like(gradients[0])
    store.pull(0, total)
    total.wait_to_read()  # the store must outlive its work
    return total
