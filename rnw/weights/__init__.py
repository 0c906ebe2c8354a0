"""Weights of trained networks: reading, writing and converting files, and filling networks.

What is listed in `__all__` is imported when it is first used.
"""

from typing import TYPE_CHECKING

from rnw.lazy import import_on_use

if TYPE_CHECKING:
    from rnw.weights.loading import (
        Loaded,
        Recognized,
        Transfer,
        load_network,
        load_params,
        load_with_meaning,
        make_network,
        parameter_values,
        plan_transfer,
        read_with_meaning,
        save_params,
        wait_for_statistics,
        warm_start,
    )

__all__ = [
    "Loaded",
    "Recognized",
    "Transfer",
    "load_network",
    "load_params",
    "load_with_meaning",
    "make_network",
    "parameter_values",
    "plan_transfer",
    "read_with_meaning",
    "save_params",
    "wait_for_statistics",
    "warm_start",
]

import_on_use(__name__, dict.fromkeys(__all__, "rnw.weights.loading"))
