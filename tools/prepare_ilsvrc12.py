#!/usr/bin/env python
"""Prepare ILSVRC 2012 from the official files; the same as `rnw prepare ilsvrc-cls`."""

import sys

from rnw.cli import main

if __name__ == "__main__":
    main(["prepare", "ilsvrc-cls", *sys.argv[1:]])
