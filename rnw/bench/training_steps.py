"""The same training step by our trainer and by `mx.mod.Module`."""

from dataclasses import replace
from typing import Callable, Sequence

import mxnet as mx
import numpy as np

from rnw.bench.examples import LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, training_example
from rnw.networks.classifier import Network
from rnw.networks.layout import NetworkConfig
from rnw.networks.symbols import to_symbol
from rnw.training.initializers import initialize
from rnw.training.loss_scale import SCALED, ScaledLoss
from rnw.training.optimizers import make_optimizer
from rnw.training.recompute import HeadLoss
from rnw.training.recompute_plan import Recompute
from rnw.training.schedules import make_schedule
from rnw.training.trainer import Trainer, check_devices, trained_parameters
from rnw.weights.precision import FLOAT32


def trainer_step(
    config: NetworkConfig,
    batch: int,
    size: int,
    contexts: Sequence[mx.Context],
    *,
    recompute: Recompute = False,
    precision: str = FLOAT32,
) -> Callable[[], None]:
    """Return a function that takes a step of `Trainer` and waits for its end."""
    check_devices(batch, len(contexts))
    loss = ScaledLoss(HeadLoss(config)) if precision in SCALED else None
    net = _network(config if loss is None else replace(config, head="logits"), contexts)
    net.compute_in(precision)
    optimizer = make_optimizer(
        "torch_nesterov",
        trained_parameters(net),
        schedule=make_schedule("fixed", LEARNING_RATE, 1),
        momentum=MOMENTUM,
        weight_decay=WEIGHT_DECAY,
        rescale=_rescale(config, batch, contexts),
    )
    trainer = Trainer(net, contexts, optimizer, recompute=recompute, loss=loss)
    images, labels = training_example(config, batch, size)

    def step() -> None:
        trainer.step(images, labels)
        mx.nd.waitall()

    return step


def module_step(
    config: NetworkConfig, batch: int, size: int, contexts: Sequence[mx.Context]
) -> Callable[[], None]:
    """Return a function that takes a step of `mx.mod.Module` on the same graph, and waits."""
    net = _network(config, [mx.cpu()])
    module = mx.mod.Module(to_symbol(net), label_names=["softmax_label"], context=list(contexts))
    images, labels = map(mx.nd.array, training_example(config, batch, size))
    module.bind([("data", images.shape)], [("softmax_label", labels.shape)])
    values = {name: parameter.data() for name, parameter in net.collect_params().items()}
    module.init_params(None, values, values, allow_extra=True)
    settings = {
        "learning_rate": LEARNING_RATE,
        "momentum": MOMENTUM,
        "wd": WEIGHT_DECAY,
        "rescale_grad": _rescale(config, batch, contexts),
    }
    module.init_optimizer("local", "torchnesterov", settings)
    data = mx.io.DataBatch([images], [labels])

    def step() -> None:
        module.forward_backward(data)
        module.update()
        mx.nd.waitall()

    return step


def _network(config: NetworkConfig, contexts: Sequence[mx.Context]) -> Network:
    net = Network(config)
    initialize(net, list(contexts), np.random.RandomState(0))
    return net


def _rescale(config: NetworkConfig, batch: int, contexts: Sequence[mx.Context]) -> float:
    """Return the factor on gradients; segmentation has divided them by labels on each device."""
    return 1 / (len(contexts) if config.segmentation else batch)
