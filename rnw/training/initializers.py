"""The paper's initialization, drawn from a NumPy stream so that a seed fixes it on any device."""

from typing import Any, List

import numpy as np

from rnw.networks.classifier import Network
from rnw.networks.initial_values import initial_value


def initialize(net: Network, contexts: List[Any], rng: np.random.RandomState) -> None:
    """Set all parameters of `net` on `contexts`.

    See `initial_value` for what they are set to.
    """
    parameters = net.named_parameters
    for name, parameter in parameters.items():
        parameter.initialize(init="zeros", ctx=contexts, default_init="zeros", force_reinit=True)
        weight = (
            parameters.get(f"{name.rsplit('_', 1)[0]}_weight") if name.endswith("_bias") else None
        )
        parameter.set_data(initial_value(name, parameter.shape, weight and weight.shape, rng))
