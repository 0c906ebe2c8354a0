"""Scaling of the loss: on CPUs, in float32, where a factor of two to some power changes nothing."""

import mxnet as mx
import numpy as np
import pytest

from rnw.data.loader import Loading
from rnw.errors import InputError
from rnw.networks.classifier import get_network
from rnw.networks.layout import configure
from rnw.training import building, loss_scale
from rnw.training.initializers import initialize
from rnw.training.loss_scale import Progress, ScaledLoss, are_finite
from rnw.training.losses import WeightedLoss
from rnw.training.optimizers import make_optimizer
from rnw.training.options import Options
from rnw.training.recipes import find_recipe
from rnw.training.recompute import HeadLoss
from rnw.training.run import train
from rnw.training.schedules import make_schedule
from rnw.training.signals import RunStoppedError
from rnw.training.trainer import Trainer, trained_parameters
from tests.training.observers import stop_after

CLASSES = 4
TOO_LARGE = 2.0**127  # the largest power in float32


def _trainer(network, loss, recompute=False):
    """A trainer on two devices with a schedule that falls with each step."""
    contexts = [mx.cpu(0), mx.cpu(1)]
    net = get_network(network, CLASSES, width=1 / 32, head="logits")
    initialize(net, contexts, np.random.RandomState(0))
    optimizer = make_optimizer(
        "torch_nesterov",
        trained_parameters(net),
        schedule=make_schedule("linear", 0.1, 8),
        momentum=0.9,
        weight_decay=1e-4,
        rescale=1 / 4,
    )
    return Trainer(net, contexts, optimizer, recompute=recompute, loss=loss)


def _values(trainer):
    mx.nd.waitall()
    return [p.list_data()[1].asnumpy() for p in trainer.net.collect_params().values()]


def _step(trainer):
    random = np.random.RandomState(1)
    shape = (4, 6, 6) if trainer.net.config.segmentation else (4,)
    labels = random.randint(0, CLASSES, shape)
    trainer.step(random.standard_normal((4, 3, 48, 48)), labels)
    return _values(trainer)


@pytest.mark.parametrize(
    ("network", "loss", "recompute"),
    [
        ("28-0-1-1-1-1-1-1", HeadLoss(configure("model_a", head="softmax")), False),
        ("fcn_56-0-1-1-1-1-1-1", HeadLoss(configure("fcn_a", head="ohem")), True),
        ("28-0-1-1-1-1-1-1", WeightedLoss((1, 2, 3, 4), 0.1), True),
    ],
)
def test_a_factor_changes_no_step(network, loss, recompute):
    plain, scaled = (_trainer(network, one, recompute) for one in (loss, ScaledLoss(loss)))
    for _ in range(2):
        for expected, found in zip(_step(plain), _step(scaled)):
            np.testing.assert_array_equal(found, expected)
    assert scaled.loss.progress == (2.0**16, 2)


def test_a_step_that_overflows_changes_nothing_but_the_factor_and_the_rate():
    loss = WeightedLoss((1e3,) * CLASSES, 0.0)
    plain, scaled = (_trainer("28-0-1-1-1-1-1-1", one) for one in (loss, ScaledLoss(loss)))
    scaled.loss.progress = Progress(TOO_LARGE, 7)
    trained = [p.grad_req != "null" for p in scaled.net.collect_params().values()]
    before = _values(scaled)
    for changed, is_trained in zip(map(np.array_equal, before, _step(scaled)), trained):
        assert changed == is_trained  # moving averages have seen the pictures
    assert scaled.loss.progress == (TOO_LARGE / 2, 0)
    scaled.loss.progress = Progress(1.0)
    plain.updater.optimizer._update_count(list(range(sum(trained))))
    _step(plain)
    for one, other, is_trained in zip(_values(plain), _step(scaled), trained):
        if is_trained:
            np.testing.assert_array_equal(other, one)


def test_the_factor_follows_the_gradients(monkeypatch):
    monkeypatch.setattr(loss_scale, "STEPS", 3)
    loss, factors = ScaledLoss(None), []
    for finite in (False, True, True, False, True, True, True, True):
        loss.follow(finite)
        factors.append(loss.progress)
    first = 2.0**16
    assert factors == [
        (first / 2, 0),
        (first / 2, 1),
        (first / 2, 2),
        (first / 4, 0),
        (first / 4, 1),
        (first / 4, 2),
        (first / 2, 0),
        (first / 2, 1),
    ]


def test_gradients_that_always_overflow_end_the_run():
    loss = ScaledLoss(None)
    loss.progress = Progress(loss_scale.LEAST)
    with pytest.raises(InputError, match=r"multiplied by 0\.000976562: a lower rate may help"):
        loss.follow(False)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_what_is_finite(value):
    devices = [mx.cpu(0), mx.cpu(1)]
    arrays = [mx.nd.ones(3, ctx=devices[place % 2]) for place in range(420)]
    assert are_finite(arrays)
    for place in (0, 419):
        arrays[place][2] = value
        assert not are_finite(arrays)
        arrays[place][2] = 1


@pytest.mark.slow
def test_a_run_is_resumed_with_its_factor(tmp_path, monkeypatch):
    monkeypatch.setattr(building, "SCALED", ("float32",))
    monkeypatch.setattr(loss_scale, "STEPS", 3)
    monkeypatch.setattr(loss_scale, "FIRST", TOO_LARGE)
    recipe = find_recipe("digits", ["epochs=2", "width=0.03125", "batch=480"])
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    options = Options(loading=Loading(workers=0))
    last = train(recipe, [mx.cpu()], whole, options=options)
    with pytest.raises(RunStoppedError):
        train(recipe, [mx.cpu()], stopped, observer=stop_after(3), options=options)
    again = train(recipe, [mx.cpu()], stopped, resume=True, options=options)
    assert again.read_bytes() == last.read_bytes()
    name = f"{recipe.label}.state"
    assert (stopped / name).read_bytes() == (whole / name).read_bytes()
    assert "a gradient overflowed" in (whole / f"{recipe.label}.log").read_text()
