"""Classification networks with the protocol they are tested by: from pictures to probabilities."""

from itertools import islice
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Iterable,
    Iterator,
    NamedTuple,
    Optional,
    Sequence,
)

import numpy as np

from rnw.data.ahead import ahead
from rnw.data.picture_types import IMAGENET, Classified, Examples, Normalization
from rnw.data.readers import check_aspect, read_picture
from rnw.data.sets.catalog import find_dataset
from rnw.data.sets.numbered import dataset_or_numbered
from rnw.data.sets.rows import Dataset, Row
from rnw.data.transforms import normalize
from rnw.errors import InputError
from rnw.evaluation.classification.baselines import (
    Baseline,
    baseline_of,
    download_weights,
    find_baseline,
    load_baseline,
)
from rnw.evaluation.classification.protocol import CROPS, Protocol, own_protocol, released_protocol
from rnw.evaluation.computing import REFERENCE, Computing
from rnw.evaluation.described import dataset_beside_weights
from rnw.evaluation.engines.table import MXNET, Forward
from rnw.evaluation.loading import read_pooled
from rnw.files import PathLike
from rnw.weights import Recognized
from rnw.weights.meaning import Meaning
from rnw.weights.precision import FLOAT32
from rnw.weights.released import ReleasedFile, released_row

if TYPE_CHECKING:
    from rnw.networks.classifier import Network

BASELINE_DATASET = "ilsvrc-cls"


class Model(NamedTuple):
    """A trained network with the protocol it is tested by.

    forward: the network as a function, from pictures to probabilities.
    weights: the file it was loaded from.
    fixed_size: it takes crops of the protocol's size only.
    outputs: the number of classes that it distinguishes (None: those of the dataset).
    meaning: how the network in the file was recognized.
    normalization: how it is given pictures.
    trained_on: the dataset that is described beside the file; None where none is.
    computing: what computes it.
    """

    forward: Forward
    dataset: Dataset
    protocol: Protocol
    weights: Optional[Path] = None
    fixed_size: bool = False
    outputs: Optional[int] = None
    meaning: Optional[Meaning] = None
    normalization: Normalization = IMAGENET
    trained_on: Optional[Row] = None
    computing: Computing = REFERENCE

    @property
    def classes(self) -> int:
        """The number of classes that the network tells apart."""
        return self.dataset.classes if self.outputs is None else self.outputs

    def tested_by(
        self,
        scales: Sequence[int] = (),
        crops: Optional[str] = None,
        flip: bool = False,
        interpolation: Optional[str] = None,
    ) -> "Model":
        """Return the model with another protocol where one is given.

        Raises InputError for crops that the network cannot take.
        """
        protocol = self.protocol._replace(
            crops=crops or self.protocol.crops,
            flip=flip or self.protocol.flip,
            interpolation=interpolation or self.protocol.interpolation,
        )
        if scales:
            protocol = protocol.with_scales(scales)
        if self.fixed_size and protocol.scales != self.protocol.scales:
            raise InputError(
                f"the network takes crops of {self.protocol.scales[0]} only; leave out --scales"
            )
        return self._replace(protocol=protocol)


def load_model(
    path: Optional[PathLike],
    devices: Sequence[Any],
    baseline: Optional[str] = None,
    *,
    dataset: Optional[str] = None,
    network: Optional[str] = None,
    pooling: Optional[str] = None,
    computing: Computing = REFERENCE,
) -> Model:
    """Return the classifier in a weights file; dataset and protocol come from the file's name.

    devices: those that the engine has opened; contexts of MXNet.
    dataset: replaces that of the name; the classes of an unknown dataset are numbered.
    network: that which the weights belong to, whatever the file says.
    baseline: the name of a network of gluoncv's. Such a file is otherwise recognized by its name,
        as `resnet101_v1-d988c13d.params`; without a path gluoncv downloads it.
    pooling: the convention of its poolings, by default that which the file tells.
    computing: the engine and the precision.

    A released file is tested as published. Raises InputError for a file that cannot be read or is
    not a classifier, for an unknown `dataset`, for a `pooling` of a network that has none, and for
    a precision that the engine does not compute in.
    """
    row = find_baseline(baseline) if baseline else baseline_of(path) if path else None
    if row is not None:
        _check_baseline(row, dataset, network, pooling, computing)
        return _load_baseline(row, path or download_weights(row), devices)
    if path is None:
        raise InputError("expected a weights file, or the name of a baseline")
    given = None if dataset is None else find_dataset(dataset)
    (found,) = read_pooled([path], pooling, network)
    return model_of_file(path, found, devices, given, computing)


def model_of_file(
    path: PathLike,
    found: Recognized,
    devices: Sequence[Any],
    dataset: Optional[Dataset] = None,
    computing: Computing = REFERENCE,
) -> Model:
    """Return the classifier that was found in a weights file, as `load_model` does."""
    meaning, parameters = found
    if meaning.config.segmentation:
        raise InputError(
            f"{path}: holds a segmentation network, expected a classifier; `rnw eval-seg` takes it"
        )
    forward = computing.make_forward(meaning.config, parameters, devices)
    model = describe_model(path, meaning, forward, dataset=dataset)
    return model._replace(computing=computing.on(devices))


def describe_model(
    path: PathLike, meaning: Meaning, forward: Forward, *, dataset: Optional[Dataset] = None
) -> Model:
    """Return a classifier with all that its weights file, and what lies beside it, say of it."""
    beside = dataset_beside_weights(path)
    chosen = dataset or _told_dataset(beside, meaning)
    config = meaning.config
    model = Model(
        forward,
        chosen,
        own_protocol(chosen, config.spec.size),
        weights=Path(path),
        outputs=config.classes,
        meaning=meaning,
        normalization=(beside or chosen).normalization,
        trained_on=beside,
    )
    released = released_of(model)
    return model._replace(protocol=released_protocol(released)) if released else model


def _told_dataset(beside: Optional[Row], meaning: Meaning) -> Dataset:
    """The dataset that lies beside the file or that its name tells."""
    if isinstance(beside, Dataset):
        return beside
    return dataset_or_numbered(meaning.dataset, meaning.config.classes)


def released_of(model: Model) -> Optional[ReleasedFile]:
    """Return the row of a released file that is tested on its own dataset."""
    if model.weights is None or model.meaning is None:
        return None
    return released_row(model.weights) if model.dataset.name == model.meaning.dataset else None


def _check_baseline(
    row: Baseline,
    dataset: Optional[str],
    network: Optional[str],
    pooling: Optional[str],
    computing: Computing,
) -> None:
    """Raise InputError for what `load_model` cannot do with a network of gluoncv."""
    if dataset not in (None, BASELINE_DATASET):
        raise InputError(f"{row.name}: is for {BASELINE_DATASET}; leave out --dataset {dataset}")
    if pooling is not None:
        raise InputError(f"{row.name}: has the poolings of gluoncv; leave out --pooling")
    if network is not None:
        raise InputError(f"{row.name}: is a network of gluoncv; leave out --network {network}")
    if computing.engine != MXNET:
        raise InputError(
            f"{row.name}: is a network of gluoncv, which MXNet alone computes; expected "
            f"--engine {MXNET}, found {computing.engine}"
        )
    if computing.precision != FLOAT32:
        raise InputError(
            f"{row.name}: is a network of gluoncv, which is computed in {FLOAT32} alone; leave "
            f"out --precision {computing.precision}"
        )


def _load_baseline(baseline: Baseline, path: PathLike, contexts: Sequence[Any]) -> Model:
    from rnw.evaluation.engines.mxnet import classify  # starts MXNet

    net = load_baseline(baseline, path, list(contexts))
    net.hybridize(static_alloc=True, static_shape=True)
    return Model(
        classify(net, contexts),
        find_dataset(BASELINE_DATASET),
        baseline.protocol,
        weights=Path(path),
        fixed_size=baseline.fixed_size,
    )


def own_model(net: "Network", dataset: Dataset, contexts: Sequence[Any]) -> Model:
    """Return a network, as it is now, tested by MXNet and the protocol of its size and dataset.

    Raises InputError for a network that does not take RGB pictures.
    """
    from rnw.evaluation.engines.mxnet import classify  # starts MXNet

    config = net.config
    config.check_rgb()
    return Model(
        classify(net, contexts, in_training=config.takes_label),
        dataset,
        own_protocol(dataset, config.spec.size),
        outputs=config.classes,
        normalization=dataset.normalization,
    )


def picture_reader(examples: Classified) -> Callable[[int], np.ndarray]:
    """Return a function from the index of a picture to its pixels (H, W, 3) uint8.

    It raises InputError for what is no image, or too long and thin a one.
    """
    if isinstance(examples, Examples):
        return lambda index: examples.images[index]

    def read(index: int) -> np.ndarray:
        return check_aspect(read_picture(examples, index), examples.name(index))

    return read


def predict_batches(
    model: Model,
    read: Callable[[int], np.ndarray],
    indices: Iterable[int],
    scale: int,
    batch: int,
) -> Iterator[np.ndarray]:
    """Yield the probabilities (n, classes) float32 of batch after batch of pictures, at one scale.

    They are the mean over crops and flips. At most `batch` crops, or those of one picture, go
    through the network at a time. Raises InputError for crops that are too small for the network.
    """
    if model.meaning is not None:
        model.meaning.config.check_size(scale, scale)
    pictures = max(1, batch // CROPS[model.protocol.crops].number)

    def crops(index: int) -> np.ndarray:
        return normalize(model.protocol.cut(read(index), scale), *model.normalization)

    prepared = ahead(crops, indices, 2 * pictures)
    while True:
        chosen = list(islice(prepared, pictures))
        if not chosen:
            return
        yield _mean_over_views(model, np.stack(chosen))


def average_scales(
    model: Model, read: Callable[[int], np.ndarray], images: int, batch: int
) -> np.ndarray:
    """Return probabilities (images, classes) float32, the mean over the scales of the protocol."""
    by_scale = [
        np.concatenate(list(predict_batches(model, read, range(images), scale, batch)))
        for scale in model.protocol.scales
    ]
    return np.mean(by_scale, axis=0)


def _mean_over_views(model: Model, crops: np.ndarray) -> np.ndarray:
    """Crops (n, C, 3, S, S) to the mean (n, classes) of what the network gives for each."""
    data = crops.reshape(-1, *crops.shape[2:])
    probabilities = model.forward(data)
    if model.protocol.flipped:
        flipped = model.forward(np.ascontiguousarray(data[..., ::-1]))
        probabilities = (probabilities + flipped) / 2
    return probabilities.reshape(*crops.shape[:2], -1).mean(axis=1)
