#!/usr/bin/env python
"""Prepare ADE20K from the official files; the same as `rnw prepare ade20k`."""

import sys

from rnw.cli import main

if __name__ == "__main__":
    main(["prepare", "ade20k", *sys.argv[1:]])
