"""Measurements of speed and memory on this machine: one module for each `rnw bench` command."""

from rnw.lazy import import_on_use

import_on_use(__name__)
