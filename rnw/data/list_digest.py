"""A digest of a list of pictures, by which a resumed run checks that it reads the same ones."""

import hashlib
import os
from typing import Union

import numpy as np

from rnw.data.picture_types import Examples, PictureSource


def list_digest(examples: Union[Examples, PictureSource]) -> str:
    """Return a digest of the names and labels of examples, in order, as 16 hexadecimal digits.

    It does not depend on the folder of the pictures, nor on whether they are packed; the pictures
    themselves are not read. Embedded examples have no names, or names that determine their labels.
    """
    digest = hashlib.blake2b(digest_size=8)
    if not isinstance(examples, Examples):
        digest.update(b"\0".join(map(os.fsencode, examples.names())))
    if hasattr(examples, "labels"):
        digest.update(b"\0\0" + np.asarray(examples.labels, "<i8").tobytes())
    return digest.hexdigest()
