"""TABLE of the weights published with the paper, their checksums, protocols and scores."""

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Optional, Tuple

from rnw.errors import InputError
from rnw.files import PathLike, md5
from rnw.weights.labels import plain_name
from rnw.weights.ndarray_file import read_arrays


@dataclass(frozen=True)
class ReleasedFile:
    """A published file and the protocol that gives its published scores.

    `test_size` is the crop of a classification network and the longer side for segmentation.
    """

    name: str
    md5: str
    split: str
    test_size: int
    scores: Tuple[Tuple[str, float], ...]  # of the original's README, single scale, percent
    pooling: str = "pad"
    interpolation: str = "adaptive"
    flip: bool = False
    steps: int = 1

    @property
    def published(self) -> str:
        """Protocol and scores on one line."""
        what = f"{self.split}, {self.test_size}" + ", flip" * self.flip
        what += f", {self.steps} steps" if self.steps > 1 else ""
        return f"{what}: " + ", ".join(f"{name} {value:.2f}" for name, value in self.scores)


RELEASED: Dict[str, ReleasedFile] = {
    row.name: row
    for row in (
        ReleasedFile(
            "ilsvrc-cls_rna-a_cls1000_ep-0001.params",
            "2421c1945b6797cecd3f89db14ca73f6",
            "ILSVRC 2012 val",
            320,
            (("top-1 error", 19.20), ("top-5 error", 4.73)),
            pooling="caffe",
            interpolation="cubic",
        ),
        ReleasedFile(
            "ilsvrc-cls_rna-a1_cls1000_ep-0001.params",
            "ff21f45d6bf03284100dcbec571edfad",
            "ILSVRC 2012 val",
            320,
            (("top-1 error", 19.54), ("top-5 error", 4.75)),
            interpolation="cubic",
        ),
        ReleasedFile(
            "voc_rna-a1_cls21_s8_ep-0001.params",
            "a34628a63d5f62dcb98c29c4e281f332",
            "VOC 2012 val",
            500,
            (("mean IoU", 80.84),),
            flip=True,
        ),
        ReleasedFile(
            "voc_rna-a1_cls21_s8_coco_ep-0001.params",
            "328c0eca0c45b6345ada2f95edce68d4",
            "VOC 2012 val",
            500,
            (("mean IoU", 82.86),),
            flip=True,
        ),
        ReleasedFile(
            "cityscapes_rna-a1_cls19_s8_ep-0001.params",
            "226b3e861a6be7d0dc84e537f4eab154",
            "Cityscapes val",
            2048,
            (("mean IoU", 78.08),),
            flip=True,
        ),
        ReleasedFile(
            "ade20k_rna-a1_cls150_s8_ep-0001.params",
            "1faf29850bfa194678f0b8e1cbbffa98",
            "ADE20K val",
            500,
            (("pixel accuracy", 80.55), ("mean IoU", 43.34)),
            flip=True,
            steps=2,
        ),
    )
}


def released_row(path: PathLike) -> Optional[ReleasedFile]:
    """Return the row of the released file with the name of `path`, of any format, or None."""
    return RELEASED.get(f"{Path(plain_name(path)).stem}.params")


def published_of(path: PathLike) -> Optional[str]:
    """Return protocol and scores of the released file at `path`, None for any other file.

    Raises InputError when it cannot be read.
    """
    row = released_row(path)
    return row.published if row is not None and md5(path) == row.md5 else None


def verify(path: PathLike) -> ReleasedFile:
    """Return the row of the released file at `path`, found by its MD5 checksum.

    Raises InputError when the content is not that of a released file, or of another one than the
    file name says; the message includes whether the file can be read at all.
    """
    path = Path(path)
    found = md5(path)
    by_content = next((row for row in RELEASED.values() if row.md5 == found), None)
    by_name = RELEASED.get(path.name)
    if by_name is not None and by_name is not by_content:
        actual = (
            f"that of {by_content.name}"
            if by_content
            else f"of no released file; {_condition(path)}"
        )
        raise InputError(
            f"{path}: damaged or not the released file: expected md5 {by_name.md5}, found {found} "
            f"({actual}); download it again"
        )
    if by_content is None:
        raise InputError(
            f"{path}: md5 {found} is none of the {len(RELEASED)} released files, which "
            f"`rnw weights` lists ({_condition(path)})"
        )
    return by_content


def _condition(path: Path) -> str:
    """Return whether a file that is not in the table can be read, in words."""
    try:
        return f"a complete .params file of {len(read_arrays(path))} arrays"
    except InputError as error:
        return str(error)
