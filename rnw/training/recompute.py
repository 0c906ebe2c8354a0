"""Gradients in less memory: what lies inside a block is computed again, not kept.

The forward pass keeps the input of each block only (a residual unit, a pooling). The backward pass
runs each block once more, from the last to the first, and differentiates it there; the original
does this through MXNet's `--backward-do-mirror`, which saves nothing in 1.9.1.
"""

import contextlib
import ctypes
import functools
from typing import Iterator, List, Sequence

import mxnet as mx
from mxnet.gluon import Block

from rnw.networks.classifier import Network
from rnw.networks.layers import parameter_kind
from rnw.training.recompute_plan import first_recorded

Arrays = List[mx.nd.NDArray]

_M_MMAP_THRESHOLD = -3  # of malloc.h
_RETURNED_AT_ONCE = 8 << 20  # bytes; the system's work for smaller ones is not worth their memory


def recompute_gradients(
    net: Network,
    inputs: Sequence[mx.nd.NDArray],
    labels: Sequence[mx.nd.NDArray],
    masks: Sequence[Arrays],
) -> Arrays:
    """Set the gradients of all parameters, as a recorded pass does; the outputs.

    inputs, labels, masks: one entry per device (masks: the factors that stand for dropout).
    """
    extras = [_extras(net.blocks, device_masks) for device_masks in masks]
    first = first_recorded(net.config, max(inputs[0].shape[2:]))
    stem, *again = net.blocks[:first]
    with mx.autograd.record():
        beginnings = [stem(x) for x in inputs]
    kept = [_forward(again, x, extra[1:]) for x, extra in zip(beginnings, extras)]
    tops = [_variable(maps.pop()) for maps in kept]
    with mx.autograd.record():
        scores = [_finish(net, first, x, extra) for x, extra in zip(tops, extras)]
        outputs = [net.loss(mx.nd, x, y) for x, y in zip(scores, labels)]
    mx.autograd.backward(outputs)
    gradients = _wait(tops)
    del tops, scores
    for place in reversed(range(1, first)):
        arguments = [(maps.pop(), *extra[place]) for maps, extra in zip(kept, extras)]
        gradients = _gradients_again(net.blocks[place], arguments, gradients)
    mx.autograd.backward(beginnings, gradients)
    return outputs


def _extras(blocks: Sequence[Block], masks: Arrays) -> List[Arrays]:
    """What each block takes beside its input."""
    remaining = iter(masks)
    return [[next(remaining)] if block.has_dropout else [] for block in blocks]


def _forward(blocks: Sequence[Block], x: mx.nd.NDArray, extras: Sequence[Arrays]) -> Arrays:
    """The input of each block and, at the end, the output of the last."""
    maps = [x]
    with mx.autograd.pause(train_mode=True):
        for block, extra in zip(blocks, extras):
            maps.append(block(maps[-1], *extra))
    return maps


def _variable(x: mx.nd.NDArray) -> mx.nd.NDArray:
    """The same values, to differentiate by."""
    x = x.detach()
    x.attach_grad()
    return x


def _finish(net: Network, first: int, x: mx.nd.NDArray, extras: Sequence[Arrays]) -> mx.nd.NDArray:
    """The scores, from the input of block `first`."""
    for block, extra in zip(net.blocks[first:], extras[first:]):
        x = block(x, *extra)
    return x


def _gradients_again(block: Block, arguments: Sequence[Arrays], gradients: Arrays) -> Arrays:
    """Run `block` once more and differentiate it; the gradients of its inputs, per device."""
    _return_freed_parts()
    inputs = [_variable(x) for x, *_ in arguments]
    with _statistics_kept(block, inputs), mx.autograd.record():
        outputs = [block(x, *extra) for x, (_, *extra) in zip(inputs, arguments)]
    mx.autograd.backward(outputs, gradients)
    return _wait(inputs)


def _wait(variables: Arrays) -> Arrays:
    """Their gradients, ready: else the engine computes all blocks again before it frees one."""
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
