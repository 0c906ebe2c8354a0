#!/usr/bin/env python
"""Prepare PASCAL Context from the official files; the same as `rnw prepare pascal-context`."""

import sys

from rnw.cli import main

if __name__ == "__main__":
    main(["prepare", "pascal-context", *sys.argv[1:]])
