#!/usr/bin/env python
"""Convert weights between the published format and Gluon's; the same as `rnw convert`."""

import sys

from rnw.cli import main

if __name__ == "__main__":
    main(["convert", *sys.argv[1:]])
