#!/usr/bin/env python
"""Prepare PASCAL VOC 2012, SBD and COCO from the official files; the same as `rnw prepare voc`."""

import sys

from rnw.cli import main

if __name__ == "__main__":
    main(["prepare", "voc", *sys.argv[1:]])
