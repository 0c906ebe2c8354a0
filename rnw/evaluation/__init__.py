"""Evaluation of networks: test protocols and metrics (section 6 of the paper)."""

from rnw.lazy import import_on_use

import_on_use(__name__)
