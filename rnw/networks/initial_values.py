"""The paper's initialization of one parameter, with NumPy alone."""

from typing import Optional, Tuple

import numpy as np

Shape = Tuple[int, ...]


def initial_value(
    name: str, shape: Shape, weight_shape: Optional[Shape], rng: np.random.RandomState
) -> np.ndarray:
    """Return a parameter before training; `weight_shape` is of the weight that a bias belongs to.

    Convolutions are Gaussian with variance 2 / fan-in, a linear classifier and its bias uniform in
    +-1 / sqrt(fan-in), gammas and moving variances 1, everything else 0.
    """
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
