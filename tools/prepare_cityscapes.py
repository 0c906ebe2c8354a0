#!/usr/bin/env python
"""Prepare Cityscapes from the official files; the same as `rnw prepare cityscapes`."""

import sys

from rnw.cli import main

if __name__ == "__main__":
    main(["prepare", "cityscapes", *sys.argv[1:]])
