"""From one network's parameters to another's: folded normalisations.

Every function takes parameters by the original's names and returns a new mapping of them; arrays
that do not change are shared with the old one.
"""

from typing import Dict, Mapping, Tuple

import numpy as np

from rnw.networks.layout import BN_EPSILON, NetworkConfig, foldable

Parameters = Mapping[str, np.ndarray]


def fold_batch_norms(config: NetworkConfig, parameters: Parameters) -> Dict[str, np.ndarray]:
    """Work the normalisations that alone read a convolution into that convolution.

    Each becomes a factor on the convolution's weight and a `<convolution>_bias`; its own four
    parameters go. Which they are is told by `layout.foldable`; the others stay.
    """
    folded = dict(parameters)
    for convolution, bn in foldable(config).items():
        scale, shift = _scale_and_shift(folded, bn)
        weight = parameters[f"{convolution}_weight"]
        scaled = weight * scale[:, None, None, None]
        folded[f"{convolution}_weight"] = scaled.astype(weight.dtype)
        folded[f"{convolution}_bias"] = shift.astype(weight.dtype)
    return folded


def _scale_and_shift(parameters: Dict[str, np.ndarray], bn: str) -> Tuple[np.ndarray, np.ndarray]:
    """What normalisation `bn` multiplies by and adds, (C,) float64 each; it is taken out."""
    gamma, beta, mean, variance = (
        parameters.pop(f"{bn}_{suffix}").astype(np.float64)
        for suffix in ("gamma", "beta", "moving_mean", "moving_var")
    )
    scale = gamma / np.sqrt(variance + BN_EPSILON)
    return scale, beta - mean * scale
