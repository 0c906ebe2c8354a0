"""What an example is: datasets, readers, transforms and batches."""

from rnw.lazy import import_on_use

import_on_use(__name__)
