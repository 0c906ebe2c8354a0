"""What numeric functions ask of the arrays that they are given."""

import numpy as np
from numpy.typing import ArrayLike

from rnw.errors import InputError


def check_finite(name: str, values: ArrayLike) -> None:
    """Raise InputError, by the plural `name` of some numbers, where one is NaN or infinite."""
    array = np.asarray(values)
    if array.dtype.kind not in "fc":  # whole numbers always are
        return
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise InputError(f"{name} are not finite: {bad:,} of {array.size:,} are NaN or infinite")
