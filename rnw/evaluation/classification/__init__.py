"""Evaluation of classification networks: top-1 and top-5 accuracy."""

from rnw.lazy import import_on_use

import_on_use(__name__)
