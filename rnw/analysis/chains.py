"""A residual network as a chain of residual units and the layers between them (section 3).

Each residual unit is split into its shortcut and its mapping f, as in equation 1.
"""

from functools import partial
from typing import Callable, Iterator, List, NamedTuple, Optional, Tuple, Union

import mxnet as mx
from mxnet.gluon import Block

from rnw.errors import InputError
from rnw.networks.classifier import Network
from rnw.networks.units import BottleneckBlock, PoolingBlock, ResidualUnitBlock

Function = Callable[[mx.nd.NDArray], mx.nd.NDArray]


class Between(NamedTuple):
    """A part of the network between residual units: the stem, a pooling, the classifier.

    as_in_training: whether to run it in training mode, as max pooling must. It computes the same in
    tests, but only in training does it remember where the maxima were; without that, the float32
    gradients of oneDNN are wrong.
    """

    function: Function
    as_in_training: bool = False


class Unit(NamedTuple):
    """A residual unit, whose output is join(shortcut + mapping) for shortcut, mapping = split(x).

    A projection, with its normalization if any, is the shortcut of its unit, since the first unit
    of a level has no other. An identity shortcut is the very array that was passed. join: None
    where nothing follows the sum.
    """

    split: Callable[[mx.nd.NDArray], Tuple[mx.nd.NDArray, mx.nd.NDArray]]
    join: Optional[Function] = None


Link = Union[Between, Unit]


def chain_of(net: Block) -> List[Link]:
    """Return the links of a network of this package or of a ResNet from gluoncv, in their order.

    Raises InputError for other networks.
    """
    if isinstance(net, Network):
        return [_own_link(block) for block in net.blocks]
    links = list(_foreign_links(net))
    if not any(isinstance(link, Unit) for link in links):
        raise InputError(f"{type(net).__name__}: has no known residual units")
    return links


def _own_link(block: Block) -> Link:
    if not isinstance(block, ResidualUnitBlock):
        return Between(block, isinstance(block, PoolingBlock))

    def split(x: mx.nd.NDArray) -> Tuple[mx.nd.NDArray, mx.nd.NDArray]:
        values = {name: getattr(block, name).data(x.context) for name in block.layer.parameters()}
        return block.split(mx.nd, x, **values)

    if isinstance(block, BottleneckBlock):
        return Unit(split, partial(block.join, mx.nd))
    return Unit(split)


def _foreign_links(block: Block) -> Iterator[Link]:
    """Yield the links in the order in which children were registered, which is that of use."""
    make_unit = _UNITS.get(type(block).__name__)
    if make_unit is not None:
        if getattr(block, "se", None):
            raise InputError(f"{type(block).__name__}: squeeze and excitation is not supported")
        yield make_unit(block)
    elif _holds_units(block):
        for child in block._children.values():
            yield from _foreign_links(child)
    else:
        yield Between(block, isinstance(block, mx.gluon.nn.MaxPool2D))


def _holds_units(block: Block) -> bool:
    return any(
        type(child).__name__ in _UNITS or _holds_units(child) for child in block._children.values()
    )


def _stages(block: Block) -> List[Block]:
    return [child for child in block._children.values() if child is not block.downsample]


def _relu(x: mx.nd.NDArray) -> mx.nd.NDArray:
    return mx.nd.Activation(x, act_type="relu")


def _post_activation(block: Block) -> Unit:
    """Return a unit of "v1" or "v1b": normalization after each convolution, ReLU after the sum."""
    stages = _stages(block)
    if isinstance(stages[-1], mx.gluon.nn.Activation):
        stages.pop()

    def split(x: mx.nd.NDArray) -> Tuple[mx.nd.NDArray, mx.nd.NDArray]:
        shortcut = block.downsample(x) if block.downsample else x
        top = x
        for stage in stages:
            top = stage(top)
        return shortcut, top

    return Unit(split, _relu)


def _pre_activation(block: Block) -> Unit:
    """Return a unit of "v2": normalization and ReLU before each convolution."""
    stages = _stages(block)
    projects_input = type(block).__name__.startswith(
        "CIFAR"
    )  # the others project the normalized input

    def split(x: mx.nd.NDArray) -> Tuple[mx.nd.NDArray, mx.nd.NDArray]:
        shortcut = top = x
        for position, (normalization, convolution) in enumerate(zip(stages[::2], stages[1::2])):
            top = _relu(normalization(top))
            if position == 0 and block.downsample:
                shortcut = block.downsample(x if projects_input else top)
            top = convolution(top)
        return shortcut, top

    return Unit(split)


_UNITS = {
    "BasicBlockV1": _post_activation,
    "BottleneckV1": _post_activation,
    "BasicBlockV1b": _post_activation,
    "BottleneckV1b": _post_activation,
    "CIFARBasicBlockV1": _post_activation,
    "BasicBlockV2": _pre_activation,
    "BottleneckV2": _pre_activation,
    "CIFARBasicBlockV2": _pre_activation,
}
