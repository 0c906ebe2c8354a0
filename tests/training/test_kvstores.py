"""Where the gradients of one process are summed."""

import os
import signal

import mxnet as mx
import numpy as np
import pytest

from rnw.training.kvstores import Local
from tests.training.failing_optimizer import FailingOptimizer


class _Interrupted(mx.optimizer.SGD):
    def update_multi_precision(self, *arguments):
        os.kill(os.getpid(), signal.SIGINT)
        super().update_multi_precision(*arguments)


@pytest.fixture
def weight():
    """Of value 1 and gradient 2."""
    parameter = mx.gluon.Parameter("weight", shape=(3,))
    parameter.initialize(mx.init.One())
    with mx.autograd.record():
        (2 * parameter.data()).backward()
    return parameter


def _start(weight, optimizer):
    kvstore, updater = Local("local"), mx.optimizer.get_updater(optimizer)
    kvstore.start([weight], updater)
    return kvstore, updater


def test_an_update(weight):
    kvstore, _ = _start(weight, mx.optimizer.SGD(learning_rate=0.25))
    kvstore.update(0, weight)
    np.testing.assert_array_equal(weight.data().asnumpy(), [0.5] * 3)


def test_an_exception_of_the_optimizer_is_raised(weight):
    kvstore, _ = _start(weight, FailingOptimizer())
    for _ in range(4):
        kvstore.update(0, weight)
    for _ in range(2):
        with pytest.raises(ArithmeticError, match="the optimizer fails"):
            kvstore.update(0, weight)


def test_an_exception_is_raised_once(weight):
    kvstore, updater = _start(weight, mx.optimizer.SGD(learning_rate=0.25, momentum=0.9))
    updater.states[0], updater.states_synced[0] = mx.nd.zeros(5), True
    with pytest.raises(mx.MXNetError, match=r"expected \[3\], got \[5\]"):
        kvstore.update(0, weight)
    del updater.states[0]
    kvstore.update(0, weight)
    np.testing.assert_array_equal(weight.data().asnumpy(), [0.5] * 3)


def test_ctrl_c_in_an_update_is_not_lost(weight):
    kvstore, _ = _start(weight, _Interrupted())
    with pytest.raises(KeyboardInterrupt):
        kvstore.update(0, weight)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_update_that_was_never_made_is_noticed(weight, monkeypatch):
    """As when Ctrl-C comes in what MXNet itself does before the update."""
    kvstore, _ = _start(weight, mx.optimizer.SGD(learning_rate=0.25))
    monkeypatch.setattr(mx.kvstore.kvstore, "_ndarray_cls", None)
    with pytest.raises(RuntimeError, match="was lost"):
        kvstore.update(0, weight)
