"""From pictures to probabilities: decoding ahead, crops, flips and devices."""

from itertools import islice
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, List, NamedTuple, Optional, Sequence

import mxnet as mx
import numpy as np
from mxnet.gluon.utils import split_and_load

from rnw.data.picture_types import Classified, Examples
from rnw.data.readers import check_aspect, decode
from rnw.data.sets.rows import Dataset
from rnw.data.transforms import normalize
from rnw.errors import InputError
from rnw.evaluation.ahead import ahead
from rnw.evaluation.classification.protocol import CROPS, Protocol
from rnw.weights.meaning import Meaning


class Model(NamedTuple):
    """A trained network with the protocol it is tested by.

    `in_training`: the network has the softmax head, takes labels and gives probabilities. `weights`
    is the file it comes from, `meaning` what that tells of the network; `fixed_size`: it takes
    crops of the protocol's size only; `outputs` is the number of classes it tells apart (None:
    those of the dataset).
    """

    net: Any
    dataset: Dataset
    contexts: List[mx.Context]
    protocol: Protocol
    in_training: bool = False
    weights: Optional[Path] = None
    fixed_size: bool = False
    outputs: Optional[int] = None
    meaning: Optional[Meaning] = None

    @property
    def classes(self) -> int:
        """The number of classes that the network tells apart."""
        return self.dataset.classes if self.outputs is None else self.outputs

    def tested_by(
        self, scales: Sequence[int] = (), crops: Optional[str] = None, flip: bool = False
    ) -> "Model":
        """The model with another protocol where one is given.

        Raises InputError for crops that the network cannot take.
        """
        protocol = self.protocol._replace(
            crops=crops or self.protocol.crops, flip=flip or self.protocol.flip
        )
        if scales:
            protocol = protocol.with_scales(scales)
        if self.fixed_size and protocol.scales != self.protocol.scales:
            raise InputError(f"the network takes crops of {self.protocol.scales[0]} only")
        return self._replace(protocol=protocol)


def picture_reader(examples: Classified) -> Callable[[int], np.ndarray]:
    """A function from the index of a picture to its pixels (H, W, 3) uint8.

    It raises InputError for what is no image, or too long and thin a one.
    """
    if isinstance(examples, Examples):
        return lambda index: examples.images[index]

    def read(index: int) -> np.ndarray:
        name = examples.name(index)
        return check_aspect(decode(examples.read(index), name), name)

    return read


def predict_batches(
    model: Model,
    read: Callable[[int], np.ndarray],
    indices: Iterable[int],
    scale: int,
    batch: int,
) -> Iterator[np.ndarray]:
    """Probabilities (n, classes) float32 of some pictures after the other, at one scale.

    They are the mean over crops and flips. At most `batch` crops, or those of one picture, go
    through the network at a time. Raises InputError for crops that are too small for the network.
    """
    if model.meaning is not None:
        model.meaning.config.check_size(scale, scale)
    pictures = max(1, batch // CROPS[model.protocol.crops].count)

    def crops(index: int) -> np.ndarray:
        return normalize(model.protocol.cut(read(index), scale))

    prepared = ahead(crops, indices, 2 * pictures)
    while True:
        chosen = list(islice(prepared, pictures))
        if not chosen:
            return
        yield _mean_over_views(model, np.stack(chosen))


def _mean_over_views(model: Model, crops: np.ndarray) -> np.ndarray:
    """Crops (n, C, 3, S, S) to the mean (n, classes) of what the network gives for each."""
    data = crops.reshape(-1, *crops.shape[2:])
    probabilities = _forward(model, data)
    if model.protocol.flipped:
        flipped = _forward(model, np.ascontiguousarray(data[..., ::-1]))
        probabilities = (probabilities + flipped) / 2
    return probabilities.reshape(*crops.shape[:2], -1).mean(axis=1)


def _forward(model: Model, data: np.ndarray) -> np.ndarray:
    parts = split_and_load(data, model.contexts[: len(data)], even_split=False)
    outputs = [_forward_part(model, part) for part in parts]
    return np.concatenate([output.asnumpy() for output in outputs])


def _forward_part(model: Model, part: mx.nd.NDArray) -> mx.nd.NDArray:
    if model.in_training:
        return model.net(part, mx.nd.zeros(len(part), ctx=part.context))
    return mx.nd.softmax(model.net(part))
