"""Gradients in less memory: what lies inside a segment of layers is computed again, not kept.

The forward pass keeps the input of each segment only. The backward pass runs the segments once
more, from the last to the first, and differentiates each there, layer by layer; the original does
this through MXNet's `--backward-do-mirror`, which saves nothing in 1.9.1.
"""

import contextlib
import ctypes
import functools
from typing import Callable, Iterator, List, Optional, Sequence, Tuple

import mxnet as mx
from mxnet.gluon import Block

from rnw.networks.classifier import Network
from rnw.networks.heads import loss_of
from rnw.networks.layers import parameter_kind
from rnw.networks.layout import NetworkConfig
from rnw.training.recompute_plan import Recompute, plan_step

Arrays = List[mx.nd.NDArray]
Steps = List[Tuple[Block, Arrays]]  # blocks, each with what it takes beside its input
Result = Tuple[mx.nd.NDArray, mx.nd.NDArray]  # what is differentiated, and the probabilities
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
    tops = [_variable(maps.pop()) for maps in kept]
    with mx.autograd.record():
        scores = [_run(own[last], x) for own, x in zip(steps, tops)]
        losses, outputs = zip(*map(loss or HeadLoss(net.config), scores, labels))
    mx.autograd.backward(losses)
    gradients = _wait(tops)
    del tops, scores
    for segment in reversed(again):
        beginnings = [maps.pop() for maps in kept]
        gradients = _gradients_again([own[segment] for own in steps], beginnings, gradients)
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
    gradient = mx.nd.empty(x.shape, x.context, x.dtype)  # zeros would take their memory at once
    mx.autograd.mark_variables([x], [gradient])
    return x


def _gradients_again(segments: Sequence[Steps], inputs: Arrays, gradients: Arrays) -> Arrays:
    """Run a segment once more and differentiate it; return the gradients of its inputs.

    segments, inputs, gradients: one entry per device; the gradients are those of the outputs.
    """
    _return_freed_parts()
    passes = []
    for layer in zip(*segments):
        inputs = [_variable(x) for x in inputs]
        with _statistics_kept(layer[0][0], inputs), mx.autograd.record():
            outputs = [block(x, *extra) for x, (block, extra) in zip(inputs, layer)]
        passes.append((inputs, outputs))
        inputs = outputs
    while passes:
        inputs, outputs = passes.pop()
        mx.autograd.backward(outputs, gradients)
        gradients = _wait(inputs)
    return gradients


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
