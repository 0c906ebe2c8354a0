"""The MXNet Gluon home of "Wider or Deeper: Revisiting the ResNet Model for Visual Recognition".

Z. Wu, C. Shen, A. van den Hengel, arXiv 1611.10080. The names below load MXNet on first use.
"""

import importlib

from rnw import runtime

__version__ = "0.1.0"
__all__ = ["get_network", "load_params", "optimize", "save_params"]

_PUBLIC = {
    "get_network": "rnw.networks.classifier",
    "load_params": "rnw.weights",
    "optimize": "rnw.weights.optimize",
    "save_params": "rnw.weights",
}

runtime.prepare_on_import()


def __getattr__(name: str):
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(list(globals()) + __all__)
