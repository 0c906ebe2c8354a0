"""The engine MXNet, by which the others are measured."""

from typing import Any, Mapping, Sequence

import mxnet as mx
import numpy as np
from mxnet.gluon.utils import split_and_load

from rnw.evaluation.engines.table import Forward
from rnw.memory import give_back_large_blocks
from rnw.networks.layout import NetworkConfig
from rnw.weights.optimize import optimized


def make_forward(
    config: NetworkConfig,
    parameters: Mapping[str, np.ndarray],
    contexts: Sequence[mx.Context],
    precision: str,
    *,
    force: bool,
) -> Forward:
    """Return a network with these parameters, optimized for inference, as a function.

    Raises InputError as `optimize`, for a precision that the contexts do not compute in.
    """
    give_back_large_blocks()
    net = optimized(config, parameters, list(contexts), precision, force=force)
    return segment(net, contexts) if config.segmentation else classify(net, contexts)


def classify(net: Any, contexts: Sequence[mx.Context], *, in_training: bool = False) -> Forward:
    """Return a classifier, a block or a function of arrays of MXNet, as a `Forward`.

    in_training: it has the softmax head, which takes labels and gives probabilities.
    """

    def forward_part(part: mx.nd.NDArray) -> mx.nd.NDArray:
        if in_training:
            return net(part, mx.nd.zeros(len(part), ctx=part.context))
        return mx.nd.softmax(net(part))

    def forward(data: np.ndarray) -> np.ndarray:
        parts = split_and_load(data, list(contexts[: len(data)]), even_split=False)
        outputs = [forward_part(part) for part in parts]
        return np.concatenate([output.asnumpy() for output in outputs])

    return forward


def segment(net: Any, contexts: Sequence[mx.Context]) -> Forward:
    """Return a segmentation network as a `Forward`; each device is given one input at a time."""

    def forward(data: np.ndarray) -> np.ndarray:
        scores = []
        for start in range(0, len(data), len(contexts)):
            inputs = zip(data[start : start + len(contexts)], contexts)
            outputs = [  # nothing holds an input longer than its first convolution
                mx.nd.softmax(net(mx.nd.array(one[None], ctx=context)), axis=1)
                for one, context in inputs
            ]
            scores += [output.asnumpy() for output in outputs]
        return np.concatenate(scores)

    return forward
