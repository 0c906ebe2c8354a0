"""The networks that are analyzed, and the images that they are analyzed on."""

import re
from collections import Counter
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

import mxnet as mx
import numpy as np

from rnw.analysis.chains import Link, chain_of
from rnw.data.picture_types import IMAGENET, Normalization
from rnw.data.sets import cifar10
from rnw.data.sets.catalog import find_dataset
from rnw.data.sets.reading import read_examples
from rnw.data.sets.rows import Dataset
from rnw.data.sets.subsets import match_labels
from rnw.data.transforms import normalize
from rnw.errors import InputError
from rnw.evaluation.classification.baselines import Baseline, download_weights, load_baseline
from rnw.evaluation.classification.model import (
    BASELINE_DATASET,
    describe_model,
    picture_reader,
)
from rnw.evaluation.classification.protocol import Protocol, own_protocol
from rnw.evaluation.engines.mxnet import classify
from rnw.files import PathLike
from rnw.networks.classifier import get_network
from rnw.training.initializers import initialize
from rnw.weights import load_with_meaning
from rnw.weights.meaning import Meaning

_GLUONCV = re.compile(r"(cifar_)?resnet\d+_v(1|1b|2)")
_GLUONCV_PROTOCOLS = {"cifar10": Protocol((32,)), BASELINE_DATASET: Protocol((224,))}


class Subject(NamedTuple):
    """A network to analyze, as a chain of residual units.

    weights: in words, where its parameters come from. meaning: how the network was inferred from a
    weights file of this package. normalization: how the network is given pictures.
    """

    name: str
    weights: str
    chain: List[Link]
    dataset: Dataset
    classes: int
    protocol: Protocol
    context: mx.Context
    meaning: Optional[Meaning] = None
    normalization: Normalization = IMAGENET


def load_subject(path: PathLike, context: mx.Context, dataset: Optional[str] = None) -> Subject:
    """Load the network in a weights file, of this package or of a ResNet from gluoncv.

    A file named `cifar_resnet110_v1-<anything>.params` or alike holds that ResNet from gluoncv;
    others are classifiers of this package, which `dataset` replaces the dataset of.

    Raises InputError for a file that cannot be read or that holds another kind of network.
    """
    name = Path(path).stem.partition("-")[0]
    if _GLUONCV.fullmatch(name):
        return _load_gluoncv(_gluoncv_row(name), Path(path), context)
    given = None if dataset is None else find_dataset(dataset)
    net, meaning = load_with_meaning(path, [context])
    config = net.config
    if config.segmentation:
        raise InputError(f"{path}: holds a segmentation network, expected a classifier")
    config.check_rgb()
    model = describe_model(path, meaning, classify(net, [context]), dataset=given)
    config.check_size(model.protocol.scales[0], model.protocol.scales[0])
    name = config.spec.name + (f" (width {config.width:g})" if config.width != 1 else "")
    weights, classes = Path(path).name, model.classes
    return Subject(
        name,
        weights,
        chain_of(net),
        model.dataset,
        classes,
        model.protocol,
        context,
        model.meaning,
        model.normalization,
    )


def find_subject(name: str, context: mx.Context, dataset: Optional[str] = None) -> Subject:
    """Return a network by name: a ResNet from gluoncv with its weights, or one of this package.

    The weights of gluoncv are downloaded if needed; a network of this package, made for `dataset`,
    has the initial values of seed 0.

    Raises InputError for an unknown name, a segmentation network, and weights that cannot be
    downloaded.
    """
    if _GLUONCV.fullmatch(name):
        row = _gluoncv_row(name)
        return _load_gluoncv(row, download_weights(row), context)
    found = find_dataset(dataset or BASELINE_DATASET)
    net = get_network(name, found.classes)
    if net.config.segmentation:
        raise InputError(f"{name}: is a segmentation network, expected a classifier")
    initialize(net, [context], np.random.RandomState(0))
    protocol = own_protocol(found, net.config.spec.size)
    return Subject(
        net.config.spec.name,
        "initial values, not trained",
        chain_of(net),
        found,
        found.classes,
        protocol,
        context,
        normalization=found.normalization,
    )


def tell_apart(subjects: Sequence[Subject]) -> List[Subject]:
    """Add to names that several have, as at several stages of a run, which weights are meant."""
    having = Counter(subject.name for subject in subjects)
    return [
        s._replace(name=f"{s.name}, {_stage(s.weights)}") if having[s.name] > 1 else s
        for s in subjects
    ]


def _stage(weights: str) -> str:
    epoch = re.search(r"_ep-0*(\d+)\.", weights)
    return f"epoch {epoch[1]}" if epoch else weights


def _gluoncv_row(name: str) -> Baseline:
    from gluoncv.model_zoo.model_zoo import get_model_list  # slow, and for these alone

    if name not in get_model_list():
        raise InputError(f"gluoncv has no network {name!r}")
    return Baseline(name, name, _GLUONCV_PROTOCOLS[_gluoncv_dataset(name).name])


def _gluoncv_dataset(name: str) -> Dataset:
    return cifar10.DATASET if name.startswith("cifar_") else find_dataset(BASELINE_DATASET)


def _load_gluoncv(row: Baseline, path: Path, context: mx.Context) -> Subject:
    chain, dataset = chain_of(load_baseline(row, path, [context])), _gluoncv_dataset(row.name)
    subject = Subject(row.title, path.name, chain, dataset, dataset.classes, row.protocol, context)
    of_cifar = dataset is cifar10.DATASET
    return subject._replace(normalization=cifar10.NORMALIZATION) if of_cifar else subject


class Batches:
    """Batches of the test split as (images (N, 3, H, W), labels (N,)), each decoded in its turn.

    `number` images are drawn without repetition, or all if there are no more. N is `batch`, or what
    is left in the last one. Raises InputError for missing data.
    """

    def __init__(
        self,
        subject: Subject,
        number: int,
        batch: int,
        *,
        seed: int = 0,
        data_root: Optional[Path] = None,
    ):
        dataset, split = subject.dataset, subject.dataset.test_split
        examples = read_examples(dataset, split, data_root)
        self._read = picture_reader(examples)
        self._labels = match_labels(
            dataset, split, data_root, examples.labels, subject.classes, "the network"
        )
        drawn = np.random.RandomState(seed).permutation(len(self._labels))[:number]
        self._parts = [drawn[start : start + batch] for start in range(0, len(drawn), batch)]
        self._subject = subject

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[Tuple[mx.nd.NDArray, mx.nd.NDArray]]:
        return map(self._read_batch, self._parts)

    def _read_batch(self, chosen: np.ndarray) -> Tuple[mx.nd.NDArray, mx.nd.NDArray]:
        protocol, context = self._subject.protocol, self._subject.context
        crops = [protocol.cut(self._read(picture), protocol.scales[0])[0] for picture in chosen]
        images = normalize(np.stack(crops), *self._subject.normalization)
        return mx.nd.array(images, ctx=context), mx.nd.array(self._labels[chosen], ctx=context)
