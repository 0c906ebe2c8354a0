"""Published numbers, the paper's tables, figures, curves and web pages."""

from rnw.lazy import import_on_use

import_on_use(__name__)
