"""The networks of "Wider or Deeper: Revisiting the ResNet Model for Visual Recognition" in MXNet.

Z. Wu, C. Shen, A. van den Hengel, arXiv 1611.10080. What is listed in `__all__`, and every package
of rnw, is imported when it is first used; importing rnw alone does not start MXNet.
"""

from typing import TYPE_CHECKING

from rnw import runtime
from rnw.lazy import import_on_use

if TYPE_CHECKING:
    from rnw import analysis, bench, data, evaluation, networks, reports, training, weights
    from rnw.api import datasets, evaluate, list_networks, predict
    from rnw.data.sets.gluon import get_dataset
    from rnw.networks.classifier import get_network
    from rnw.training.run import train
    from rnw.weights import load_network, load_params, save_params, warm_start
    from rnw.weights.optimize import optimize

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "analysis",
    "bench",
    "data",
    "datasets",
    "evaluate",
    "evaluation",
    "get_dataset",
    "get_network",
    "list_networks",
    "load_network",
    "load_params",
    "networks",
    "optimize",
    "predict",
    "reports",
    "runtime",
    "save_params",
    "train",
    "training",
    "warm_start",
    "weights",
]

runtime.prepare_on_import()
import_on_use(
    __name__,
    {
        "datasets": "rnw.api",
        "evaluate": "rnw.api",
        "get_dataset": "rnw.data.sets.gluon",
        "get_network": "rnw.networks.classifier",
        "list_networks": "rnw.api",
        "load_network": "rnw.weights",
        "load_params": "rnw.weights",
        "optimize": "rnw.weights.optimize",
        "predict": "rnw.api",
        "save_params": "rnw.weights",
        "train": "rnw.training.run",
        "warm_start": "rnw.weights",
    },
)
