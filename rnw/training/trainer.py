"""Synchronous data-parallel training through a KVStore (sections 4 and 5 of the paper).

Each device runs its part of the batch with its own batch statistics; gradients are summed in the
KVStore, where one optimizer updates the weights that then go back to all devices.
"""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Union

import mxnet as mx
import numpy as np
from mxnet.gluon.utils import split_and_load

from rnw.errors import InputError
from rnw.memory import give_back_large_blocks
from rnw.networks.classifier import Network
from rnw.networks.layers import parameter_kind
from rnw.training.dropout import draw_masks
from rnw.training.kvstores import STATISTICS, Local, open_kvstore
from rnw.training.loss_scale import ScaledLoss, are_finite
from rnw.training.recompute import Loss, Recomputation
from rnw.training.recompute_plan import Recompute, plan_step
from rnw.weights import wait_for_statistics

Arrays = List[mx.nd.NDArray]
_LARGE_MAP = 8 << 20  # bytes; the work of the system for smaller ones is not worth their memory


class DeviceOutput(NamedTuple):
    """What one device made of its part of a batch, before the update."""

    probabilities: mx.nd.NDArray
    labels: mx.nd.NDArray


class Trainer:
    """Trains `net` (initialized on `contexts`, with a head that takes labels) step by step.

    optimizer: an MXNet optimizer whose parameter indices are places in `trained_parameters(net)`.
    kvstore: 'local' sums gradients on the CPU, 'device' on a GPU; or one of several workers', see
        `open_kvstore`. `updater.states` holds what the optimizer has accumulated, by parameter
        index.
    recompute: keep the inputs of segments of layers only, and compute again what lies inside them
        in the backward pass: the same gradients in less memory and more time. A plan says which
        layers (see `rnw.training.recompute_plan`).
    seed: of the dropout.
    loss: gives what is differentiated and the probabilities, from scores and labels of one device;
        the network then has the head 'logits'. None: the head of the network is its loss. After
        a step in which gradients of a `ScaledLoss` overflow the weights are what they were.

    The network is hybridized, and computes in the precision that its `compute_in` has set.
    """

    def __init__(
        self,
        net: Network,
        contexts: Sequence[mx.Context],
        optimizer: mx.optimizer.Optimizer,
        kvstore: Union[str, Local] = "local",
        *,
        recompute: Recompute = False,
        seed: int = 0,
        loss: Optional[Loss] = None,
    ):
        self.net = net
        self.loss = loss
        self.recompute = recompute
        self.contexts = list(contexts)
        self._seed = seed
        self._gradients: Callable[..., Arrays] = _recorded_gradients
        if recompute:
            self._gradients = Recomputation(net, recompute).gradients
            give_back_large_blocks(_LARGE_MAP)
        net.hybridize(static_alloc=not recompute, static_shape=not recompute)
        self._parameters = trained_parameters(net)
        self.kvstore = open_kvstore(kvstore) if isinstance(kvstore, str) else kvstore
        self.updater = mx.optimizer.get_updater(optimizer)
        self._updates = optimizer.begin_num_update
        self.kvstore.start(self._parameters, self.updater)

    def step(self, data: Any, labels: Any) -> List[DeviceOutput]:
        """Make one update from a batch, cut in order into equal parts, one per device.

        data: (N, 3, H, W) float32; labels: (N,), or (N, H', W') for segmentation. N must be a
        multiple of the number of devices.
        """
        inputs = split_and_load(data, self.contexts)
        targets = split_and_load(labels, self.contexts)
        first = self.kvstore.rank * len(inputs)
        masks = [
            draw_masks(self.net.config, x, (self._seed, self._updates, device))
            for device, x in enumerate(inputs, first)
        ]
        outputs = self._gradients(self.net, inputs, targets, masks, self.loss)
        self._updates += 1
        if self._has_gradients():
            for key, parameter in enumerate(self._parameters):
                self.kvstore.update(key, parameter)
        else:  # the step counts, for the schedule of a run that is resumed is that of its steps
            self.updater.optimizer._update_count(list(range(len(self._parameters))))
        return [DeviceOutput(p, y) for p, y in zip(outputs, targets)]

    def _has_gradients(self) -> bool:
        """Undo the scale of the loss, if any; tell whether no gradient overflowed by it."""
        if not isinstance(self.loss, ScaledLoss):
            return True
        gradients = [copy for parameter in self._parameters for copy in parameter.list_grad()]
        finite = self.kvstore.all_agree(are_finite(gradients))
        if finite:
            self.loss.unscale(gradients)
        self.loss.follow(finite)
        return finite

    def describe_recomputation(self, size: int) -> str:
        """Say what is computed again on (N, 3, size, size) images."""
        return str(plan_step(self.net.config, size, self.recompute))

    def statistics(self) -> Dict[str, np.ndarray]:
        """Return each moving average on the devices of all workers: (devices, channels) float32."""
        wait_for_statistics()
        copies = {
            name: parameter.list_data()
            for name, parameter in self.net.collect_params().items()
            if parameter_kind(name) == "aux"
        }
        own = [[a.asnumpy() for a in device] for device in zip(*copies.values())]
        own = np.stack([np.concatenate(arrays) for arrays in own])
        table = np.zeros((self.kvstore.workers, *own.shape), np.float32)
        table[self.kvstore.rank] = own
        rows = self.kvstore.total(STATISTICS, table).reshape(-1, own.shape[1])
        ends = np.cumsum([arrays[0].size for arrays in copies.values()])
        return dict(zip(copies, np.split(rows, ends[:-1], axis=1)))

    def average_statistics(self) -> None:
        """Replace the moving averages on each device by their mean over all devices."""
        self.statistics()  # told before waiting for the workers that have still to tell theirs
        self.kvstore.finish_epoch()
        for name, rows in self.statistics().items():
            self.net.collect_params()[name].set_data(mx.nd.array(rows.mean(axis=0)))


def _recorded_gradients(
    net: Network,
    inputs: Arrays,
    labels: Arrays,
    masks: Sequence[Arrays],
    loss: Optional[Loss] = None,
) -> Arrays:
    """Do as `Recomputation.gradients`, but keep all that lies between input and output."""
    if loss is None:
        with mx.autograd.record():
            outputs = [net(x, y, *extra) for x, y, extra in zip(inputs, labels, masks)]
        mx.autograd.backward(outputs)
        return outputs
    with mx.autograd.record():
        scores = [net(x, None, *extra) for x, extra in zip(inputs, masks)]
        losses, probabilities = zip(*map(loss, scores, labels))
    mx.autograd.backward(losses)
    return list(probabilities)


def trained_parameters(net: Network) -> List[mx.gluon.Parameter]:
    """Return the parameters that gradients reach, in the order of the graph."""
    return [p for p in net.collect_params().values() if p.grad_req != "null"]


def find_not_finite(net: Network) -> Optional[str]:
    """Return the name of a parameter, or moving average of any device, that is not finite."""
    wait_for_statistics()
    for name, parameter in net.collect_params().items():
        copies = parameter.list_data()
        for copy in copies if parameter_kind(name) == "aux" else copies[:1]:
            if not np.isfinite(copy.asnumpy()).all():
                return name
    return None


def check_devices(batch: int, devices: int) -> None:
    """Raise InputError when a batch cannot be cut into equal parts."""
    if batch % devices:
        raise InputError(
            f"a batch of {batch} cannot be cut into {devices} equal parts: choose a multiple of "
            f"{devices} (--set batch=N) or another number of devices"
        )
