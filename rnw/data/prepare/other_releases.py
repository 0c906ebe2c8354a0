"""TABLE of files mistaken for official archives: other releases and years, names of downloads."""

from pathlib import Path
from typing import Collection, Iterable, Iterator, NamedTuple, Optional, Tuple


class OtherRelease(NamedTuple):
    """Files, recognized by `patterns` of their names, that are found in place of an archive.

    instead_of: the archives. what: what the files are and what to do, to complete "it is ...".
    """

    instead_of: Tuple[str, ...]
    patterns: Tuple[str, ...]
    what: str


_TRAIN, _VAL = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
_PLACES = ("train_large_places365standard.tar", "train_256_places365standard.tar")
_VOC2012, _VOC2010 = "VOCtrainval_11-May-2012.tar", "VOCtrainval_03-May-2010.tar"
_FINE, _CITIES = "gtFine_trainvaltest.zip", "leftImg8bit_trainvaltest.zip"
_ADE = "ADEChallengeData2016.zip"

OTHER_RELEASES = (
    OtherRelease(
        (_TRAIN, _VAL),
        ("imagenet_object_local*", "*CLS-LOC*.tar*"),
        "as Kaggle has it: unpack it, and give the folder that holds ILSVRC, with "
        "LOC_val_solution.csv or ILSVRC2012_devkit_t12.tar.gz beside it",
    ),
    OtherRelease(
        (_TRAIN, _VAL),
        ("train_images_*.tar.gz", "val_images.tar.gz"),
        "as Hugging Face has it: unpack it, and move the pictures to folders train and val with a "
        "folder for each WordNet id",
    ),
    OtherRelease((_TRAIN,), ("ILSVRC2012_img_train_t3*",), "of task 3, with dogs alone"),
    OtherRelease(
        (_TRAIN,),
        ("fall11_whole*", "winter21_whole*"),
        "ImageNet with its 21 thousand classes, not ILSVRC 2012",
    ),
    OtherRelease(
        (_TRAIN, _VAL),
        ("imagenette*", "imagewoof*"),
        "a few classes of ImageNet: unpack it, and give its folder with --subset",
    ),
    OtherRelease(
        (_VAL,), ("ILSVRC2012_img_test*",), "the test split, whose labels are not published"
    ),
    OtherRelease((_VAL,), ("imagenetv2*", "imagenet-v2*"), "ImageNetV2: `rnw prepare imagenetv2`"),
    OtherRelease(
        ("ILSVRC2012_devkit_t12.tar.gz",),
        ("ILSVRC2012_devkit_t3*", "ILSVRC201[!2]_devkit*"),
        "the development kit of another task or year",
    ),
    OtherRelease(
        (*_PLACES, "filelist_places365-standard.tar"),
        ("*places365challenge*", "filelist_places365-challenge*"),
        "of Places365-Challenge, not of Places365-Standard",
    ),
    OtherRelease(_PLACES, ("*[Pp]laces205*",), "of Places205, which has other categories"),
    OtherRelease(
        ("val_large.tar", "val_256.tar"),
        ("test_large*", "test_256*"),
        "the test split, whose labels are not published",
    ),
    OtherRelease(
        (_VOC2012,),
        ("VOC*-200[0-9].tar", "VOC*-201[01].tar", "VOCdevkit/VOC20[01][!2]", "VOC20[01][!2]"),
        f"of another year: the paper's is VOC 2012, {_VOC2012}",
    ),
    OtherRelease(
        (_VOC2010,),
        ("VOC*-200[0-9].tar", "VOC*-201[12].tar", "VOCdevkit/VOC20[01][!0]", "VOC20[01][!0]"),
        f"of another year: PASCAL Context labels the pictures of VOC 2010, {_VOC2010}",
    ),
    OtherRelease(
        (_VOC2012,), ("VOC2012test.tar",), f"the test split, the others are in {_VOC2012}"
    ),
    OtherRelease(
        ("trainval.tar.gz",),
        ("trainval_merged.json", "33_context_labels*"),
        "PASCAL Context in another form: take trainval.tar.gz or 59_context_labels.tar.gz",
    ),
    OtherRelease(
        ("annotations_trainval2014.zip",),
        ("stuff_annotations*", "panoptic_annotations*", "stuffthingmaps*"),
        "COCO with stuff: take annotations_trainval2014.zip or annotations_trainval2017.zip",
    ),
    OtherRelease(
        (_ADE,),
        ("ADE20K_20*",),
        f"the full ADE20K, with thousands of classes: take the 150 for scene parsing, {_ADE}",
    ),
    OtherRelease(
        (_ADE,),
        ("ADEChallengeData2017*", "annotations_instance*"),
        f"for the segmentation of instances: take what is for scene parsing, {_ADE}",
    ),
    OtherRelease(
        (_FINE,),
        ("gtFine*rain[Ii]d*", "*label[Tt]rainIds*"),
        f"numbered by trainIds: take the ids, *_labelIds.png in {_FINE}",
    ),
    OtherRelease(
        (_FINE,),
        ("gtBbox*", "gtFine?[Pp]anoptic*", "gtFinePanoptic*"),
        f"of boxes or panoptic: take {_FINE}",
    ),
    OtherRelease(
        (_CITIES,),
        ("rightImg8bit*", "leftImg16bit*", "leftImg8bit_blurred*", "leftImg8bit_sequence*"),
        f"another package of Cityscapes: take {_CITIES}",
    ),
    *(
        OtherRelease((name,), (f"*packageID={number}",), f"{name}, if it is a zip file: rename it")
        for number, name in enumerate(
            (_FINE, "gtCoarse.zip", _CITIES, "leftImg8bit_trainextra.zip"), 1
        )
    ),
)
_UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".aria2", ".tmp", ".torrent")
_ADDED = " .(?&-"  # the first character of what downloads add to a name


def find_hints(folder: Path, archives: Collection[str]) -> Iterator[str]:
    """Yield what in a folder may have been mistaken for one of the missing `archives`."""
    wanted = set(archives)
    for archive in archives:
        if (folder / archive).exists():
            yield f"{folder / archive} is no file"
        yield from _misnamed(folder, archive)
    for row in OTHER_RELEASES:
        found = _find(folder, row.patterns) if wanted.intersection(row.instead_of) else None
        if found is not None:
            yield f"{found} is {row.what}"


def _find(folder: Path, patterns: Iterable[str]) -> Optional[Path]:
    """Return the folder itself or a file in it whose name matches a pattern."""
    if any(folder.resolve().match(pattern) for pattern in patterns):
        return folder
    return next((path for pattern in patterns for path in sorted(folder.glob(pattern))), None)


def _misnamed(folder: Path, archive: str) -> Iterator[str]:
    """Yield files that may be an archive under a name that a download gave them."""
    stem = archive.partition(".")[0]
    for path in sorted(folder.glob(f"{stem}[{_ADDED}]*")):
        if path.name.endswith(_UNFINISHED):
            yield f"{path} is an unfinished download"
        elif path.is_file() and path.name != archive:
            yield f"rename {path} to {archive} if it is that"
