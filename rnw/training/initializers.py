"""The paper's initialisation, drawn from a NumPy stream so that a seed fixes it on any device."""

from typing import Any, List

import numpy as np

from rnw.networks.classifier import Network


def initialize(net: Network, contexts: List[Any], rng: np.random.RandomState) -> None:
    """Set all parameters of `net` on `contexts`.

    Convolutions are Gaussian with variance 2 / fan-in, a linear classifier and its bias uniform in
    +-1 / sqrt(fan-in), gammas and moving variances 1, everything else 0.
    """
    parameters = net.collect_params()
    for name, parameter in parameters.items():
        parameter.initialize(init="zeros", ctx=contexts, default_init="zeros", force_reinit=True)
        weight = (
            parameters.get(f"{name.rsplit('_', 1)[0]}_weight") if name.endswith("_bias") else None
        )
        parameter.set_data(_draw(name, parameter.shape, weight and weight.shape, rng))


def _draw(name, shape, weight_shape, rng) -> np.ndarray:
    if name.endswith(("_gamma", "_moving_var")):
        return np.ones(shape, np.float32)
    if name.endswith("_weight") and len(shape) == 4:
        deviation = np.sqrt(2.0 / np.prod(shape[1:]))
        return rng.standard_normal(shape).astype(np.float32) * np.float32(deviation)
    linear = shape if name.endswith("_weight") else weight_shape
    if linear is not None and len(linear) == 2:
        limit = 1.0 / np.sqrt(linear[1])
        return rng.uniform(-limit, limit, shape).astype(np.float32)
    return np.zeros(shape, np.float32)
