"""Label maps in MATLAB files."""

import io
from pathlib import Path
from typing import Any, Callable, Mapping

import numpy as np

from rnw.errors import InputError
from rnw.files import read_bytes


def read_matlab(path: Path, find: Callable[[Mapping[str, Any]], Any], largest: int) -> np.ndarray:
    """The labels (H, W), whole numbers, that `find` takes out of a file's variables.

    Raises InputError for a file that cannot be read, for one of another form, and for labels that
    are not between 0 and `largest`.
    """
    from scipy.io import loadmat  # of an extra, and slow to import

    content = read_bytes(path)
    try:
        labels = np.asarray(find(loadmat(io.BytesIO(content))))
    except Exception as error:  # of many kinds when the file is damaged
        raise InputError(f"{path}: cannot be read as a label map: {error!r}") from error
    if labels.ndim != 2 or not labels.size or labels.dtype.kind not in "iu":
        raise InputError(
            f"{path}: expected labels of pixels, found {labels.dtype} of shape {labels.shape}"
        )
    if not 0 <= labels.min() <= labels.max() <= largest:
        raise InputError(
            f"{path}: has labels {labels.min()} to {labels.max()}, expected 0 to {largest}"
        )
    return labels
