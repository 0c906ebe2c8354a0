"""Synchronous data-parallel training through a KVStore (sections 4 and 5 of the paper).

Each device runs its part of the batch with its own batch statistics; gradients are summed in the
KVStore, where one optimizer updates the weights that then go back to all devices.
"""

from typing import Any, List, NamedTuple, Sequence

import mxnet as mx
from mxnet.gluon.utils import split_and_load

from rnw.errors import InputError
from rnw.networks.classifier import Network
from rnw.networks.layout import parameter_kind
from rnw.training.dropout import draw_masks
from rnw.training.recompute import recompute_gradients, return_freed_memory
from rnw.weights import wait_for_statistics

KVSTORES = ("local", "device")


class DeviceOutput(NamedTuple):
    """What one device made of its part of a batch, before the update."""

    probabilities: mx.nd.NDArray
    labels: mx.nd.NDArray


class Trainer:
    """Trains `net` (with the softmax head, initialised on `contexts`) step by step.

    optimizer: an MXNet optimizer whose parameter indices are places in `trained_parameters(net)`.
    kvstore: 'local' sums gradients on the CPU, 'device' on a GPU. `updater.states` holds what the
        optimizer has accumulated, by parameter index.
    recompute: keep the inputs of the blocks only and compute what is inside them again in the
        backward pass: the same gradients in less memory and more time.
    seed: of the dropout.

    The network is hybridized.
    """

    def __init__(
        self,
        net: Network,
        contexts: Sequence[mx.Context],
        optimizer: mx.optimizer.Optimizer,
        kvstore: str = "local",
        *,
        recompute: bool = False,
        seed: int = 0,
    ):
        if kvstore not in KVSTORES:
            expected = ", ".join(KVSTORES)
            raise InputError(f"unknown kvstore {kvstore!r}: expected one of {expected}")
        self.net = net
        self.contexts = list(contexts)
        self._seed = seed
        self._gradients = recompute_gradients if recompute else _recorded_gradients
        if recompute:
            return_freed_memory()
        net.hybridize(static_alloc=not recompute, static_shape=not recompute)
        self._parameters = trained_parameters(net)
        self._kvstore = mx.kv.create(kvstore)
        self.updater = mx.optimizer.get_updater(optimizer)
        self._kvstore._set_updater(self.updater)
        for key, parameter in enumerate(self._parameters):
            self._kvstore.init(key, parameter.list_data()[0])

    def step(self, data: Any, labels: Any) -> List[DeviceOutput]:
        """One update from a batch, cut in order into equal parts, one per device.

        data: (N, 3, H, W) float32; labels: (N,), or (N, H', W') for segmentation. N must be a
        multiple of the number of devices.
        """
        inputs = split_and_load(data, self.contexts)
        targets = split_and_load(labels, self.contexts)
        update = self.updater.optimizer.num_update
        masks = [
            draw_masks(self.net.config, x, (self._seed, update, device))
            for device, x in enumerate(inputs)
        ]
        outputs = self._gradients(self.net, inputs, targets, masks)
        for key, parameter in enumerate(self._parameters):
            self._kvstore.push(key, parameter.list_grad(), priority=-key)
            self._kvstore.pull(key, parameter.list_data(), priority=-key)
        return [DeviceOutput(p, y) for p, y in zip(outputs, targets)]

    def average_statistics(self) -> None:
        """Replace the moving averages on each device by their mean over the devices."""
        wait_for_statistics()
        for name, parameter in self.net.collect_params().items():
            if parameter_kind(name) == "aux" and len(self.contexts) > 1:
                copies = [copy.as_in_context(mx.cpu()) for copy in parameter.list_data()]
                parameter.set_data(mx.nd.add_n(*copies) / len(copies))


def _recorded_gradients(net, inputs, labels, masks):
    """As `recompute_gradients`, but all that lies between input and output is kept."""
    with mx.autograd.record():
        outputs = [net(x, y, *extra) for x, y, extra in zip(inputs, labels, masks)]
    mx.autograd.backward(outputs)
    return outputs


def trained_parameters(net: Network) -> List[mx.gluon.Parameter]:
    """The parameters that gradients reach, in the order of the graph."""
    return [p for p in net.collect_params().values() if p.grad_req != "null"]


def check_devices(batch: int, devices: int) -> None:
    """Raise InputError when a batch cannot be cut into equal parts."""
    if batch % devices:
        raise InputError(
            f"a batch of {batch} cannot be cut into {devices} equal parts: choose a multiple of "
            f"{devices} (--set batch=N) or another number of devices"
        )
