"""Top-1 and top-5 accuracy of a classification network on a dataset (Table 1)."""

from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from rnw.data.own.description import FILE
from rnw.data.picture_types import Classified
from rnw.data.sets.described import save_description
from rnw.data.sets.reading import prepared_classes, read_examples
from rnw.data.sets.subsets import match_labels, with_labels
from rnw.errors import InputError
from rnw.evaluation.classification.kept import (
    KeptProbabilities,
    make_folder_to_keep,
    picture_name,
    pictures_digest,
)
from rnw.evaluation.classification.model import Model, picture_reader, predict_batches, released_of
from rnw.evaluation.classification.protocol import Protocol, released_protocol
from rnw.evaluation.classification.record import Record, write_record
from rnw.evaluation.classification.scores import (
    Accuracy,
    ClassAccuracy,
    accuracy,
    class_accuracies,
    top_classes,
)
from rnw.evaluation.classification.submission import (
    Numbering,
    check_predictions_file,
    find_numbering,
    write_predictions,
)
from rnw.evaluation.computing import REFERENCE, Computing
from rnw.evaluation.described import notes_on_test
from rnw.evaluation.speedometer import Speedometer
from rnw.files import md5
from rnw.locks import alone_in
from rnw.weights.meaning import Meaning
from rnw.weights.released import published_of


class Evaluation(NamedTuple):
    """Accuracies over all images of a split.

    accuracy: of the probabilities averaged over the scales.
    scales: the accuracy at each scale alone, the largest scale first.
    classes: the accuracy of each class that has images.
    published: the published protocol and score, for a released file that was tested as published.
    numbering: where the class ids of the submission come from, if one was saved.
    subset: the number of classes, if the data was prepared with fewer than the official ones.
    by_name: whether the labels of that subset were matched by name to those of all classes.
    meaning: how the network in the weights file was recognized.
    note: what is to be said of the test (see `rnw.evaluation.described.notes_on_test`).
    computing: what computed the network.
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
    computing: Computing = REFERENCE

    @property
    def top1(self) -> float:
        """Top-1 accuracy in percent."""
        return self.accuracy.top1

    @property
    def top5(self) -> float:
        """Top-5 accuracy in percent."""
        return self.accuracy.top5

    def as_dict(self, *, per_class: bool = True) -> Dict[str, Any]:
        """Return everything in plain types; `per_class`: also the accuracy of each class."""
        fields = {
            "dataset": self.dataset,
            "split": self.split,
            "images": self.images,
            **self.protocol._asdict(),
            **self.accuracy._asdict(),
            "by_scale": {scale: scores._asdict() for scale, scores in self.scales.items()},
            "published": self.published,
            "numbering": self.numbering,
            "subset": self.subset,
            "by_name": self.by_name,
            "model": self.meaning and self.meaning.as_dict(),
            **self.computing.as_dict(),
            "note": self.note or None,
        }
        if per_class:
            fields["per_class"] = [row._asdict() for row in self.classes]
        return fields


class EvaluationProgress(NamedTuple):
    """Progress of an evaluation: `step` of `steps` images, counted over all scales.

    `top1` and `top5` are the accuracies in percent so far at the current `scale`.
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
        """Return the same in so few words that a progress bar fits beside them."""
        return f"{self.scale}: {self.top1:.2f} {self.top5:.2f} {self.images_per_second:.0f} img/s"


OnStep = Callable[[EvaluationProgress], None]


def evaluate(
    model: Model,
    *,
    data_root: Optional[Path] = None,
    split: Optional[str] = None,
    batch: int = 64,
    predictions: Optional[Path] = None,
    save: Optional[Path] = None,
    devkit: Optional[Path] = None,
    overwrite: bool = False,
    on_step: OnStep = lambda progress: None,
) -> Evaluation:
    """Test a model by its protocol on a split of its dataset, by default its test split.

    batch: number of crops that go through the network at a time.
    predictions: a folder where the probabilities of each scale are kept as they are computed;
        those that are there already are not computed again. Reports are made of it.
    save: an .npz file for the averaged probabilities; the ILSVRC submission is written beside it.
    devkit: the ILSVRC development kit, for the official class ids in the submission.
    overwrite: compute kept predictions again and replace saved ones.

    Raises InputError
    - when data is missing, naming it;
    - when the network has another number of classes, or does not know a label;
    - when predictions were kept by another evaluation, are damaged, or are locked by another
      process.
    """
    if save is not None:
        check_predictions_file(save, overwrite)
    data = _read_test_data(model, split or model.dataset.test_split, data_root)
    numbering = None
    if save is not None:
        root = data_root or model.dataset.root or Path()
        numbering = find_numbering(model.dataset, root, devkit, data.own or None)
    if predictions is not None:
        make_folder_to_keep(predictions)
    with alone_in(predictions):
        kept = _open_kept(model, data, predictions, overwrite)
        _fill(model, data.examples, kept, batch, on_step)
        if predictions is not None:
            _keep_record(model, data, predictions, kept, data_root)
    by_scale = {scale: kept[scale].all() for scale in model.protocol.scales}
    probabilities = np.mean(list(by_scale.values()), axis=0)
    if save is not None and numbering is not None:
        write_predictions(save, probabilities, data.examples, numbering)
    return _score(model, data, by_scale, probabilities, numbering)


class _TestData(NamedTuple):
    """A split of a network's dataset, with the labels that the network has for it.

    subset: the names of the classes, if the data was prepared with fewer than the official ones.
    own: these names again, if the network was trained on the subset.
    """

    split: str
    examples: Classified
    subset: Tuple[str, ...]
    own: Tuple[str, ...]


def _read_test_data(model: Model, split: str, root: Optional[Path]) -> _TestData:
    dataset = model.dataset
    examples = read_examples(dataset, split, root)
    subset = prepared_classes(dataset, root)
    _check_classes(model, subset)
    labels = match_labels(dataset, split, root, examples.labels, model.classes, "the network")
    own = subset if len(subset) == model.classes else ()
    return _TestData(split, with_labels(examples, labels), subset, own)


def _score(
    model: Model,
    data: _TestData,
    by_scale: Dict[int, np.ndarray],
    probabilities: np.ndarray,
    numbering: Optional[Numbering],
) -> Evaluation:
    """Return the scores of probabilities (N, classes), of each scale and averaged."""
    labels = data.examples.labels
    best = top_classes(probabilities)
    return Evaluation(
        model.dataset.name,
        data.split,
        len(labels),
        model.protocol,
        accuracy(best, labels),
        {scale: accuracy(top_classes(rows), labels) for scale, rows in by_scale.items()},
        class_accuracies(best, labels, data.own or model.dataset.class_names()),
        _published(model, data.split),
        numbering.description if numbering else None,
        len(data.subset) or None,
        bool(data.subset and not data.own),
        model.meaning,
        notes_on_test(model.dataset, data.split, [model.trained_on], filter(None, [model.weights])),
        model.computing,
    )


def _open_kept(
    model: Model, data: _TestData, folder: Optional[Path], overwrite: bool
) -> Dict[int, KeptProbabilities]:
    """Return the predictions kept for each scale."""
    shape = len(data.examples.labels), model.classes
    if folder is None:
        return {scale: KeptProbabilities(None, {}, shape) for scale in model.protocol.scales}
    origin = _origin(model, data.examples)
    kind = model.protocol.crops + "_flip" * model.protocol.flipped
    files = {scale: folder / f"{data.split}_{scale}_{kind}.npz" for scale in model.protocol.scales}
    return {s: KeptProbabilities(path, origin, shape, overwrite) for s, path in files.items()}


def _origin(model: Model, examples: Classified) -> Dict[str, str]:
    """Return all that the predictions at a scale depend on."""
    origin = {}
    if model.weights is not None:
        origin["weights"] = f"{model.weights.name} (md5 {md5(model.weights)})"
    origin["images"] = pictures_digest(examples)
    origin["interpolation"] = model.protocol.interpolation
    if model.meaning is not None:
        origin["network"] = model.meaning.network
    return {**origin, **model.computing.record}


def _fill(
    model: Model,
    examples: Classified,
    kept: Dict[int, KeptProbabilities],
    batch: int,
    on_step: OnStep,
) -> None:
    """Compute what is missing of the predictions, scale by scale."""
    read = picture_reader(examples)
    steps = len(examples.labels) * len(kept)
    before = done = sum(predictions.done for predictions in kept.values())
    speedometer = Speedometer()
    for scale, predictions in kept.items():
        best = [top_classes(predictions.all())] if predictions.done else []
        missing = range(predictions.done, len(examples.labels))
        try:
            for rows in predict_batches(model, read, missing, scale, batch):
                predictions.append(rows)
                best.append(top_classes(rows))
                so_far = accuracy(np.concatenate(best), examples.labels[: predictions.done])
                done += len(rows)
                rate = speedometer.rate(done - before)
                on_step(EvaluationProgress(scale, done, steps, so_far.top1, so_far.top5, rate))
        finally:
            predictions.save()


def _keep_record(
    model: Model,
    data: _TestData,
    folder: Path,
    kept: Dict[int, KeptProbabilities],
    root: Optional[Path],
) -> None:
    """Write what a report compares the predictions with, once all of them are kept."""
    dataset, labels = model.dataset, data.examples.labels
    names = data.own or dataset.class_names()
    record = Record(
        dataset.name,
        dataset.title,
        data.split,
        str(model.protocol),
        [predictions.path.name for predictions in kept.values() if predictions.path],
        [names[k] if k < len(names) else str(k) for k in range(model.classes)],
        [picture_name(data.examples, index) for index in range(len(labels))],
        labels.tolist(),
    )
    write_record(folder, record)
    save_description(dataset, folder / FILE, root)


def _check_classes(model: Model, prepared: Sequence[str]) -> None:
    """Raise InputError unless the network is for the dataset, or for the subset prepared."""
    dataset = model.dataset
    if model.classes not in (dataset.classes, len(prepared)):
        subset = f", and is prepared for {len(prepared)}" if prepared else ""
        raise InputError(
            f"the network is for {model.classes} classes, {dataset.title} has {dataset.classes}"
            f"{subset}"
        )


def _published(model: Model, split: str) -> Optional[str]:
    """Protocol and score of a released file, if that is what the model is tested by."""
    released = released_of(model) if split == model.dataset.test_split else None
    if released is None or model.meaning is None or model.weights is None:
        return None
    if model.meaning.config.pooling != released.pooling:
        return None
    return published_of(model.weights) if model.protocol == released_protocol(released) else None
