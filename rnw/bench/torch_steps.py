"""A training step of the same network by PyTorch on the CPU, with and without its checkpoints."""

from dataclasses import replace
from typing import Callable

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from rnw.bench.examples import LEARNING_RATE, MOMENTUM, WEIGHT_DECAY
from rnw.networks.heads import IGNORED_LABEL
from rnw.networks.layers import CLASSIFIER
from rnw.networks.layout import NetworkConfig
from rnw.runtime import computing_threads
from rnw.torch.network import Network, build, initialize


def torch_step(
    config: NetworkConfig, images: np.ndarray, labels: np.ndarray, *, checkpointed: bool
) -> Callable[[], None]:
    """Return a function that takes a step on (N, 3, H, W) float32 images and their labels.

    checkpointed: keep the input of each unit, pooling and convolution only, and compute the rest
        again in the backward pass.
    """
    torch.set_num_threads(computing_threads())
    net = build(replace(config, head="logits"))
    initialize(net)
    optimizer = torch.optim.SGD(
        net.parameters(), LEARNING_RATE, MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True
    )
    x, y = torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))
    forward = _checkpointed(net) if checkpointed else net

    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(forward(x), y, ignore_index=IGNORED_LABEL).backward()
        optimizer.step()

    return step


def _checkpointed(net: Network) -> Callable[[torch.Tensor], torch.Tensor]:
    def forward(x: torch.Tensor) -> torch.Tensor:
        for name, module in net.items():
            again = name != CLASSIFIER
            x = checkpoint(module, x, use_reentrant=False) if again else module(x)
        return x

    return forward
