"""Gradients in less memory: what lies inside a segment of layers is computed again, not kept.

The forward pass keeps the input of each segment, and all of the last. The backward pass runs the
others once more, from the last to the first. Each is differentiated layer by layer, so that what a
layer has kept is freed as soon as it has been read. The original recomputes through MXNet's
`--backward-do-mirror`, which saves nothing in 1.9.1.
"""

import contextlib
import ctypes
import functools
from typing import Callable, Iterator, List, Optional, Sequence, Tuple

import mxnet as mx
from mxnet.gluon import Block
from mxnet.ndarray.ndarray import _new_alloc_handle

from rnw.networks.classifier import Network
from rnw.networks.heads import loss_of
from rnw.networks.layers import parameter_kind
from rnw.networks.layout import NetworkConfig
from rnw.networks.liveness import reads_output
from rnw.training.recompute_plan import Recompute, plan_step

Arrays = List[mx.nd.NDArray]
Steps = List[Tuple[Block, Arrays]]  # blocks, each with what it takes beside its input
Result = Tuple[mx.nd.NDArray, mx.nd.NDArray]  # what is differentiated, and the probabilities
Passes = List[Tuple[Block, Arrays, Arrays]]  # of layers: block, and each device's input and output
Loss = Callable[[mx.nd.NDArray, mx.nd.NDArray], Result]  # from scores and labels

_M_MMAP_THRESHOLD = -3  # of malloc.h
_RETURNED_AT_ONCE = 8 << 20  # bytes; the system's work for smaller ones is not worth their memory


class HeadLoss:
    """The loss that a network of this configuration ends in, of scores that are given."""

    def __init__(self, config: NetworkConfig):
        self._loss, self._head = loss_of(config), config.head

    def __call__(self, scores: mx.nd.NDArray, labels: mx.nd.NDArray) -> Result:
        """Return the probabilities, whose gradient is that of the loss, and them once more."""
        probabilities = self._loss(mx.nd, scores, labels)
        return probabilities, probabilities

    def __str__(self) -> str:
        return f"loss {self._head}"


def recompute_gradients(
    net: Network,
    inputs: Sequence[mx.nd.NDArray],
    labels: Sequence[mx.nd.NDArray],
    masks: Sequence[Arrays],
    loss: Optional[Loss] = None,
    recompute: Recompute = True,
) -> Arrays:
    """Set the gradients of all parameters as a recorded pass does; return the probabilities.

    inputs, labels, masks: one entry per device (masks: the factors that stand for dropout). loss:
    in place of that of the network's head. recompute: True, or the plan to go by.
    """
    *again, last = plan_step(net.config, max(inputs[0].shape[2:]), recompute).segments
    steps = [_steps(net.blocks, device_masks) for device_masks in masks]
    kept = [_forward([own[s] for s in again], x) for own, x in zip(steps, inputs)]
    passes = _record([own[last] for own in steps], [maps.pop() for maps in kept])
    scores = list(map(_variable, passes[-1][2]))
    with mx.autograd.record():
        losses, outputs = zip(*map(loss or HeadLoss(net.config), scores, labels))
    mx.autograd.backward(losses)
    gradients = _wait(scores)
    del scores
    _differentiate(passes, gradients)
    for segment in reversed(again):
        _return_freed_parts()
        beginnings = [maps.pop() for maps in kept]
        passes = _record([own[segment] for own in steps], beginnings, again=True)
        _differentiate(passes, gradients)
    return list(outputs)


def _steps(blocks: Sequence[Block], masks: Arrays) -> Steps:
    remaining = iter(masks)
    return [(block, [next(remaining)] if block.has_dropout else []) for block in blocks]


def _run(steps: Steps, x: mx.nd.NDArray) -> mx.nd.NDArray:
    for block, extra in steps:
        x = block(x, *extra)
    return x


def _forward(segments: Sequence[Steps], x: mx.nd.NDArray) -> Arrays:
    """Return the input of each segment and, at the end, the output of the last."""
    maps = [x]
    with mx.autograd.pause(train_mode=True):
        for segment in segments:
            maps.append(_run(segment, maps[-1]))
    return maps


def _variable(x: mx.nd.NDArray) -> mx.nd.NDArray:
    """Return the same values, to differentiate by."""
    x = x.detach()
    handle = _new_alloc_handle(x.shape, x.context, True, x.dtype)  # no memory until it is written
    mx.autograd.mark_variables([x], [mx.nd.NDArray(handle)])
    return x


def _record(segments: Sequence[Steps], inputs: Arrays, *, again: bool = False) -> Passes:
    """Run a segment, for the second time with `again`; record each layer for itself.

    segments, inputs: one entry per device.
    """
    passes: Passes = []
    for layer in zip(*segments):
        inputs, block = list(map(_variable, inputs)), layer[0][0]
        kept = _statistics_kept(block, inputs) if again else contextlib.nullcontext()
        with kept, mx.autograd.record():
            outputs = [own(x, *extra) for x, (own, extra) in zip(inputs, layer)]
        passes.append((block, inputs, outputs))
        inputs = outputs
    return passes


def _differentiate(passes: Passes, gradients: Arrays) -> None:
    """Go back through layers; what they kept is freed on the way.

    gradients: of the outputs of the last layer, and in the end of the inputs of the first, one
        entry per device.
    """
    while passes:
        block, inputs, outputs = passes.pop()
        if not reads_output(block.layer):
            for device, output in enumerate(outputs):
                gradients[device] = gradients[device].copyto(output)
        mx.autograd.backward(outputs, gradients)
        gradients[:] = _wait(inputs)


def _wait(variables: Arrays) -> Arrays:
    """Return their gradients, ready: else the engine computes ahead before it frees anything."""
    gradients = [x.grad for x in variables]
    for gradient in gradients:
        gradient.wait_to_read()
    return gradients


@contextlib.contextmanager
def _statistics_kept(block: Block, inputs: Arrays) -> Iterator[None]:
    """Undo what a second forward pass does to moving averages, where it does anything."""
    contexts = [x.context for x in inputs if _forward_moves_statistics(x.context)]
    moving = [p for p in block.collect_params().values() if parameter_kind(p.name) == "aux"]
    saved = [(a, a.copy()) for p in moving for a in map(p.data, contexts)]
    yield
    for array, before in saved:
        array[:] = before


@functools.lru_cache(maxsize=None)
def _forward_moves_statistics(context: mx.Context) -> bool:
    """Whether batch normalization moves its averages in the forward pass already.

    cuDNN does; MXNet's own operator, on CPUs, does so in the backward pass.
    """
    x, one, mean = (mx.nd.ones(shape, context) for shape in ((2, 1, 1, 1), 1, 1))
    with mx.autograd.pause(train_mode=True):
        mx.nd.BatchNorm(2 * x, one, one.copy(), mean, one.copy(), fix_gamma=False)
    mx.nd.waitall()
    return mean.asscalar() != 1.0


def return_freed_memory() -> None:
    """Make large freed maps go back to the system at once (glibc else keeps those below 32 MB)."""
    _call_libc("mallopt", _M_MMAP_THRESHOLD, _RETURNED_AT_ONCE)


def _return_freed_parts() -> None:
    """Give back what smaller freed maps hold."""
    _call_libc("malloc_trim", 0)


def _call_libc(name: str, *arguments: int) -> None:
    """Call one of glibc's own functions, which other C libraries lack."""
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*arguments)
