"""What speed, memory and fidelity are on this machine: one file for each `rnw bench` command."""

from rnw.lazy import import_on_use

import_on_use(__name__)
