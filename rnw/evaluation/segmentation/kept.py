"""Predicted labels stored as pictures, so that an interrupted evaluation can be resumed."""

import contextlib
import io
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np
from PIL import Image

from rnw.data.label_meaning import LabelMeaning
from rnw.data.labeled import read_label
from rnw.data.own.description import FILE
from rnw.data.picture_types import LabeledSource
from rnw.data.pictures import open_picture
from rnw.data.readers import SIDEWAYS, orientation
from rnw.data.sets import voc
from rnw.data.sets.catalog import find_segmentation_dataset, is_path
from rnw.data.sets.described import save_description
from rnw.data.sets.rows import SegmentationDataset
from rnw.errors import InputError
from rnw.evaluation.described import dataset_of_predictions
from rnw.evaluation.origins import check_origin
from rnw.evaluation.segmentation.score_maps import Size
from rnw.files import atomic_write, read_json, write_json
from rnw.networks.heads import IGNORED_LABEL
from rnw.weights.labels import parse_label

LABELS, CORRECT, ORIGIN = "labels", "correct", "evaluation.json"
_SAID = ("dataset", "split", "tile")  # of an origin, for who reads the folder
REMEDY = "predictions have the colors of the dataset, or are gray"
RIGHT, WRONG, NOT_JUDGED = 127, 0, 255  # gray levels of the maps of correct pixels


class KeptLabels:
    """Labels of pictures by name in `folder`, under `origin`, all they depend on.

    They are pictures with the palette of the dataset in `labels/`, in the numbers of its published
    label maps; in `correct/` are pictures of the pixels that are right (127), wrong (0) or not
    judged (255). With no folder nothing is kept.

    Raises InputError when the folder has labels of another dataset or origin, unless `overwrite`
    removes them, and when nothing can be written there.
    """

    def __init__(
        self,
        folder: Optional[Path],
        dataset: SegmentationDataset,
        origin: Mapping[str, Any],
        overwrite: bool = False,
    ):
        self._folder = folder
        self._dataset = dataset
        if folder is not None:
            origin = {"dataset": dataset.name, **origin}
            if overwrite:
                _remove_kept(folder)
            if any((folder / LABELS).glob("*.png")):
                said = {key: origin[key] for key in _SAID if key in origin}
                found = {**said, **read_origin(folder)}  # older ones do not say
                check_origin(folder, found, origin, "choose another folder")
            write_json(folder / ORIGIN, origin)
            save_description(dataset, folder / FILE)

    def has(self, name: str) -> bool:
        """Return whether the labels of a picture need not be computed."""
        return self._folder is not None and self.path(name).is_file()

    def path(self, name: str) -> Path:
        """Return where the labels of a picture are, or will be."""
        return labels_file(self._existing_folder, name)

    def read(self, name: str, size: Size) -> np.ndarray:
        """Return the classes (H, W) uint8 of a picture of `size`; raise as `read_kept` does."""
        return read_kept(self._existing_folder, name, self._dataset, size)

    def write(self, name: str, labels: np.ndarray, truth: Optional[np.ndarray] = None) -> None:
        """Keep the predicted classes (H, W) uint8, and with the true ones where they are right."""
        if self._folder is None:
            return
        if truth is not None:
            path = self._folder / CORRECT / f"{name}.png"
            _write_png(path, Image.fromarray(correctness(labels, truth)))
        _write_png(self.path(name), palette_image(labels, self._dataset))

    def copy_to_original_places(self, names: Sequence[str]) -> None:
        """Copy the labels of pictures to where the original has them, `NAME.png` in the folder."""
        for name in names:
            with atomic_write(self._existing_folder / f"{name}.png") as file:
                file.write(self.path(name).read_bytes())

    @property
    def _existing_folder(self) -> Path:
        if self._folder is None:
            raise ValueError("labels that are not kept have no path")
        return self._folder


def picture_names(examples: LabeledSource) -> List[str]:
    """Return the name that each picture's labels are kept by.

    Raises InputError when two pictures would share one.
    """
    paths = [examples.name(index) for index in range(len(examples))]
    by_name: Dict[str, str] = {}
    for path in paths:
        other = by_name.setdefault(Path(path).stem, path)
        if other != path:
            raise InputError(
                f"{other} and {path}: labels of both would be kept as {Path(path).stem}.png; "
                "rename one of the pictures"
            )
    return [Path(path).stem for path in paths]


def labels_file(folder: Path, name: str) -> Path:
    """Return where the labels of a picture are kept."""
    return folder / LABELS / f"{name}.png"


def read_kept(
    folder: Path, name: str, dataset: SegmentationDataset, size: Optional[Size] = None
) -> np.ndarray:
    """Return the kept classes (H, W) uint8 of a picture, of `size` where that is known.

    Raises InputError for what is no file of `KeptLabels`: one that cannot be read, has another
    size or kind of pixels, other numbers than the classes', or other colors for them.
    """
    path = labels_file(folder, name)
    try:
        numbers = read_label(path, prediction_meaning(dataset), modes=["P"])
        _check_kept(numbers, path, dataset, size)
    except InputError as error:
        raise InputError(f"{error}; if the file is removed, it is predicted anew") from None
    classes = np.zeros(256, np.uint8)
    classes[label_numbers(dataset)] = np.arange(dataset.classes)
    return classes[numbers]


def _check_kept(
    numbers: np.ndarray, path: Path, dataset: SegmentationDataset, size: Optional[Size]
) -> None:
    if size is not None and numbers.shape != tuple(size):
        (height, width), found = size, numbers.shape
        raise InputError(
            f"{path}: kept labels of {found[1]}x{found[0]} pixels for a picture of {width}x{height}"
        )
    unknown = np.setdiff1d(numbers, label_numbers(dataset))
    if len(unknown):
        raise InputError(f"{path}: kept label {unknown[0]} is no class of {dataset.title}")


def prediction_meaning(dataset: SegmentationDataset) -> LabelMeaning:
    """Return what the numbers in predictions mean, which have the colors of the dataset."""
    numbers = tuple(label_numbers(dataset).tolist())
    return LabelMeaning(dataset.title, numbers, dataset.palette, REMEDY)


def picture_size(examples: LabeledSource, index: int) -> Size:
    """Return (height, width) of a picture as it is read, from its header.

    Raises InputError if that fails.
    """
    with open_picture(io.BytesIO(examples.read(index)), examples.name(index)) as image:
        height, width = image.size[::-1]
        lying = examples.upright and orientation(image) in SIDEWAYS
    return (width, height) if lying else (height, width)


def read_origin(folder: Path) -> Dict[str, Any]:
    """Return all that kept predictions depend on; raise InputError when it cannot be read."""
    try:
        return read_json(folder / ORIGIN)
    except InputError as error:
        raise InputError(f"{error}; --overwrite replaces the predictions beside it") from None


def kept_split(folder: Path) -> Optional[str]:
    """Return the split whose predictions are kept; None where an older record does not say."""
    with contextlib.suppress(InputError):
        return read_origin(folder).get("split")
    return None


def kept_dataset(folder: Path, name: Optional[str] = None) -> SegmentationDataset:
    """Return the dataset whose predictions are kept, as `name` and what lies beside them say.

    Raises InputError for an unknown one, where neither says it, and where they contradict.
    """
    known = _known_dataset(folder)
    chosen = name or known
    if chosen is None:
        raise InputError(f"{folder}: no {ORIGIN} in it names the dataset; give --dataset")
    dataset = _dataset(folder, chosen, asked=name is not None)
    if known not in (None, dataset.name):
        raise InputError(
            f"{folder}: has predictions for {known}, as {folder / ORIGIN} says, not for "
            f"{dataset.name}; give --dataset {known}"
        )
    return dataset


def _dataset(folder: Path, name: str, *, asked: bool) -> SegmentationDataset:
    """The dataset asked for by name or path, else the one that lies beside the predictions."""
    beside = None if asked and is_path(name) else dataset_of_predictions(folder)
    if isinstance(beside, SegmentationDataset) and beside.name == name:
        return beside
    return find_segmentation_dataset(name)


def _known_dataset(folder: Path) -> Optional[str]:
    """Return the name that is recorded, or that of older records' weights."""
    try:
        origin = read_origin(folder)
        if "dataset" in origin:
            return str(origin["dataset"])
        return parse_label(origin["weights"][0].partition(" (md5")[0]).dataset
    except (InputError, LookupError, TypeError, AttributeError):
        return None


def label_numbers(dataset: SegmentationDataset) -> np.ndarray:
    """Return the number (classes,) uint8 of each class in published label maps and predictions."""
    if dataset.label_ids is None:
        return np.arange(dataset.classes, dtype=np.uint8)
    return np.array(dataset.label_ids, np.uint8)


def palette_image(labels: np.ndarray, dataset: SegmentationDataset) -> Image.Image:
    """Return classes (H, W) uint8 as a picture of their published numbers and colors."""
    numbers = label_numbers(dataset)
    image = Image.fromarray(numbers[labels])
    colors = np.zeros((256, 3), np.uint8)
    if dataset.palette == voc.palette(dataset.classes):
        colors[:] = voc.palette(len(colors))  # as in its label maps, where 255 has a color
    colors[numbers] = dataset.palette
    image.putpalette(colors.tobytes())
    return image


def correctness(labels: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return where predicted classes (H, W) are right (127), wrong (0) or not judged (255)."""
    right = np.where(labels == truth, RIGHT, WRONG)
    return np.where(truth == IGNORED_LABEL, NOT_JUDGED, right).astype(np.uint8)


def _write_png(path: Path, image: Image.Image) -> None:
    with atomic_write(path) as file:
        image.save(file, "png")


def _remove_kept(folder: Path) -> None:
    """Labels first: those alone say that a picture is done."""
    for part in (LABELS, CORRECT):
        for path in (folder / part).glob("*.png"):
            path.unlink()
