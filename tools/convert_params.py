#!/usr/bin/env python
"""Convert weights files from one kind to another; the same as `rnw convert`."""

import sys

from rnw.cli import main

if __name__ == "__main__":
    main(["convert", *sys.argv[1:]])
