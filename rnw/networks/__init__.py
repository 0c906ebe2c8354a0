"""The paper's networks (sections 3 to 5): what a network is, and its Gluon blocks."""

from rnw.lazy import import_on_use

import_on_use(__name__)
