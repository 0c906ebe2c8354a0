#!/usr/bin/env python
"""Prepare a dataset from its official files; the same as `rnw prepare DATASET FOLDER...`."""

import sys

from rnw.cli import main

if __name__ == "__main__":
    main(["prepare", *sys.argv[1:]])
