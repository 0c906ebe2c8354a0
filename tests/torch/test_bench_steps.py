"""Training steps that `rnw bench train --frontier` measures."""

import copy

import numpy as np
import pytest

from rnw.bench.examples import training_example
from rnw.networks.layout import configure

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from rnw.bench import torch_steps  # noqa: E402 # after it is known that it can be had


def test_checkpoints_change_no_step(monkeypatch):
    config = configure("fcn_a1", 5, width=1 / 32, dropout=(0, 0), head="softmax")
    images, labels = training_example(config, 2, 48)
    nets, build = [], torch_steps.build
    monkeypatch.setattr(torch_steps, "build", lambda found: nets.append(build(found)) or nets[-1])
    for checkpointed in (False, True):
        torch.manual_seed(0)
        step = torch_steps.torch_step(config, images, labels, checkpointed=checkpointed)
        before = copy.deepcopy(nets[-1].state_dict())
        step()
        assert any((before[name] != x).any() for name, x in nets[-1].state_dict().items())
    kept, again = (net.state_dict() for net in nets)
    for name, value in kept.items():
        np.testing.assert_allclose(again[name], value, rtol=1e-5, atol=1e-7, err_msg=name)
