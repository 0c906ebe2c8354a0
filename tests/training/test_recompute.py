"""Recomputing gives the gradients, weights and statistics of a pass that keeps everything."""

import mxnet as mx
import numpy as np
import pytest

from rnw.networks.classifier import get_network
from rnw.networks.layout import configure
from rnw.training.dropout import draw_masks
from rnw.training.initializers import initialize
from rnw.training.optimizers import make_optimizer
from rnw.training.schedules import make_schedule
from rnw.training.trainer import Trainer, trained_parameters

CLASSES = 5
IMAGES = 4


def _train(network, devices, recompute, **options):
    """Probabilities of three steps, then every parameter on every device."""
    net = get_network(network, CLASSES, width=1 / 32, head="softmax", **options)
    contexts = [mx.cpu(i) for i in range(devices)]
    initialize(net, contexts, np.random.RandomState(0))
    optimizer = make_optimizer(
        "torch_nesterov",
        trained_parameters(net),
        schedule=make_schedule("linear", 0.1, 4),
        momentum=0.9,
        weight_decay=1e-2,
        rescale=1 / IMAGES,
    )
    trainer = Trainer(net, contexts, optimizer, recompute=recompute, seed=3)
    random = np.random.RandomState(1)
    result = {}
    for step in range(3):
        images = random.standard_normal((IMAGES, 3, 64, 64)).astype(np.float32)
        labels = random.randint(0, CLASSES, (IMAGES, 64) if "fcn" in network else IMAGES)
        outputs = trainer.step(images, labels.astype(np.float32))
        result[step] = np.concatenate([o.probabilities.asnumpy() for o in outputs])
    mx.nd.waitall()
    for name, parameter in net.collect_params().items():
        result[name] = np.stack([copy.asnumpy() for copy in parameter.list_data()])
    return result


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "devices", "options"),
    [
        ("model_a", 1, {}),
        ("model_a1", 2, {"dropout": (0.3, 0.5)}),
        ("model_f", 4, {}),
        ("fcn_a2", 2, {}),
        ("fcn_a", 1, {"frozen_statistics": False}),
    ],
)
def test_same_steps(network, devices, options):
    kept = _train(network, devices, False, **options)
    again = _train(network, devices, True, **options)
    assert kept.keys() == again.keys()
    for name, value in kept.items():
        np.testing.assert_allclose(again[name], value, rtol=0, atol=1e-6, err_msg=name)


def test_masks_are_a_function_of_seed_update_and_device():
    config = configure("model_a1", width=1 / 32, dropout=(0.3, 0.5))
    data = mx.nd.zeros((2, 3, 64, 96))
    draw = [[m.asnumpy() for m in draw_masks(config, data, entropy)] for entropy in _ENTROPIES]
    first, same, *others = draw
    assert [mask.shape for mask in first] == [(2, 32, 2, 3), (2, 64, 2, 3)]
    for mask, repeated in zip(first, same):
        np.testing.assert_array_equal(mask, repeated)
    for other in others:
        assert any((a != b).any() for a, b in zip(first, other))


_ENTROPIES = [(7, 5, 0), (7, 5, 0), (8, 5, 0), (7, 6, 0), (7, 5, 1)]


def test_masks_drop_at_the_rate_and_keep_the_mean():
    config = configure("model_a1", dropout=(0.3, 0.5))
    for mask, rate in zip(draw_masks(config, mx.nd.zeros((4, 3, 64, 64)), (0,)), (0.3, 0.5)):
        values = mask.asnumpy()
        assert set(np.unique(values)) == {np.float32(0), np.float32(1) / np.float32(1 - rate)}
        assert (values == 0).mean() == pytest.approx(rate, abs=0.02)


def test_no_masks_without_dropout():
    assert draw_masks(configure("model_a1"), mx.nd.zeros((1, 3, 32, 32)), (0,)) == []
