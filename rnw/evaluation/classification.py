"""Top-1 and top-5 of a classification network, and what it sees in a picture."""

from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import mxnet as mx
import numpy as np
from mxnet.gluon import HybridBlock
from mxnet.gluon.utils import split_and_load

from rnw.data import transforms
from rnw.data.catalog import Dataset, find_dataset, read_examples
from rnw.data.readers import read_image
from rnw.errors import InputError
from rnw.files import PathLike
from rnw.networks.classifier import Network
from rnw.weights import load_network
from rnw.weights.inference import optimize
from rnw.weights.labels import parse_label
from rnw.weights.released import RELEASED


class Model(NamedTuple):
    """A trained network with the protocol it is tested by.

    `in_training`: the network has the softmax head, takes labels and gives probabilities.
    """

    net: HybridBlock
    dataset: Dataset
    contexts: List[mx.Context]
    crop: int
    interpolation: str
    in_training: bool = False


class Evaluation(NamedTuple):
    """Accuracies in per cent over all images of a split."""

    dataset: str
    split: str
    images: int
    top1: float
    top5: float


class Prediction(NamedTuple):
    """The most probable classes of an image, best first: (class, name, probability)."""

    image: str
    classes: List[Tuple[int, str, float]]


def load_model(path: PathLike, contexts: Sequence[mx.Context]) -> Model:
    """The classifier in a weights file; data set and protocol come from the file's name.

    A released file is tested as published. Raises InputError for a file that cannot be read, is no
    classifier or is for an unknown data set.
    """
    released = RELEASED.get(Path(path).name)
    label = parse_label(path)
    dataset = find_dataset(label.dataset)
    net = load_network(path, list(contexts), pooling=released.pooling if released else "pad")
    if net.config.segmentation:
        raise InputError(f"{path}: holds a segmentation network, expected a classifier")
    net = optimize(net)
    model = _own_model(net, dataset, contexts)
    if released is None:
        return model
    return model._replace(crop=released.test_size, interpolation=released.interpolation)


def _own_model(net: HybridBlock, dataset: Dataset, contexts: Sequence[mx.Context]) -> Model:
    """A network trained here with its protocol."""
    crop = int(net.config.spec.size * dataset.test_scale)
    return Model(net, dataset, list(contexts), crop, "adaptive")


def evaluate(model: Model, *, data_root: Optional[Path] = None, batch: int = 64) -> Evaluation:
    """Test a model on its data set's test split, one centre crop per image.

    Raises InputError when data is missing, naming it, and for another number of classes.
    """
    split = model.dataset.test_split
    examples = read_examples(model.dataset, split, data_root)
    probabilities = _probabilities(model, examples.images, batch)
    classes = probabilities.shape[1]
    if classes != model.dataset.classes:
        raise InputError(
            f"the network is for {classes} classes, {model.dataset.title} has "
            f"{model.dataset.classes}"
        )
    return Evaluation(
        model.dataset.name,
        split,
        len(examples.labels),
        top_accuracy(probabilities, examples.labels, 1),
        top_accuracy(probabilities, examples.labels, 5),
    )


def make_validator(
    name: str,
    contexts: Sequence[mx.Context],
    *,
    data_root: Optional[Path] = None,
    batch: int = 64,
) -> Callable[[Network], Dict[str, float]]:
    """A function that tests a network in training on data set `name` as `evaluate` does its file.

    It returns cross-entropy ("loss") and accuracies between 0 and 1 ("top-1", "top-5"). Raises
    InputError when the data is missing.
    """
    dataset = find_dataset(name)
    examples = read_examples(dataset, dataset.test_split, data_root)

    def validate(net: Network) -> Dict[str, float]:
        model = _own_model(net, dataset, contexts)._replace(in_training=True)
        probabilities = _probabilities(model, examples.images, batch)
        return {
            "loss": cross_entropy(probabilities, examples.labels),
            "top-1": top_accuracy(probabilities, examples.labels, 1) / 100,
            "top-5": top_accuracy(probabilities, examples.labels, 5) / 100,
        }

    return validate


def predict(model: Model, paths: Sequence[PathLike], *, top: int = 5) -> List[Prediction]:
    """The `top` most probable classes of each image file.

    Raises InputError for a file that is missing or no image, before any is classified.
    """
    images = [read_image(path) for path in paths]
    names = model.dataset.class_names()
    probabilities = _probabilities(model, images, batch=1)
    predictions = []
    for path, row in zip(paths, probabilities):
        best = np.argsort(-row, kind="stable")[:top]
        classes = [(int(k), names[k] if k < len(names) else str(k), float(row[k])) for k in best]
        predictions.append(Prediction(str(path), classes))
    return predictions


def top_accuracy(probabilities: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Per cent of the rows of (N, classes) whose label is among their `k` largest entries."""
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return 100.0 * float(np.mean((best == labels[:, None]).any(axis=1)))


def cross_entropy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean over the rows of (N, classes) of the negative logarithm of the label's probability."""
    true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(true, np.finfo(np.float32).tiny)).mean())


def prepare(image: np.ndarray, model: Model) -> np.ndarray:
    """The centre crop (crop, crop, 3) uint8 that the network sees of an image."""
    scaled = transforms.scale_shorter_side(image, model.crop, model.interpolation)
    return transforms.center_crop(scaled, model.crop)


def _probabilities(model: Model, images: Sequence[np.ndarray], batch: int) -> np.ndarray:
    batches = _forward(model, images, batch)
    return np.concatenate([part.asnumpy() for parts in batches for part in parts])


def _forward(model: Model, images: Sequence[np.ndarray], batch: int) -> Iterator[List[Any]]:
    for start in range(0, len(images), batch):
        crops = np.stack([prepare(image, model) for image in images[start : start + batch]])
        contexts = model.contexts[: len(crops)]
        data = transforms.normalize(crops)
        parts = split_and_load(data, contexts, even_split=False)
        yield [_forward_part(model, part) for part in parts]


def _forward_part(model: Model, part: mx.nd.NDArray) -> mx.nd.NDArray:
    if model.in_training:
        return model.net(part, mx.nd.zeros(len(part), ctx=part.context))
    return mx.nd.softmax(model.net(part))
