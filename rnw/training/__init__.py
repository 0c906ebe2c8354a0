"""How numbers are learnt: the paper's recipes (sections 4 and 5) and the KVStore trainer."""

from rnw.lazy import import_on_use

import_on_use(__name__)
