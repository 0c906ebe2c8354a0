"""Whether a list of pictures is the one that it was: a run that goes on must draw the same ones."""

import hashlib
import os
from typing import Union

import numpy as np

from rnw.data.picture_types import Examples, PictureSource


def identity(examples: Union[Examples, PictureSource]) -> str:
    """A digest of the names and labels of examples, in their order; 16 hexadecimal digits.

    It does not depend on where they lie, nor on whether they are packed, and nothing is read of the
    pictures. Embedded ones have no names, or names that stand for their labels.
    """
    digest = hashlib.blake2b(digest_size=8)
    if not isinstance(examples, Examples):
        digest.update(b"\0".join(map(os.fsencode, examples.names())))
    if hasattr(examples, "labels"):
        digest.update(b"\0\0" + np.asarray(examples.labels, "<i8").tobytes())
    return digest.hexdigest()
