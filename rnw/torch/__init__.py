"""The paper's networks as `torch.nn.Module`; PyTorch is imported when one is made, MXNet never."""

from typing import TYPE_CHECKING

from rnw.lazy import import_on_use

if TYPE_CHECKING:
    from rnw.torch.loading import load, save, warm_start
    from rnw.torch.losses import bootstrapped_cross_entropy
    from rnw.torch.network import Network, get_network

__all__ = [
    "Network",
    "bootstrapped_cross_entropy",
    "get_network",
    "load",
    "save",
    "warm_start",
]

import_on_use(
    __name__,
    {
        "Network": "rnw.torch.network",
        "bootstrapped_cross_entropy": "rnw.torch.losses",
        "get_network": "rnw.torch.network",
        "load": "rnw.torch.loading",
        "save": "rnw.torch.loading",
        "warm_start": "rnw.torch.loading",
    },
)
