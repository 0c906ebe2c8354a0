"""Momentum from files of Module and of gluon.Trainer."""

import os
import pickle
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.networks.classifier import get_network
from rnw.networks.symbols import to_symbol
from rnw.training.optimizer_states import read_states, take_momentum
from rnw.training.optimizers import make_optimizer
from rnw.training.options import Options
from rnw.training.recipes import find_recipe
from rnw.training.run import train
from rnw.training.schedules import Fixed
from rnw.training.sealed import read_sealed
from rnw.training.trainer import Trainer, trained_parameters
from tests.golden_cases import fill_network

NETWORK = "28-0-1-1-1-1-1-1"
BATCH, SIZE = 4, 28


def _network(head="softmax", classes=10):
    return fill_network(get_network(NETWORK, classes, width=1 / 32, head=head))


def _taken(path, optimizer="sgd", **network):
    """The momentum that a run gets from a file, by name."""
    net = _network(**network)
    parameters = trained_parameters(net)
    options = {"schedule": Fixed(0.1), "momentum": 0.9, "weight_decay": 0, "rescale": 1}
    trainer = Trainer(net, [mx.cpu()], make_optimizer(optimizer, parameters, **options))
    take_momentum(Path(path), net, trainer)
    states = trainer.updater.states
    return {p.name: states[key].asnumpy() for key, p in enumerate(parameters)}


def _module(devices, kvstore):
    """A Module after a step, whose states are in x-0001.states; its momentum by name."""
    symbol = to_symbol(_network())
    module = mx.mod.Module(symbol, context=[mx.cpu(k) for k in range(devices)])
    data = mx.nd.random.uniform(shape=(BATCH, 3, SIZE, SIZE))
    batches = mx.io.NDArrayIter(data, mx.nd.zeros(BATCH), BATCH)
    module.bind(batches.provide_data, batches.provide_label)
    module.init_params(mx.init.Xavier())
    options = {"learning_rate": 0.1, "momentum": 0.9}
    module.init_optimizer(kvstore=kvstore, optimizer="sgd", optimizer_params=options)
    module.forward_backward(next(batches))
    module.update()
    module.save_optimizer_states("x-0001.states")
    states = pickle.loads(Path("x-0001.states").read_bytes())  # of our own making
    if module._update_on_kvstore:
        return dict(states)
    return {name: states[devices * k] for k, name in enumerate(module._exec_group.param_names)}


@pytest.mark.parametrize(("devices", "kvstore"), [(1, None), (2, "local"), (2, None)])
def test_momentum_of_module(devices, kvstore):
    expected = {k: v.asnumpy() for k, v in _module(devices, kvstore).items()}
    found = _taken("x-0001.states")
    assert set(found) == set(expected)
    for name, momentum in found.items():
        np.testing.assert_array_equal(momentum, expected[name])
    assert np.abs(found["linear10_weight"]).max() > 0


def test_momentum_of_gluon():
    net = _network("logits")
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"momentum": 0.9}, kvstore=None)
    with mx.autograd.record():
        loss = net(mx.nd.random.uniform(shape=(BATCH, 3, SIZE, SIZE))).square().mean()
    loss.backward()
    trainer.step(BATCH)
    trainer.save_states("x.states")
    found = _taken("x.states")
    for number, parameter in enumerate(trainer._params):
        if parameter.grad_req != "null":
            expected = trainer._updaters[0].states[number].asnumpy()
            np.testing.assert_array_equal(found.pop(parameter.name), expected)
    assert not found


@pytest.mark.slow
def test_a_run_with_the_momentum_of_its_state_is_never_stopped(tmp_path):
    recipe = find_recipe("digits", ["epochs=2", "width=0.03125", "batch=512"])
    train(recipe, [mx.cpu()], tmp_path / "whole")
    first = recipe.label.params_file(1)
    train(recipe, [mx.cpu()], tmp_path / "first", options=Options(stop_epoch=1))
    arrays = read_sealed(tmp_path / "first" / f"{recipe.label}.state")
    momentum = {k[9:]: mx.nd.array(v) for k, v in arrays.items() if k.startswith("momentum:")}
    states = tmp_path / "x.states"
    states.write_bytes(pickle.dumps(momentum))
    options = Options(from_epoch=1, states=states)
    weights = tmp_path / "first" / first
    last = train(recipe, [mx.cpu()], tmp_path / "other", weights=weights, options=options)
    assert last.read_bytes() == (tmp_path / "whole" / last.name).read_bytes()


def test_states_that_python_2_and_mxnet_0_9_wrote():
    values = np.arange(10, dtype="<f4") - 4
    saved = np.array([1, 10, 1, 0, 0], "<u4").tobytes() + values.tobytes()
    text = "".join(f"\\u{byte:04x}" for byte in saved)
    Path("x.states").write_text(
        "(dp0\nI3\nccopy_reg\n_reconstructor\np1\n(cmxnet.ndarray\nNDArray\np2\n"
        "c__builtin__\nobject\np3\nNtp4\nRp5\n(dp6\nS'handle'\np7\nc__builtin__\nbytearray\np8\n"
        f"(V{text}\np9\nS'latin-1'\np10\ntp11\nRp12\nsbs."
    )
    found = read_states(Path("x.states"))
    ((array,),) = found.kept.values()
    assert (list(found.kept), found.of_trainer) == ([3], False)
    np.testing.assert_array_equal(array.array().asnumpy(), values)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3])
def test_every_protocol_of_pickles_is_read(protocol):
    states = {"a": mx.nd.arange(7), "b": (mx.nd.ones(2), mx.nd.zeros(2)), "c": None}
    Path("x.states").write_bytes(pickle.dumps(states, protocol))
    found = read_states(Path("x.states")).kept
    assert {name: len(arrays) for name, arrays in found.items()} == {"a": 1, "b": 2, "c": 0}
    np.testing.assert_array_equal(found["a"][0].array().asnumpy(), np.arange(7))


class _Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.parametrize(
    ("content", "wording"),
    [
        ({"linear10_bias": mx.nd.zeros(10)}, "x.states: has no state of conv1a_weight"),
        ({0: mx.nd.zeros(10)}, r"has the states of 1 parameters, the network has \d+"),
        ({"conv1a_weight": None}, "has 0 arrays for conv1a_weight, the optimizer of the recipe ke"),
        ({"conv1a_weight": mx.nd.zeros(3)}, r"has \(3,\) for conv1a_weight, expected \(2, 3, 3, 3"),
        ({"conv1a_weight": "x"}, "cannot be read as states of Module or gluon.Trainer"),
        ([1], "cannot be read as states"),
        (({"conv1a_weight": _Harmful()}, _Harmful()), "cannot be read as states"),
    ],
)
def test_refuses_states_of_others(content, wording):
    Path("x.states").write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=wording):
        _taken("x.states")
    assert not Path("harm").exists()


def test_damaged_files_are_refused_and_nothing_of_a_pickle_is_run():
    Path("x.states").write_bytes(b"\x80\x04 nothing")
    with pytest.raises(InputError, match=r"^x\.states: cannot be read as states of Module"):
        read_states(Path("x.states"))
    Path("x.states").write_bytes(pickle.dumps(({}, _Harmful())))
    assert read_states(Path("x.states")).of_trainer
    assert not Path("harm").exists()
