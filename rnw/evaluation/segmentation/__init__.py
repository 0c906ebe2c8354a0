"""Evaluation of segmentation networks: pixel accuracy and intersection over union."""

from rnw.lazy import import_on_use

import_on_use(__name__)
