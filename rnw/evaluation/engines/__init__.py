"""Engines: what computes a network for evaluation, MXNet or a library that runs ONNX graphs."""

from rnw.lazy import import_on_use

import_on_use(__name__)
