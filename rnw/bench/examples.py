"""Random images and labels for training steps, and the optimizer that all of them use."""

from typing import Tuple

import numpy as np

from rnw.networks.heads import IGNORED_LABEL
from rnw.networks.layout import NetworkConfig

LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 1e-3, 0.9, 1e-4
IGNORED_SHARE = 0.1  # of the labels of a segmentation network


def training_example(config: NetworkConfig, batch: int, size: int) -> Tuple[np.ndarray, np.ndarray]:
    """Return random images and labels; for segmentation, some labels are ignored ones."""
    random = np.random.RandomState(0)
    images = random.standard_normal((batch, 3, size, size)).astype(np.float32)
    if not config.segmentation:
        return images, random.randint(0, config.classes, batch).astype(np.float32)
    for layer in config.layers:
        size = layer.output_size(size)
    labels = random.randint(0, config.classes, (batch, size, size)).astype(np.float32)
    labels[random.uniform(size=labels.shape) < IGNORED_SHARE] = IGNORED_LABEL
    return images, labels
