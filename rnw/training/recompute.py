"""Gradients in less memory: what lies inside a segment of layers is computed again, not kept.

The forward pass keeps the input of each segment, and all of the last. The backward pass runs the
others once more, from the last to the first. Each is differentiated layer by layer, so that what a
layer has kept is freed as soon as it has been read. The original recomputes through MXNet's
`--backward-do-mirror`, which saves nothing in 1.9.1.
"""

import contextlib
import functools
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import mxnet as mx
from mxnet.gluon import Block
from mxnet.ndarray.ndarray import _new_alloc_handle

from rnw.memory import give_back_small_blocks
from rnw.networks.classifier import Network
from rnw.networks.heads import loss_of
from rnw.networks.layers import parameter_kind
from rnw.networks.layout import NetworkConfig
from rnw.networks.liveness import reads_output
from rnw.networks.units import ResidualUnitBlock, projected_parts
from rnw.training.recompute_plan import Recompute, plan_step

Arrays = List[mx.nd.NDArray]
Steps = List[Tuple[Block, Arrays]]  # blocks, each with what it takes beside its input
Result = Tuple[mx.nd.NDArray, mx.nd.NDArray]  # what is differentiated, and the probabilities
Loss = Callable[[mx.nd.NDArray, mx.nd.NDArray], Result]  # from scores and labels


class Branch(NamedTuple):
    """A block that was recorded, its input and its output on each device."""

    block: Block
    inputs: Arrays
    outputs: Arrays


Parts = List[List[Block]]  # one after the other; the outputs of several blocks are added up
Passes = List[List[Branch]]  # likewise


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


class Recomputation:
    """Gradients of a hybridized network, of which a part is computed again.

    recompute: True, or the plan to go by.
    """

    def __init__(self, net: Network, recompute: Recompute):
        self._recompute = recompute
        self._parts = {block: _parts(block) for block in net.blocks}

    def gradients(
        self,
        net: Network,
        inputs: Sequence[mx.nd.NDArray],
        labels: Sequence[mx.nd.NDArray],
        masks: Sequence[Arrays],
        loss: Optional[Loss] = None,
    ) -> Arrays:
        """Set the gradients of all parameters as a recorded pass does; return the probabilities.

        inputs, labels, masks: one entry per device (masks: the factors that stand for dropout).
        loss: in place of that of the network's head.
        """
        plan = plan_step(net.config, max(inputs[0].shape[2:]), self._recompute)
        *again, last = plan.segments
        steps = [_steps(net.blocks, device_masks) for device_masks in masks]
        kept = [_forward([own[s] for s in again], x) for own, x in zip(steps, inputs)]
        passes = self._record([own[last] for own in steps], [maps.pop() for maps in kept])
        scores = list(map(_variable, passes[-1][-1].outputs))
        with mx.autograd.record():
            losses, outputs = zip(*map(loss or HeadLoss(net.config), scores, labels))
        mx.autograd.backward(losses)
        gradients = _wait(scores)
        del scores
        _differentiate(passes, gradients)
        for segment in reversed(again):
            give_back_small_blocks()
            beginnings = [maps.pop() for maps in kept]
            passes = self._record([own[segment] for own in steps], beginnings, again=True)
            _differentiate(passes, gradients)
        return list(outputs)

    def _record(self, segments: Sequence[Steps], inputs: Arrays, *, again: bool = False) -> Passes:
        """Run a segment, for the second time with `again`; record each block for itself.

        segments, inputs: one entry per device.
        """
        passes: Passes = []
        for layer in zip(*segments):
            for blocks in self._parts[layer[0][0]]:
                branches = [_record_block(block, layer, inputs, again=again) for block in blocks]
                inputs = _add_up([branch.outputs for branch in branches], mx.nd.elemwise_add)
                passes.append(branches)
        return passes


def _parts(block: Block) -> Parts:
    """Return the blocks that a layer is differentiated by.

    A unit with a projection takes less memory in parts: two gradients of its largest map are there
    at one time, not three, and what a part has kept is freed before the next one is differentiated.
    """
    projection = block.layer.projection if type(block) is ResidualUnitBlock else None
    if projection is None:
        return [[block]]
    opening, *branches = projected_parts(block, projection)
    for part in (opening, *branches):
        part.hybridize(static_alloc=False, static_shape=False)
    return [[opening], branches]


def _record_block(
    block: Block, layer: Sequence[Tuple[Block, Arrays]], inputs: Arrays, *, again: bool
) -> Branch:
    """Run a block of a layer; inputs and layer have one entry per device."""
    inputs = list(map(_variable, inputs))
    extras = [extra if block.has_dropout else [] for _, extra in layer]
    kept = _statistics_kept(block, inputs) if again else contextlib.nullcontext()
    with kept, mx.autograd.record():
        return Branch(block, inputs, [block(x, *extra) for x, extra in zip(inputs, extras)])


def _add_up(terms: Sequence[Arrays], add: Callable[..., mx.nd.NDArray]) -> Arrays:
    """Return the sums on each device of one or two terms, in the place of the last."""
    *others, total = terms
    for other in others:
        for x, y in zip(other, total):
            add(x, y, out=y)
    return total


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


def _differentiate(passes: Passes, gradients: Arrays) -> None:
    """Go back through what was recorded; what was kept for that is freed on the way.

    gradients: of the outputs of the last pass, and in the end of the inputs of the first, one entry
        per device.
    """
    while passes:
        branches, found = passes.pop(), []
        if not reads_output(branches[-1].block.layer):
            for device, output in enumerate(branches[-1].outputs):
                gradients[device] = gradients[device].copyto(output)
        while branches:
            found.append(_differentiate_branch(branches.pop(), gradients))
        gradients[:] = _add_up(found, mx.nd.add_n)


def _differentiate_branch(branch: Branch, gradients: Arrays) -> Arrays:
    mx.autograd.backward(branch.outputs, gradients)
    return _wait(branch.inputs)


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
