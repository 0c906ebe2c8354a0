"""Score maps kept in files, so that a CRF, a mixture or another scale computes no network again.

A file `<scale>/NAME.npz` has what the original's HDF5 files have of a picture: `size` (height,
width), `scores` (classes, h, w) float16 before any upsampling, `stride` in pixels of the scaled
picture, and its size, `scaled`.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Tuple

import numpy as np

from rnw.arrays import check_finite
from rnw.data.members import DAMAGED
from rnw.data.own.description import FILE
from rnw.data.sets.described import save_description
from rnw.data.sets.rows import SegmentationDataset
from rnw.errors import InputError
from rnw.evaluation.origins import check_origin
from rnw.evaluation.segmentation.score_maps import ScoreMap, Size
from rnw.files import make_folder, open_regular, read_json, write_json
from rnw.weights.npz_file import write_npz

RECORD = "scores.json"
SUFFIX = ".npz"
REMEDY = "if the file is removed, they are computed anew"
FIELDS: Dict[str, Any] = {  # of the record, with their types
    **dict.fromkeys(("dataset", "weights", "network", "interpolation"), str),
    **dict.fromkeys(("classes", "stride", "steps", "overlap"), int),
    "flip": bool,
    "tile": (int, type(None)),
    "normalization": list,
}
ADVICE = "choose another folder with --save-scores"


@dataclass(frozen=True)
class KeptScores:
    """Score maps of one network in `folder`, by scale and name of the picture.

    record: all that they depend on, as `scores.json` has it. growing: whether a network computes
    those that are missing.
    """

    folder: Path
    record: Mapping[str, Any]
    growing: bool = False

    def path(self, name: str, scale: int) -> Path:
        """Return where the scores of a picture are, or will be."""
        return self.folder / str(scale) / f"{name}{SUFFIX}"

    def has(self, name: str, scale: int) -> bool:
        """Return whether the scores of a picture are to be read, not computed."""
        return not self.growing or self.path(name, scale).is_file()

    def write(self, name: str, scale: int, found: ScoreMap, size: Size) -> ScoreMap:
        """Keep the scores of a picture of `size`; return them as they will be read."""
        scores = found.scores.astype(np.float16)
        path = self.path(name, scale)
        make_folder(path.parent)
        pixels = {"size": size, "stride": found.stride, "scaled": found.scaled}
        write_npz(path, {"scores": scores, **{key: np.array(n) for key, n in pixels.items()}})
        return found._replace(scores=scores.astype(np.float32))

    def read(self, name: str, scale: int, size: Size) -> ScoreMap:
        """Return the scores of a picture of `size`; raise InputError for a file that is none."""
        path = self.path(name, scale)
        if not path.exists():
            raise InputError(
                f"{path}: no such scores; `rnw eval-seg --save-scores` adds those of a --split"
            )
        found, kept_for = read_scores(path, self.record["interpolation"])
        if kept_for != size or len(found.scores) != self.record["classes"]:
            raise InputError(
                f"{path}: has scores of {len(found.scores)} classes for a picture of "
                f"{kept_for[1]}x{kept_for[0]}, expected {self.record['classes']} for one of "
                f"{size[1]}x{size[0]}; {REMEDY}"
            )
        return found

    def scales(self) -> Tuple[int, ...]:
        """Return the scales that there are scores of, the largest first."""
        numbers = [int(path.name) for path in self.folder.iterdir() if path.name.isdigit()]
        return tuple(sorted(numbers, reverse=True))


def open_to_keep(
    folder: Path, dataset: SegmentationDataset, record: Dict[str, Any], *, overwrite: bool
) -> KeptScores:
    """Return a folder for the scores of a network, which may have some already.

    Raises InputError where it has those of another record, unless `overwrite` removes them.
    """
    kept = KeptScores(folder, record, growing=True)
    if overwrite and folder.is_dir():
        for scale in kept.scales():
            for path in (folder / str(scale)).glob(f"*{SUFFIX}"):
                path.unlink()
    elif (folder / RECORD).exists():
        check_origin(folder, read_json(folder / RECORD), record, ADVICE)
    make_folder(folder)
    write_json(folder / RECORD, record)
    save_description(dataset, folder / FILE)
    return kept


def open_kept(folder: Path) -> KeptScores:
    """Return the scores in a folder; raise InputError where there are none."""
    none = InputError(f"{folder}: has no scores; `rnw eval-seg --save-scores` makes them")
    if not (folder / RECORD).is_file():
        raise none
    record = read_json(folder / RECORD)
    for key, kind in FIELDS.items():
        if key not in record or not isinstance(record[key], kind):
            raise InputError(
                f"{folder / RECORD}: {key} is {record.get(key)!r}, which is none of kept scores; "
                "`rnw eval-seg --save-scores --overwrite` makes them anew"
            )
    kept = KeptScores(folder, record)
    if not kept.scales():
        raise none
    return kept


def read_scores(path: Path, interpolation: str = "adaptive") -> Tuple[ScoreMap, Size]:
    """Return kept scores, as float32, and the (height, width) of their picture.

    Raises InputError for a file that cannot be read as such.
    """
    with reading_scores(path, REMEDY), open_regular(path) as file, np.load(file) as arrays:
        scores = arrays["scores"].astype(np.float32)
        stride = int(arrays["stride"])
        scaled, size = (_size(arrays[key]) for key in ("scaled", "size"))
        if (
            scores.ndim != 3
            or stride < 1
            or any(side * stride < whole for side, whole in zip(scores.shape[1:], scaled))
        ):
            raise ValueError(f"scores {scores.shape} of stride {stride} for {scaled}")
        check_finite("scores", scores)
    return ScoreMap(scores, stride, scaled, interpolation), size


def _size(values: np.ndarray) -> Size:
    height, width = (int(value) for value in values)
    if min(height, width) < 1:
        raise ValueError(f"a picture of {width}x{height}")
    return height, width


@contextlib.contextmanager
def reading_scores(path: Path, remedy: str) -> Iterator[None]:
    """Turn what files of other kinds raise into an InputError, with a remedy."""
    try:
        yield
    except (OSError, LookupError, TypeError, AttributeError, ValueError, *DAMAGED) as error:
        raise InputError(f"{path}: cannot be read as scores ({error}); {remedy}") from error
