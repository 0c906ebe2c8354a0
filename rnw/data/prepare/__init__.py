"""Preparation of datasets: from official archives to folders, lists and packs."""

from rnw.lazy import import_on_use

import_on_use(__name__)
