"""TABLE of datasets: one file for each, and the catalog that lists them."""

from rnw.lazy import import_on_use

import_on_use(__name__)
