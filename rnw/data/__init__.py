"""Datasets, readers of pictures and labels, transforms, and training batches."""

from rnw.lazy import import_on_use

import_on_use(__name__)
