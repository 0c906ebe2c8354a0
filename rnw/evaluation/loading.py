"""Networks loaded from weights files with the convention of poolings that is asked for."""

from typing import List, Optional, Sequence

import mxnet as mx

from rnw.errors import InputError
from rnw.files import PathLike
from rnw.weights import Loaded, load_with_meaning


def load_pooled(
    paths: Sequence[PathLike],
    contexts: Sequence[mx.Context],
    pooling: Optional[str] = None,
    network: Optional[str] = None,
) -> List[Loaded]:
    """Return the networks in weights files.

    pooling: the convention of their poolings; by default that which each file tells. network: what
    the weights belong to, whatever the files say.

    Raises InputError as `load_with_meaning`, and for a `pooling` where none of them is pooled.
    """
    options = {} if pooling is None else {"pooling": pooling}
    loaded = [load_with_meaning(path, list(contexts), network=network, **options) for path in paths]
    if options and not any(net.config.pooled for net, _ in loaded):
        raise InputError(
            f"{paths[0]}: {loaded[0].net.config.spec.name} is downsampled by convolutions, not by "
            "poolings as Model A; leave out --pooling"
        )
    return loaded
