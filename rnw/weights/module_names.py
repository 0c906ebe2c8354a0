"""The names in a `state_dict` of `rnw.torch`: `<block>.<layer>.<parameter>`, layers the original's.

Those of a batch normalization are PyTorch's, such as `res4b2.bn4b2_branch2a.running_mean` for the
original's `bn4b2_branch2a_moving_mean`.
"""

import re
from typing import Dict, Mapping, Optional

import numpy as np

from rnw.networks.layers import CLASSIFIER, is_classifier

_NORMALIZATION = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_var": "running_var",
}
_THEIRS = {theirs: ours for ours, theirs in _NORMALIZATION.items()}
_KEY = re.compile(
    r"(?:.+\.)?(?P<layer>conv1a?|conv6a|linear\d+|bn7|bn_conv1|(?:bn|res)\d[ab]\d*_branch\w+)"
    r"\.(?P<what>weight|bias|running_mean|running_var)"
)
_IN_UNIT = re.compile(r"res(\d[ab]\d*)\.(?:bn|res)\1_branch\w+\.\w+")
_OURS = re.compile(r"(?P<layer>.+?)_(?P<what>weight|bias|gamma|beta|moving_mean|moving_var)")
_UNIT = re.compile(r"(?:bn|res)(\d[ab]\d*)_branch")


def original_name(key: str) -> Optional[str]:
    """Return the original's name of an entry, None for one that is no parameter of a network."""
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    layer, what = match["layer"], match["what"]
    return f"{layer}_{_THEIRS[what] if layer.startswith('bn') else what}"


def module_key(name: str) -> str:
    """Return the name of the entry for a parameter; what is none of a network keeps its name."""
    match = _OURS.fullmatch(name)
    if match is None:
        return name
    layer, what = match["layer"], _NORMALIZATION.get(match["what"], match["what"])
    unit = _UNIT.match(layer)
    block = f"res{unit[1]}." if unit else f"{CLASSIFIER}." * is_classifier(layer)
    return f"{block}{layer}.{what}"


def rename_modules(arrays: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """Return the entries of a file of `rnw.torch` by the original's names, others as is."""
    if not any(map(_IN_UNIT.fullmatch, arrays)):
        return dict(arrays)
    return {original_name(key) or key: array for key, array in arrays.items()}
