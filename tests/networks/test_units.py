"""Single blocks against plain NumPy."""

import mxnet as mx
import numpy as np
import pytest

from rnw.networks.layers import Pooling
from rnw.networks.layout import configure
from rnw.networks.units import PoolingBlock, ResidualUnitBlock


def _brute_force_maximum(x, dilation):
    padded = np.pad(x, ((0, 0), (0, 0), (dilation,) * 2, (dilation,) * 2), constant_values=-np.inf)
    height, width = x.shape[2:]
    return np.max(
        [
            padded[:, :, i * dilation : i * dilation + height, j * dilation : j * dilation + width]
            for i in range(3)
            for j in range(3)
        ],
        axis=0,
    )


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_dilated_pooling(dilation, hybrid):
    x = mx.nd.random.normal(loc=-9, shape=(2, 3, 9, 7))
    pool = PoolingBlock(Pooling("pool5", "pad", 3, dilation))
    pool.hybridize(hybrid)
    x.attach_grad()
    with mx.autograd.record():
        y = pool(x)
    y.backward()
    np.testing.assert_array_equal(y.asnumpy(), _brute_force_maximum(x.asnumpy(), dilation))
    maxima = (x.asnumpy()[..., None] == np.unique(y.asnumpy())).any(-1)
    assert x.grad.sum().asscalar() == y.size
    assert (x.grad.asnumpy()[~maxima] == 0).all()


def _unit(name, **options):
    config = configure("model_a1", width=1 / 32, **options)
    layer = next(item for item in config.layers if getattr(item, "name", "") == name)
    unit = ResidualUnitBlock(layer, False, config.frozen_statistics)
    unit.initialize(mx.init.Normal(0.3))
    channels = layer.stages[0].convolution.in_channels
    return unit, mx.nd.random.normal(shape=(2, channels, 6, 6))


def test_projection_reads_the_first_relu():
    unit, x = _unit("7a")
    parameters = unit.collect_params()
    for stage in unit.layer.stages:
        parameters[f"{stage.convolution.name}_weight"].set_data(
            mx.nd.zeros_like(parameters[f"{stage.convolution.name}_weight"].data())
        )
    weight = parameters["res7a_branch1_weight"].data().asnumpy()[:, :, 0, 0]
    activated = np.maximum(x.asnumpy() / np.sqrt(1 + 1.001e-5), 0)
    expected = np.einsum("oc,nchw->nohw", weight, activated)
    np.testing.assert_allclose(unit(x).asnumpy(), expected, rtol=1e-4, atol=1e-5)


def test_identity_shortcut_keeps_the_raw_input():
    unit, x = _unit("3b1")
    last = unit.layer.stages[-1].convolution.name
    unit.collect_params()[f"{last}_weight"].set_data(mx.nd.zeros((8, 8, 3, 3)))
    np.testing.assert_array_equal(unit(x).asnumpy(), x.asnumpy())


def test_dropout_acts_in_training_only():
    unit, x = _unit("7a", dropout=(0.3, 0.5))
    np.testing.assert_array_equal(unit(x).asnumpy(), unit(x).asnumpy())
    with mx.autograd.train_mode():
        assert (unit(x).asnumpy() != unit(x).asnumpy()).any()


@pytest.mark.parametrize("frozen", [False, True])
def test_frozen_statistics_stay(frozen):
    unit, x = _unit("3b1", frozen_statistics=frozen)
    with mx.autograd.record():
        y = unit(x)
    y.backward()
    mx.nd.waitall()
    mean = unit.collect_params()["bn3b1_branch2a_moving_mean"].data().asnumpy()
    assert (mean == 0).all() == frozen
    gamma = unit.collect_params()["bn3b1_branch2a_gamma"]
    assert np.abs(gamma.grad().asnumpy()).max() > 0
