"""Predictions as benchmark servers take them: archives of label maps, and what is wrong with one.

The form that a server expects is a field of the dataset's row (`SubmissionForm`).
"""

import io
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Iterable, Iterator, List, Literal, Optional, Tuple

import numpy as np
from PIL import Image

from rnw.data.members import DAMAGED
from rnw.data.pictures import open_picture
from rnw.data.sets.catalog import SEGMENTATION
from rnw.data.sets.reading import read_pictures
from rnw.data.sets.rows import ZIP, SegmentationDataset, SubmissionForm
from rnw.errors import InputError
from rnw.evaluation.segmentation.kept import (
    LABELS,
    label_numbers,
    labels_file,
    picture_names,
    picture_size,
    prediction_meaning,
    read_kept,
)
from rnw.evaluation.segmentation.score_maps import Size
from rnw.files import atomic_write, check_free, read_bytes, reading

UNPUBLISHED = "test"  # the split that servers judge
MAX_VALUES = 5  # wrong ones that are named for a picture


def find_form(dataset: SegmentationDataset) -> SubmissionForm:
    """Return the form of submissions for a dataset; raise InputError for one that has none."""
    if dataset.submission is None:
        known = ", ".join(row.name for row in SEGMENTATION.values() if row.submission is not None)
        raise InputError(f"no form of submissions for {dataset.name!r}: expected one of {known}")
    return dataset.submission


def write_submission(
    predictions: Path, dataset: SegmentationDataset, archive: Path, overwrite: bool = False
) -> int:
    """Pack the labels that `rnw eval-seg --save-predictions` kept; return how many pictures.

    Raises InputError when there are none or damaged ones, for an archive that exists or of another
    suffix, and for a dataset that has no form of submissions.
    """
    form = find_form(dataset)
    if not archive.name.endswith(form.suffixes):
        raise InputError(f"{archive}: expected a name that ends in {' or '.join(form.suffixes)}")
    check_free(archive, overwrite=overwrite)
    files = sorted((predictions / LABELS).glob("*.png"))
    if not files:
        raise InputError(
            f"{predictions / LABELS}: no predictions; `rnw eval-seg --save-predictions "
            f"{predictions}` makes them"
        )
    contents = (
        (form.path(file.stem), _content(predictions, file.stem, dataset, form)) for file in files
    )
    with atomic_write(archive) as file:
        if archive.name.endswith(ZIP):
            _write_zip(file, contents)
        else:
            _write_tar(file, contents, "w:gz" if archive.name.endswith("gz") else "w")
    return len(files)


def _content(
    predictions: Path, name: str, dataset: SegmentationDataset, form: SubmissionForm
) -> bytes:
    classes = read_kept(predictions, name, dataset)
    if form.palette:
        return read_bytes(labels_file(predictions, name))
    buffer = io.BytesIO()
    Image.fromarray(label_numbers(dataset)[classes]).save(buffer, "png")
    return buffer.getvalue()


def _write_zip(file: BinaryIO, contents: Iterable[Tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents:
            archive.writestr(name, content)


def _write_tar(
    file: BinaryIO, contents: Iterable[Tuple[str, bytes]], mode: Literal["w", "w:gz"]
) -> None:
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, content in contents:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def check_submission(
    path: Path,
    dataset: SegmentationDataset,
    root: Optional[Path] = None,
    split: Optional[str] = None,
) -> List[str]:
    """Return what is wrong with a folder or an archive of predictions, an empty list if nothing.

    split: by default `test`, whose labels are not published, or the dataset's own test split where
        it has no such split.

    Raises InputError when it, or the split's pictures, cannot be read.
    """
    form = find_form(dataset)
    examples = read_pictures(dataset, split or _default_split(dataset), root)
    stems = picture_names(examples)
    expected = {form.key(stem): index for index, stem in enumerate(stems)}
    problems, seen = _check_kind(path, form), set()
    for name, content in _pictures(path):
        key = form.key(PurePosixPath(name).stem)
        if not _in_place(name, form, path) or key not in expected:
            problems.append(f"{name}: not expected")
        elif key in seen:
            problems.append(f"{name}: a second one for {key}")
        else:
            seen.add(key)
            size = picture_size(examples, expected[key])
            problems += _check_picture(name, content, size, dataset)
    missing = [stem for stem in stems if form.key(stem) not in seen]
    return problems + [f"{form.path(stem)}: missing" for stem in missing]


def _check_kind(path: Path, form: SubmissionForm) -> List[str]:
    """Return whether an archive is one that the server takes."""
    if path.is_dir():
        return []
    zipped, right_name = zipfile.is_zipfile(path), path.name.endswith(form.suffixes)
    zip_expected = path.name.endswith(ZIP) if right_name else form.suffixes[0] in ZIP
    if right_name and zipped == zip_expected:
        return []
    found, expected = ("a zip" if zip_ else "a tar" for zip_ in (zipped, zip_expected))
    names = " or ".join(form.suffixes)
    return [f"{path.name}: {found}, expected {expected} with a name that ends in {names}"]


def _default_split(dataset: SegmentationDataset) -> str:
    return UNPUBLISHED if UNPUBLISHED in dataset.counts else dataset.test_split


def _in_place(name: str, form: SubmissionForm, path: Path) -> bool:
    """Return whether a picture is where it must be; a folder may lack the archive's folders."""
    folder, suffix = str(PurePosixPath(name).parent), PurePosixPath(name).suffix
    places = [str(PurePosixPath(form.folder))] + ["."] * path.is_dir()
    return suffix == ".png" and (form.fields is not None or folder in places)


def _pictures(path: Path) -> Iterator[Tuple[str, bytes]]:
    """Yield the path and content of each file in a folder or an archive."""
    if not path.exists():
        raise InputError(f"{path}: no such folder or archive")
    with reading(path, "a folder, tar or zip", DAMAGED):
        yield from _read_folder(path) if path.is_dir() else _read_archive(path)


def _read_folder(path: Path) -> Iterator[Tuple[str, bytes]]:
    for file in sorted(path.rglob("*")):
        if file.is_file():
            yield file.relative_to(path).as_posix(), read_bytes(file)


def _read_archive(path: Path) -> Iterator[Tuple[str, bytes]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if not name.endswith("/"):
                    yield name, archive.read(name)
        return
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                yield str(PurePosixPath(member.name)), file.read()


def _check_picture(
    name: str, content: bytes, size: Size, dataset: SegmentationDataset
) -> Iterator[str]:
    try:
        with open_picture(io.BytesIO(content), name, formats=("PNG",)) as image:
            image.load()
    except InputError as error:
        yield str(error)
        return
    if image.size != size[::-1]:
        yield f"{name}: {image.width}x{image.height} pixels, expected {size[1]}x{size[0]}"
    if image.mode in ("L", "P"):
        yield from _check_values(name, image, dataset)
    else:
        yield f"{name}: mode {image.mode}, expected 8 bits, gray or with a palette"


def _check_values(name: str, image: Image.Image, dataset: SegmentationDataset) -> Iterator[str]:
    """Yield what is wrong with the numbers, which are to be classes and have their colors."""
    allowed = label_numbers(dataset)
    unknown = np.setdiff1d(np.array(image), allowed).tolist()
    if unknown:
        named = ", ".join(map(str, unknown[:MAX_VALUES])) + ", ..." * (len(unknown) > MAX_VALUES)
        yield (
            f"{name}: values {named}, expected those of classes, {allowed.min()} to {allowed.max()}"
        )
    try:
        prediction_meaning(dataset).check(image, name)
    except InputError as error:
        yield str(error)
