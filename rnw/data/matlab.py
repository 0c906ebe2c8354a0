"""Label maps in MATLAB files."""

from pathlib import Path
from typing import Any, Callable, Mapping

import numpy as np

from rnw.errors import InputError


def read_matlab(path: Path, find: Callable[[Mapping[str, Any]], Any]) -> np.ndarray:
    """The labels (H, W) that `find` takes out of a file's variables.

    Raises InputError for a file that cannot be read and for one of another form.
    """
    from scipy.io import loadmat  # of an extra, and slow to import

    try:
        labels = find(loadmat(path))
    except Exception as error:  # of many kinds when the file is damaged
        raise InputError(f"{path}: cannot be read as a label map: {error!r}") from error
    if labels.ndim != 2 or labels.dtype.kind not in "iu":
        raise InputError(
            f"{path}: expected labels of pixels, found {labels.dtype} of shape {labels.shape}"
        )
    return labels
