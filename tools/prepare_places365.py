#!/usr/bin/env python
"""Prepare Places365 from the official files; the same as `rnw prepare places365-cls`."""

import sys

from rnw.cli import main

if __name__ == "__main__":
    main(["prepare", "places365-cls", *sys.argv[1:]])
