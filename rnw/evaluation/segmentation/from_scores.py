"""Segmentation from score maps that are there: kept by `rnw eval-seg`, or of other programs."""

from pathlib import Path
from typing import Any, Dict, Iterable, Optional, Sequence

import numpy as np

from rnw.arrays import check_finite
from rnw.data.own.description import FILE
from rnw.data.sets.catalog import find_segmentation_dataset
from rnw.data.sets.described import describe_own
from rnw.data.sets.numbered import segmentation_dataset_or_numbered
from rnw.data.sets.rows import SegmentationDataset
from rnw.errors import InputError
from rnw.evaluation.computing import Computing
from rnw.evaluation.segmentation.kept_scores import (
    RECORD,
    KeptScores,
    open_kept,
    open_to_keep,
    reading_scores,
)
from rnw.evaluation.segmentation.model import Model, Scorer, check_mix
from rnw.evaluation.segmentation.protocol import Protocol
from rnw.evaluation.segmentation.score_maps import ScoreMap, Size
from rnw.files import open_regular

FREE = ("scales", "crf")  # fields of a protocol that kept scores do not depend on
OTHERS = "scores"  # what label maps are said to be of, made of other programs' scores


def keep_scores(model: Model, folder: Path, *, overwrite: bool = False) -> Model:
    """Return a model of one network that keeps its score maps in a folder (see `KeptScores`).

    Raises InputError for several networks, and for a folder with scores of others.
    """
    scorer, *others = model.scorers
    if others:
        raise InputError(
            "--save-scores keeps those of one network: run the command for each --weights, then "
            "mix them by --scores"
        )
    kept = open_to_keep(folder, model.dataset, _record(model, scorer), overwrite=overwrite)
    return model._replace(scorers=[scorer._replace(scores=kept)])


def _record(model: Model, scorer: Scorer) -> Dict[str, Any]:
    """All that the scores of a network at any scale depend on, as JSON gives it back."""
    weights, network = scorer.origin or ("", "")
    fixed = {k: v for k, v in model.protocol._asdict().items() if k not in FREE}
    return {
        "dataset": model.dataset.name,
        "classes": model.dataset.classes,
        "weights": weights,
        "network": network,
        "stride": scorer.stride,
        "normalization": [list(numbers) for numbers in scorer.normalization],
        **fixed,
        **model.computing.record,
    }


def model_of_scores(
    folders: Sequence[Path],
    mix: Sequence[float] = (),
    dataset: Optional[str] = None,
    **changes: Any,
) -> Model:
    """Return a model that takes score maps from folders in the place of networks.

    mix: the weight of each folder in the average; default: all the same. dataset: replaces the one
    that the scores were made on. changes: of the protocol; scales and a CRF alone can be changed.

    Raises InputError for folders without scores or of different protocols, and for a protocol that
    the scores were not made by.
    """
    kept = [open_kept(folder) for folder in folders]
    chosen = _dataset_of(kept[0], dataset)
    scorers = [
        Scorer(_no_network, scores.record["stride"], weight, scores=scores)
        for scores, weight in zip(kept, check_mix(mix, len(kept)))
    ]
    scales = tuple(s for s in kept[0].scales() if all(s in other.scales() for other in kept))
    if not scales:
        raise InputError(
            f"{', '.join(map(str, folders))}: have scores at no scale in common; `rnw eval-seg "
            "--save-scores --scales N` adds some"
        )
    fixed = {key: kept[0].record[key] for key in Protocol._fields if key not in FREE}
    computing = _computing_of(kept)
    model = Model(scorers, chosen, Protocol(scales, **fixed), computing=computing)
    model = model.tested_by(**changes)
    for scores in kept:
        _check(scores, model)
    return model


def _computing_of(kept: Sequence[KeptScores]) -> Computing:
    """Return what computed the scores; where there are several, each is named."""
    told = [Computing.of_record(scores.record) for scores in kept]

    def joined(names: Iterable[str]) -> str:
        return " and ".join(sorted(filter(None, set(names))))

    precision = joined(each.precision for each in told)
    provider = joined(each.provider for each in told)
    return Computing(joined(each.engine for each in told), precision, provider=provider)


def _dataset_of(kept: KeptScores, name: Optional[str]) -> SegmentationDataset:
    if name is not None:
        return find_segmentation_dataset(name)
    described = kept.folder / FILE
    if described.is_file():
        row = describe_own(described)
        if isinstance(row, SegmentationDataset):
            return row
    return segmentation_dataset_or_numbered(kept.record["dataset"], kept.record["classes"])


def _check(kept: KeptScores, model: Model) -> None:
    """Raise InputError for scores of other classes, of another protocol, or at other scales."""
    wanted = {"classes": model.dataset.classes, **model.protocol._asdict()}
    for key, value in wanted.items():
        if key not in FREE and kept.record[key] != value:
            raise InputError(
                f"{kept.folder}: has scores with {key} {kept.record[key]}, expected {value}; "
                "`rnw eval-seg --save-scores` makes others"
            )
    missing = [scale for scale in model.protocol.scales if scale not in kept.scales()]
    if missing:
        there = ", ".join(map(str, kept.scales()))
        raise InputError(
            f"{kept.folder}: has scores at {there}, none at {missing[0]}; `rnw eval-seg "
            "--save-scores --scales N` adds some"
        )


def _no_network(data: np.ndarray) -> np.ndarray:
    raise RuntimeError("scores in files have no network")


def open_scores(
    folder: Path,
    dataset: Optional[str] = None,
    background_power: Optional[float] = None,
    scales: Sequence[int] = (),
) -> Model:
    """Return a model of the scores in a folder, those of `KeptScores` or of other programs.

    The arguments are those of `model_of_scores` and of `model_of_arrays`, which raise InputError.
    """
    if (folder / RECORD).exists():
        if background_power is not None:
            raise InputError(f"{folder}: has scores of all classes; leave out --background-power")
        return model_of_scores([folder], dataset=dataset, scales=tuple(scales))
    if scales:
        raise InputError(f"{folder}: has scores NAME.npy at no scale; leave out --scales")
    return model_of_arrays(folder, dataset, background_power)


class GivenScores(KeptScores):
    """Scores of other programs: `NAME.npy`, an array (classes, height, width) for each picture.

    record: `classes` and `background_power`; see `model_of_arrays`.
    """

    def path(self, name: str, scale: int) -> Path:
        return self.folder / f"{name}.npy"

    def read(self, name: str, scale: int, size: Size) -> ScoreMap:
        scores = read_array(self.path(name, scale))
        if scores.shape[1:] != size:
            raise InputError(
                f"{self.path(name, scale)}: scores of {scores.shape[2]}x{scores.shape[1]} for a "
                f"picture of {size[1]}x{size[0]}, expected one of each class for each pixel"
            )
        power = self.record["background_power"]
        if power is not None:
            scores = with_background(scores, power)
        return ScoreMap(scores, 1, size)


def read_array(path: Path) -> np.ndarray:
    """Return scores (classes, H, W) float32; raise InputError for a file without such an array."""
    with reading_scores(path, "np.save(path, array) writes them"):
        with open_regular(path) as file:
            scores = np.load(file)  # never pickles, which could run code
        if scores.ndim != 3 or not scores.size:
            raise ValueError(f"an array of {scores.shape}, expected (classes, height, width)")
        scores = scores.astype(np.float32)
        check_finite("scores", scores)
    return scores


def with_background(scores: np.ndarray, power: float) -> np.ndarray:
    """Return scores (1 + classes, H, W), a background of (1 - the largest score)^power before them.

    That is how PSA (Ahn and Kwak, CVPR 2018) completes maps of activation in [0, 1], where `power`
    is called alpha: less background by a larger one.
    """
    background = np.maximum(1 - scores.max(axis=0, keepdims=True), 0) ** np.float32(power)
    return np.concatenate([background, scores])


def model_of_arrays(
    folder: Path, dataset: Optional[str] = None, background_power: Optional[float] = None
) -> Model:
    """Return a model of the scores in `NAME.npy` files of other programs.

    dataset: gives classes their names and colors; default: they are numbered.
    background_power: see `with_background`; None: the first class is there already.

    Raises InputError for a folder without such files, and for another number of classes.
    """
    first = next(iter(sorted(folder.glob("*.npy"))), None)
    if first is None:
        raise InputError(
            f"{folder}: has neither {RECORD} of `rnw eval-seg --save-scores` nor scores NAME.npy"
        )
    classes = len(read_array(first)) + (background_power is not None)
    if dataset is None:
        row = segmentation_dataset_or_numbered(OTHERS, classes)
    else:
        row = find_segmentation_dataset(dataset)
    if row.classes != classes:
        raise InputError(
            f"{first}: has {classes} classes, {row.title} has {row.classes}; choose another "
            "--dataset, or leave it out"
        )
    given = GivenScores(folder, {"classes": classes, "background_power": background_power})
    return Model([Scorer(_no_network, 1, scores=given)], row, Protocol((row.test_size,)))
