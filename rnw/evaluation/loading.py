"""Weights files read with the convention of poolings that is asked for."""

from typing import List, Optional, Sequence

from rnw.errors import InputError
from rnw.files import PathLike
from rnw.weights import Recognized, read_with_meaning


def read_pooled(
    paths: Sequence[PathLike], pooling: Optional[str] = None, network: Optional[str] = None
) -> List[Recognized]:
    """Return what weights files hold.

    pooling: the convention of their poolings; by default that which each file tells. network: what
    the weights belong to, whatever the files say.

    Raises InputError as `read_with_meaning`, and for a `pooling` where none of them is pooled.
    """
    options = {} if pooling is None else {"pooling": pooling}
    found = [read_with_meaning(path, network=network, **options) for path in paths]
    if options and not any(meaning.config.pooled for meaning, _ in found):
        raise InputError(
            f"{paths[0]}: {found[0].meaning.config.spec.name} is downsampled by convolutions, not "
            "by poolings as Model A; leave out --pooling"
        )
    return found
