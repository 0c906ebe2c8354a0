"""Top-1 and top-5 of a classification network, and what it sees in a picture."""

import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import mxnet as mx
import numpy as np

from rnw.data.picture_types import Classified
from rnw.data.sets.catalog import find_dataset, prepared_classes, read_examples
from rnw.data.sets.numbered import dataset_or_numbered, numbering_note
from rnw.data.sets.rows import Dataset
from rnw.data.sets.subsets import match_labels, with_labels
from rnw.errors import InputError
from rnw.evaluation.classification.baselines import (
    Baseline,
    baseline_of,
    download_weights,
    find_baseline,
    load_baseline,
)
from rnw.evaluation.classification.kept import Kept, fingerprint, make_folder_to_keep
from rnw.evaluation.classification.model import Model, picture_reader, predict_batches
from rnw.evaluation.classification.protocol import Protocol
from rnw.evaluation.classification.scores import (
    Accuracy,
    ClassAccuracy,
    accuracy,
    class_accuracies,
    cross_entropy,
    top_accuracy,
    top_classes,
)
from rnw.evaluation.classification.submission import (
    check_predictions_file,
    find_numbering,
    write_predictions,
)
from rnw.evaluation.photographs import OnBad, find_images, read_photographs, stop_at
from rnw.files import PathLike, md5
from rnw.locks import alone_in
from rnw.networks.classifier import Network
from rnw.weights import load_with_meaning
from rnw.weights.meaning import Meaning
from rnw.weights.optimize import optimize
from rnw.weights.released import ReleasedFile, published_of, released_row

BASELINE_DATASET = "ilsvrc-cls"


class Evaluation(NamedTuple):
    """Accuracies over all images of a split.

    `accuracy` is that of the probabilities averaged over the scales; `scales` has each scale's
    alone, the largest first, `classes` those of each class. `published` is the published protocol
    and score of a released file tested as published; `numbering` is what a submission numbers
    classes by; `subset` is the number of classes if the data was prepared with fewer than the
    official ones, `by_name` whether its labels were taken by name as those of all classes.
    `meaning` is what told the network; `note` says of which dataset nothing is known.
    """

    dataset: str
    split: str
    images: int
    protocol: Protocol
    accuracy: Accuracy
    scales: Dict[int, Accuracy]
    classes: List[ClassAccuracy]
    published: Optional[str] = None
    numbering: Optional[str] = None
    subset: Optional[int] = None
    by_name: bool = False
    meaning: Optional[Meaning] = None
    note: str = ""

    @property
    def top1(self) -> float:
        """Top-1 accuracy in percent."""
        return self.accuracy.top1

    @property
    def top5(self) -> float:
        """Top-5 accuracy in percent."""
        return self.accuracy.top5


class Tested(NamedTuple):
    """How far an evaluation is: `step` of `steps` images over all scales.

    `top1` and `top5` are the accuracies in percent so far at the present `scale`.
    """

    scale: int
    step: int
    steps: int
    top1: float
    top5: float
    images_per_second: float

    def __str__(self) -> str:
        return (
            f"{self.step}/{self.steps} images, scale {self.scale}: top-1 {self.top1:.2f} %, "
            f"top-5 {self.top5:.2f} %, {self.images_per_second:.1f} images/s"
        )

    def short(self) -> str:
        """The same in so few words that a bar fits beside them."""
        return f"{self.scale}: {self.top1:.2f} {self.top5:.2f} {self.images_per_second:.0f} img/s"


Hook = Callable[[Tested], None]


class Prediction(NamedTuple):
    """The most probable classes of an image, best first: (class, name, probability)."""

    image: str
    classes: List[Tuple[int, str, float]]

    def as_dict(self) -> Dict[str, Any]:
        """Everything in plain types."""
        keys = ("class", "name", "probability")
        return {"image": self.image, "classes": [dict(zip(keys, entry)) for entry in self.classes]}


def load_model(
    path: Optional[PathLike],
    contexts: Sequence[mx.Context],
    baseline: Optional[str] = None,
    *,
    dataset: Optional[str] = None,
    optimized: bool = True,
) -> Model:
    """The classifier in a weights file; dataset and protocol come from the file's name.

    `dataset` is another one; the classes of a dataset that is not known are numbered.

    A released file is tested as published. A file of gluoncv's is known by its name, as
    `resnet101_v1-d988c13d.params`, or by `baseline`, the name of the network; with no path gluoncv
    downloads it. `optimized` makes of a network of this package what `optimize` does.

    Raises InputError for a file that cannot be read or is no classifier, and for an unknown
    `dataset`.
    """
    row = find_baseline(baseline) if baseline else baseline_of(path)
    if row is not None:
        if dataset not in (None, BASELINE_DATASET):
            raise InputError(f"{row.name}: is for {BASELINE_DATASET}, found --dataset {dataset}")
        return _load_baseline(row, path or download_weights(row), contexts)
    given = None if dataset is None else find_dataset(dataset)
    net, meaning = load_with_meaning(path, list(contexts))
    if net.config.segmentation:
        raise InputError(f"{path}: holds a segmentation network, expected a classifier")
    chosen = given or dataset_or_numbered(meaning.dataset, net.config.classes)
    model = _own_model(optimize(net) if optimized else net, chosen, contexts)
    model = model._replace(weights=Path(path), meaning=meaning)
    released = _released(model)
    return model._replace(protocol=_released_protocol(released)) if released else model


def _released(model: Model) -> Optional[ReleasedFile]:
    """The row of a released file that is tested on its own dataset."""
    row = released_row(model.weights) if model.meaning else None
    return row if row and model.dataset.name == model.meaning.dataset else None


def _released_protocol(released: ReleasedFile) -> Protocol:
    return Protocol((released.test_size,), interpolation=released.interpolation)


def _load_baseline(baseline: Baseline, path: PathLike, contexts: Sequence[mx.Context]) -> Model:
    net = load_baseline(baseline, path, list(contexts))
    net.hybridize(static_alloc=True, static_shape=True)
    return Model(
        net,
        find_dataset(BASELINE_DATASET),
        list(contexts),
        baseline.protocol,
        weights=Path(path),
        fixed_size=baseline.fixed_size,
    )


def _own_model(net: Any, dataset: Dataset, contexts: Sequence[mx.Context]) -> Model:
    """A network trained here with its protocol."""
    crop = int(net.config.spec.size * dataset.test_scale)
    outputs = net.config.classes
    return Model(net, dataset, list(contexts), Protocol((crop,)), outputs=outputs)


def evaluate(
    model: Model,
    *,
    data_root: Optional[Path] = None,
    batch: int = 64,
    predictions: Optional[Path] = None,
    save: Optional[Path] = None,
    devkit: Optional[Path] = None,
    overwrite: bool = False,
    on_batch: Hook = lambda tested: None,
) -> Evaluation:
    """Test a model by its protocol on its dataset's test split.

    batch: crops that go through the network at a time.
    predictions: a folder where the probabilities of each scale are kept while they are computed;
        those that are there are not computed again.
    save: an .npz file for the averaged probabilities, with the ILSVRC submission beside it.
    devkit: the development kit that tells the numbers of classes in the submission.
    overwrite: compute kept predictions anew and replace saved ones.

    Raises InputError when data is missing, naming it, for another number of classes, and for
    labels that it does not know, for predictions kept of another evaluation or damaged ones, and
    where another process keeps them.
    """
    if save is not None:
        check_predictions_file(save, overwrite)
    dataset, split = model.dataset, model.dataset.test_split
    examples = read_examples(dataset, split, data_root)
    subset = prepared_classes(dataset, data_root)
    _check_classes(model, subset)
    labels = match_labels(dataset, split, data_root, examples.labels, model.classes, "the network")
    examples = with_labels(examples, labels)
    own = subset if len(subset) == model.classes else ()
    numbering = None
    if save is not None:
        root = data_root or dataset.root or Path()
        numbering = find_numbering(dataset, root, devkit, own or None)
    if predictions is not None:
        make_folder_to_keep(predictions)
    with alone_in(predictions):
        kept = _open_kept(model, examples, predictions, overwrite)
        _fill(model, examples, kept, batch, on_batch)
    by_scale = {scale: kept[scale].all() for scale in model.protocol.scales}
    probabilities = np.mean(list(by_scale.values()), axis=0)
    if save is not None:
        write_predictions(save, probabilities, examples, numbering)
    best = top_classes(probabilities)
    return Evaluation(
        dataset.name,
        split,
        len(labels),
        model.protocol,
        accuracy(best, labels),
        {scale: accuracy(top_classes(rows), labels) for scale, rows in by_scale.items()},
        class_accuracies(best, labels, own or dataset.class_names()),
        _published(model),
        numbering.description if numbering else None,
        len(subset) or None,
        bool(subset and not own),
        model.meaning,
        numbering_note(dataset),
    )


def _open_kept(
    model: Model, examples: Classified, folder: Optional[Path], overwrite: bool
) -> Dict[int, Kept]:
    """The predictions kept for each scale."""
    shape = len(examples.labels), model.classes
    if folder is None:
        return {scale: Kept(None, {}, shape) for scale in model.protocol.scales}
    origin = {
        "weights": f"{model.weights.name} (md5 {md5(model.weights)})",
        "images": fingerprint(examples),
        "interpolation": model.protocol.interpolation,
    }
    if model.meaning is not None:
        origin["network"] = model.meaning.network
    kind = model.protocol.crops + "_flip" * model.protocol.flipped
    split = model.dataset.test_split
    return {
        scale: Kept(folder / f"{split}_{scale}_{kind}.npz", origin, shape, overwrite)
        for scale in model.protocol.scales
    }


def _fill(
    model: Model, examples: Classified, kept: Dict[int, Kept], batch: int, on_batch: Hook
) -> None:
    """Compute what is missing of the predictions, scale by scale."""
    read = picture_reader(examples)
    speedometer = _Speedometer(len(examples.labels) * len(kept), kept)
    for scale, predictions in kept.items():
        best = [top_classes(predictions.all())] if predictions.done else []
        missing = range(predictions.done, len(examples.labels))
        try:
            for rows in predict_batches(model, read, missing, scale, batch):
                predictions.append(rows)
                best.append(top_classes(rows))
                so_far = accuracy(np.concatenate(best), examples.labels[: predictions.done])
                on_batch(speedometer.tested(scale, so_far))
        finally:
            predictions.save()


class _Speedometer:
    """Tells how far an evaluation is, and how fast it goes since it was begun or taken up."""

    def __init__(self, steps: int, kept: Dict[int, Kept]):
        self._steps = steps
        self._kept = kept
        self._before = self._done()
        self._start = time.monotonic()

    def _done(self) -> int:
        return sum(predictions.done for predictions in self._kept.values())

    def tested(self, scale: int, so_far: Accuracy) -> Tested:
        done = self._done()
        seconds = max(time.monotonic() - self._start, 1e-9)
        speed = (done - self._before) / seconds
        return Tested(scale, done, self._steps, so_far.top1, so_far.top5, speed)


def _check_classes(model: Model, prepared: Sequence[str]) -> None:
    """Raises InputError unless the network is for the dataset, or for the subset prepared."""
    dataset = model.dataset
    if model.classes not in (dataset.classes, len(prepared)):
        subset = f", and is prepared for {len(prepared)}" if prepared else ""
        raise InputError(
            f"the network is for {model.classes} classes, {dataset.title} has {dataset.classes}"
            f"{subset}"
        )


def _published(model: Model) -> Optional[str]:
    """Protocol and score of a released file, if that is what the model is tested by."""
    released = _released(model)
    if released is None or model.meaning.config.pooling != released.pooling:
        return None
    return published_of(model.weights) if model.protocol == _released_protocol(released) else None


def make_validator(
    name: str,
    contexts: Sequence[mx.Context],
    *,
    data_root: Optional[Path] = None,
    batch: int = 64,
) -> Callable[[Network], Dict[str, float]]:
    """A function that tests a network in training on dataset `name` as `evaluate` does its file.

    It returns cross-entropy ("loss") and accuracies in percent ("top-1", "top-5"). Raises
    InputError when the data is missing, and the function does for labels unknown to the network.
    """
    dataset = find_dataset(name)
    examples = read_examples(dataset, dataset.test_split, data_root)
    read = picture_reader(examples)

    def validate(net: Network) -> Dict[str, float]:
        model = _own_model(net, dataset, contexts)._replace(in_training=True)
        split, classes = dataset.test_split, model.classes
        labels = match_labels(dataset, split, data_root, examples.labels, classes, "the network")
        probabilities = _average_scales(model, read, len(examples.labels), batch)
        return {
            "loss": cross_entropy(probabilities, labels),
            "top-1": top_accuracy(probabilities, labels, 1),
            "top-5": top_accuracy(probabilities, labels, 5),
        }

    return validate


def predict(
    model: Model, paths: Sequence[PathLike], *, top: int = 5, on_bad: OnBad = stop_at
) -> Iterator[Prediction]:
    """The `top` most probable classes of each image file, and of those in folders, one by one.

    `on_bad` as for `read_photographs`. Raises InputError for a folder without images.
    """
    names = _names(model)
    for path, image in read_photographs(find_images(paths), on_bad):
        probabilities = _average_scales(model, [image].__getitem__, images=1, batch=1)
        (row,), (best,) = probabilities, top_classes(probabilities, top)
        classes = [(int(k), names[k] if k < len(names) else str(k), float(row[k])) for k in best]
        yield Prediction(str(path), classes)


def _names(model: Model) -> Sequence[str]:
    """Those of the network's classes, as far as known: for a subset, those prepared last."""
    if model.classes == model.dataset.classes:
        return model.dataset.class_names()
    prepared = prepared_classes(model.dataset)
    return prepared if len(prepared) == model.classes else ()


def _average_scales(
    model: Model, read: Callable[[int], np.ndarray], images: int, batch: int
) -> np.ndarray:
    """Probabilities (images, classes), the mean over the scales of the protocol."""
    by_scale = [
        np.concatenate(list(predict_batches(model, read, range(images), scale, batch)))
        for scale in model.protocol.scales
    ]
    return np.mean(by_scale, axis=0)
