"""The paper's study of networks: paths and sub-networks (section 3), depth against width."""

from rnw.lazy import import_on_use

import_on_use(__name__)
