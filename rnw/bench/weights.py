"""Parameters of untrained networks, for measurements that need no MXNet."""

from typing import Dict

import numpy as np

from rnw.networks.layout import NetworkConfig


def random_parameters(config: NetworkConfig) -> Dict[str, np.ndarray]:
    """Return float32 parameters by name: weights Gaussian with variance 2 / fan-in, 1 and 0 else.

    Ones are the scales and variances of batch normalizations.
    """
    random = np.random.default_rng(0)
    values = {}
    for parameter in config.parameters():
        if parameter.name.endswith("_weight"):
            deviation = np.float32(np.sqrt(2 / np.prod(parameter.shape[1:])))
            values[parameter.name] = deviation * random.standard_normal(parameter.shape, np.float32)
        else:
            fill = parameter.name.endswith(("_gamma", "_moving_var"))
            values[parameter.name] = np.full(parameter.shape, fill, np.float32)
    return values
