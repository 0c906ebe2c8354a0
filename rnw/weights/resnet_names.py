"""Renaming of a ResNet's parameters from gluoncv (`resnet101_v1b`) and torchvision to our names.

Theirs count levels from 1 and units from 0, and differ from each other in normalizations only.
"""

import re
from typing import Dict, Mapping, Optional

import numpy as np

_IN_UNIT = re.compile(r"layer(?P<level>[1-4])\.(?P<unit>\d+)\.(?P<layer>.+)")
_LAYERS = {"conv1": "conv1", "bn1": "bn_conv1", "fc": "linear{classes}"}
_UNIT_LAYERS = {
    "downsample.0": "res{unit}_branch1",
    "downsample.1": "bn{unit}_branch1",
    "conv1": "res{unit}_branch2a",
    "bn1": "bn{unit}_branch2a",
    "conv2": "res{unit}_branch2b",
    "bn2": "bn{unit}_branch2b",
    "conv3": "res{unit}_branch2c",
    "bn3": "bn{unit}_branch2c",
}
_NORMALIZATION = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_var",
}


def rename_resnet(arrays: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """Return the entries of a ResNet's file by our names; others keep their names."""
    if not any(map(_IN_UNIT.fullmatch, arrays)):
        return dict(arrays)
    return {_ours(key, array) or key: array for key, array in arrays.items()}


def _ours(key: str, array: np.ndarray) -> Optional[str]:
    layer, _, what = key.rpartition(".")
    layers, unit = _LAYERS, ""
    inside = _IN_UNIT.fullmatch(layer)
    if inside:
        index = int(inside["unit"])
        unit = str(int(inside["level"]) + 1) + (f"b{index}" if index else "a")
        layers, layer = _UNIT_LAYERS, inside["layer"]
    if layer not in layers:
        return None
    ours = layers[layer].format(unit=unit, classes=len(array) if array.ndim else 0)
    return f"{ours}_{_NORMALIZATION.get(what, what) if ours.startswith('bn') else what}"
