"""Datasets of your own: described by a file, or by the folders in which they lie."""

from rnw.lazy import import_on_use

import_on_use(__name__)
