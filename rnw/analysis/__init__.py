"""What the paper learns about networks: cost, speed and memory."""

from rnw.lazy import import_on_use

import_on_use(__name__)
