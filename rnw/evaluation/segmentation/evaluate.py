"""Pixel accuracy and IoU of segmentation networks on a dataset (Tables 2 to 7)."""

import hashlib
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from rnw.data.ahead import ahead
from rnw.data.picture_types import LabeledSource
from rnw.data.readers import read_picture
from rnw.data.sets.catalog import SEGMENTATION
from rnw.data.sets.reading import check_label_maps, read_pictures
from rnw.data.sets.rows import SegmentationDataset
from rnw.errors import InputError, naming
from rnw.evaluation.computing import REFERENCE, Computing
from rnw.evaluation.described import notes_on_test
from rnw.evaluation.segmentation.confusion import Confusion
from rnw.evaluation.segmentation.from_scores import keep_scores
from rnw.evaluation.segmentation.kept import (
    CORRECT,
    LABELS,
    KeptLabels,
    picture_names,
    picture_size,
)
from rnw.evaluation.segmentation.model import Model, released_of
from rnw.evaluation.segmentation.official_scores import (
    OfficialScores,
    load_tool,
    official_scores,
)
from rnw.evaluation.segmentation.protocol import Protocol, released_protocol
from rnw.evaluation.segmentation.score_maps import ScoreMap, Size
from rnw.evaluation.speedometer import Speedometer
from rnw.locks import alone_in
from rnw.weights.meaning import Meaning
from rnw.weights.released import published_of

DECODED_AHEAD = 4  # pictures


class Evaluation(NamedTuple):
    """Scores over all pictures of a split.

    confusion: the counts of pixels, None where no labels are published.
    published: the published protocol and score, for a released file that was tested as published.
    official: the scores of the dataset's own tool.
    meanings: how the network in each weights file was recognized.
    note: what is to be said of the test (see `rnw.evaluation.described.notes_on_test`).
    computing: what computed the networks.
    """

    dataset: str
    split: str
    images: int
    protocol: Protocol
    class_names: Tuple[str, ...]
    confusion: Optional[Confusion] = None
    published: Optional[str] = None
    official: Optional[OfficialScores] = None
    meanings: Sequence[Meaning] = ()
    note: str = ""
    computing: Computing = REFERENCE

    def as_dict(self) -> Dict[str, Any]:
        """Return everything in plain types, with all scores in percent."""
        fields = {
            "dataset": self.dataset,
            "split": self.split,
            "images": self.images,
            **self.protocol._asdict(),
            "published": self.published,
            "models": [meaning.as_dict() for meaning in self.meanings],
            **self.computing.as_dict(),
            "note": self.note or None,
        }
        if self.confusion:
            fields.update(self.confusion.as_dict(self.class_names))
        if self.official:
            fields["official"] = self.official.as_dict()
        return fields


class EvaluationProgress(NamedTuple):
    """Progress of an evaluation: `step` of `steps` pictures.

    `mean_iou` in percent is that of all classes on the pictures so far, None without labels;
    `images_per_second` counts pictures that were computed, not those that were kept.
    """

    step: int
    steps: int
    mean_iou: Optional[float]
    images_per_second: float

    def __str__(self) -> str:
        iou = "" if self.mean_iou is None else f" mean IoU {self.mean_iou:.2f} %,"
        return f"{self.step}/{self.steps} images:{iou} {self.images_per_second:.2f} images/s"

    def short(self) -> str:
        """Return the same in so few words that a progress bar fits beside them."""
        iou = "" if self.mean_iou is None else f"mIoU {self.mean_iou:.2f} "
        return f"{iou}{self.images_per_second:.2f} img/s"


OnStep = Callable[[EvaluationProgress], None]


def evaluate(
    model: Model,
    *,
    data_root: Optional[Path] = None,
    split: Optional[str] = None,
    predictions: Optional[Path] = None,
    scores: Optional[Path] = None,
    original_layout: bool = False,
    overwrite: bool = False,
    official: bool = False,
    on_step: OnStep = lambda progress: None,
) -> Evaluation:
    """Test networks by their protocol on a split of their dataset, by default its test split.

    predictions: a folder where labels are kept as they are computed (see `KeptLabels`); those that
        are there already are not computed again.
    scores: a folder where the score maps of one network are kept in half precision (see
        `KeptScores`), by which its labels are then made; those that are there already are not
        computed again.
    original_layout: also copy kept labels to where the original has them, `NAME.png` in the folder.
    overwrite: compute kept labels and scores again.
    official: also score the kept labels by the dataset's own tool, which Cityscapes has.

    Raises InputError
    - when data is missing, naming it;
    - when labels do not fit the pictures, or no pixel of them is judged;
    - when predictions were kept by another evaluation, are damaged, or are locked by another
      process;
    - before any is kept, when two pictures have the same name.
    """
    dataset = model.dataset
    split = split or dataset.test_split
    examples = read_pictures(dataset, split, data_root)
    keeps = predictions is not None or scores is not None
    _check_request(dataset, split, examples, predictions, official, keeps=keeps)
    if predictions is not None and original_layout:
        _check_apart(predictions, examples, [""])
    names = picture_names(examples) if keeps or _reads_scores(model) else [""] * len(examples)
    with alone_in(predictions), alone_in(scores if scores != predictions else None):
        if scores is not None:
            model = keep_scores(model, scores, overwrite=overwrite)
        origin = {"split": split, **_origin(model, names, predictions)}
        kept = KeptLabels(predictions, dataset, origin, overwrite)
        confusion = _label_all(model, examples, names, kept, on_step)
        if original_layout:
            kept.copy_to_original_places(names)
        if confusion:
            confusion.check_judged(examples.label_name(0))
        official_found = _score_officially(dataset, kept, names, examples) if official else None
    return _describe(model, split, len(examples), confusion, official_found)


def _describe(
    model: Model,
    split: str,
    images: int,
    confusion: Optional[Confusion],
    official: Optional[OfficialScores],
) -> Evaluation:
    """Return the scores with what is known of the networks and their test."""
    files = [scorer.file.path for scorer in model.scorers if scorer.file]
    return Evaluation(
        model.dataset.name,
        split,
        images,
        model.protocol,
        model.dataset.class_names,
        confusion,
        _published(model, split),
        official,
        model.meanings,
        notes_on_test(model.dataset, split, model.trained_on, files),
        model.computing,
    )


def _check_request(
    dataset: SegmentationDataset,
    split: str,
    examples: LabeledSource,
    predictions: Optional[Path],
    official: bool,
    *,
    keeps: bool,
) -> None:
    """Raise InputError for what is found to be wrong before a picture is segmented."""
    if not examples.has_labels and not keeps:
        raise InputError(
            f"{dataset.title}, split {split}: has no labels to test with; keep the predictions "
            "with --save-predictions, or the scores with --save-scores"
        )
    check_label_maps(dataset, examples)
    if official:
        _check_official(dataset, examples.has_labels, predictions)
    if predictions is not None:
        _check_apart(predictions, examples)


def _check_apart(
    folder: Path, examples: LabeledSource, parts: Sequence[str] = (LABELS, CORRECT)
) -> None:
    """Raise InputError where labels would be kept among the dataset's own files."""
    paths = [examples.name(index) for index in range(len(examples))]
    if examples.has_labels:
        paths += [examples.label_name(index) for index in range(len(examples))]
    parents = {Path(path).parent.resolve() for path in paths if Path(path).exists()}
    for part in parts:
        if (folder / part).resolve() in parents:
            raise InputError(
                f"{folder / part}: has files of the dataset, which predictions could replace; "
                "choose another folder"
            )


def _check_official(
    dataset: SegmentationDataset, has_labels: bool, predictions: Optional[Path]
) -> None:
    if dataset.official_tool is None or not has_labels or predictions is None:
        titles = [row.title for row in SEGMENTATION.values() if row.official_tool]
        raise InputError(
            f"official scores are those of {' or '.join(titles)}, for pictures with labels whose "
            "predictions are kept in a folder"
        )
    load_tool(dataset.official_tool)  # or say now that it is missing


def _score_officially(
    dataset: SegmentationDataset, kept: KeptLabels, names: List[str], examples: LabeledSource
) -> Optional[OfficialScores]:
    if dataset.official_tool is None:
        return None
    truth = [Path(examples.label_name(index)) for index in range(len(examples))]
    return official_scores(dataset.official_tool, [kept.path(name) for name in names], truth)


def _reads_scores(model: Model) -> bool:
    """Return whether labels are made of scores that are kept by the names of pictures."""
    return any(scorer.scores is not None for scorer in model.scorers)


def _origin(model: Model, names: List[str], folder: Optional[Path]) -> Dict[str, Any]:
    """All that predictions depend on."""
    if folder is None:
        return {}
    origins = [origin for origin in (scorer.origin for scorer in model.scorers) if origin]
    rounded = {"scores": "float16"} if _reads_scores(model) else {}
    return {
        **rounded,
        "weights": [weights for weights, _ in origins],
        "networks": [network for _, network in origins],
        "mix": [scorer.weight for scorer in model.scorers],
        "protocol": str(model.protocol),
        "tile": model.protocol.tile,
        "images": hashlib.md5("\n".join(names).encode()).hexdigest(),
        **model.computing.record,
    }


def _label_all(
    model: Model,
    examples: LabeledSource,
    names: List[str],
    kept: KeptLabels,
    on_step: OnStep,
) -> Optional[Confusion]:
    """Predict what is not kept yet, and count the pixels of all pictures where they have labels."""
    confusion = Confusion(model.dataset.classes) if examples.has_labels else None
    speedometer, computed = Speedometer(), 0
    for index, predicted in enumerate(_labeled(model, examples, names, kept)):
        truth = examples.label(index) if confusion else None
        labels = predicted
        if labels is None:
            labels = kept.read(names[index], _size(examples, index, truth))
        if confusion is not None and truth is not None:
            with naming(examples.label_name(index)):
                confusion.add(truth, labels)
        if predicted is not None:
            kept.write(names[index], predicted, truth)
            computed += 1
        iou = 100 * confusion.mean_iou if confusion else None
        on_step(EvaluationProgress(index + 1, len(examples), iou, speedometer.rate(computed)))
    return confusion


def _size(examples: LabeledSource, index: int, truth: Optional[np.ndarray]) -> Size:
    """Return (height, width) of a picture, from its label map where there is one."""
    if truth is None:
        return picture_size(examples, index)
    height, width = truth.shape
    return height, width


class _Computed(NamedTuple):
    """A picture (H, W, 3) uint8 and what the networks give for it."""

    image: np.ndarray
    maps: List[ScoreMap]


def _labeled(
    model: Model, examples: LabeledSource, names: List[str], kept: KeptLabels
) -> Iterator[Optional[np.ndarray]]:
    """Yield the predicted classes of each picture, None for one that is kept.

    While one picture is labeled, counted and kept, a thread computes the network for the next.
    """

    def read(index: int) -> Optional[np.ndarray]:
        if kept.has(names[index]) and model.has_scores(names[index]):
            return None
        return read_picture(examples, index)

    def compute(item: Tuple[int, Optional[np.ndarray]]) -> Optional[_Computed]:
        index, image = item
        if image is None:
            return None
        with naming(examples.name(index)):
            return _Computed(image, model.score_maps(image, names[index]))

    images = enumerate(ahead(read, range(len(examples)), DECODED_AHEAD))
    for index, computed in enumerate(ahead(compute, images, depth=1, threads=1)):
        with naming(examples.name(index)):
            labels = None if computed is None else model.labels(computed.maps, computed.image)
        yield labels


def _published(model: Model, split: str) -> Optional[str]:
    """Protocol and score of a released file, if that is what the model is tested by."""
    first, *others = model.scorers
    elsewhere = others or split != model.dataset.test_split
    released = None if elsewhere else released_of(first, model.dataset)
    if released is None or first.file is None or model.protocol != released_protocol(released):
        return None
    return published_of(first.file.path)
