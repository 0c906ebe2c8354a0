"""Other releases, years and names than the official archives'."""

from pathlib import Path

import pytest

from rnw.data.prepare.classification import Preparation
from rnw.data.prepare.other_releases import OTHER_RELEASES
from rnw.data.prepare.segmentation import SegmentationPreparation
from rnw.data.sets.catalog import DATASETS, SEGMENTATION
from rnw.data.sets.publication import Publication
from rnw.errors import InputError
from tests.data.prepare import miniature


def _archives():
    for publication in (row.publication for row in DATASETS.values()):
        if isinstance(publication, Publication):
            yield from (files.archive for files in publication.annotations)
            yield from (form.archive for forms in publication.forms.values() for form in forms)
    for row in SEGMENTATION.values():
        for split in (row.publication or {}).values():
            yield from (form.archive for forms in split.parts for form in forms)


def test_the_table_tells_of_official_archives_alone():
    known = set(_archives())
    for row in OTHER_RELEASES:
        assert known.issuperset(row.instead_of)
        assert not [name for name in row.instead_of for p in row.patterns if Path(name).match(p)]


def _plan(dataset, *splits, source="downloads"):
    if dataset in DATASETS:
        row = DATASETS[dataset].publication
        return Preparation(row, [Path(source)], Path("data"), splits or ("train", "val")).plan()
    return SegmentationPreparation(
        SEGMENTATION[dataset], [Path(source)], Path("data"), splits
    ).plan()


FOUND = [
    (
        "ilsvrc-cls",
        "imagenet_object_localization_patched2019.tar.gz",
        "as Kaggle has it: unpack it, and",
    ),
    ("ilsvrc-cls", "ILSVRC2017_CLS-LOC.tar.gz", "as Kaggle has it"),
    ("ilsvrc-cls", "ILSVRC2012_img_train_t3.tar", "of task 3, with dogs alone"),
    ("ilsvrc-cls", "imagenetv2-matched-frequency.tar.gz", "ImageNetV2: `rnw prepare imagenetv2`"),
    ("ilsvrc-cls", "imagenette2-320.tgz", "a few classes of ImageNet: unpack it, and give its fol"),
    ("ilsvrc-cls", "ILSVRC2012_img_test_v10102019.tar", "the test split, whose labels are not pub"),
    (
        "places365-cls",
        "train_large_places365challenge.tar",
        "of Places365-Challenge, not of Places",
    ),
    ("places365-cls", "imagesPlaces205_resize.tar.gz", "of Places205, which has other categories"),
    ("voc", "VOCtrainval_06-Nov-2007.tar", "of another year: the paper's is VOC 2012, VOCtrainval"),
    ("voc", "VOCdevkit/VOC2007/JPEGImages/1.jpg", "of another year"),
    ("pascal-context", "VOCtrainval_11-May-2012.tar", "of another year: PASCAL Context labels the"),
    ("ade20k", "ADE20K_2016_07_26.zip", "the full ADE20K, with thousands of classes: take the 150"),
    ("ade20k", "ADE20K_2021_17_01/images/ADE/x.jpg", "the full ADE20K"),
    ("cityscapes", "gtFine_trainIds.zip", "numbered by trainIds: take the ids, *_labelIds.png in"),
    ("cityscapes", "file-handling?packageID=1", "gtFine_trainvaltest.zip, if it is a zip file: re"),
    ("cityscapes", "leftImg8bit_sequence_trainvaltest.zip", "another package of Cityscapes: take"),
]


@pytest.mark.parametrize(("dataset", "name", "what"), FOUND)
def test_another_release_is_recognized(dataset, name, what):
    path = Path("downloads", name)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    with pytest.raises(InputError) as refused:
        _plan(dataset)
    first, *hints = str(refused.value).split("; ")
    assert first.startswith("missing in downloads, data: ")
    (hint,) = [hint for hint in hints if hint.startswith("downloads/")]
    found, _, said = hint.partition(" is ")
    assert path == Path(found) or Path(found) in path.parents
    assert said.startswith(what)


def test_the_folder_given_may_be_the_other_release():
    Path("ADE20K_2021_17_01/images").mkdir(parents=True)
    with pytest.raises(InputError, match="; ADE20K_2021_17_01 is the full ADE20K"):
        _plan("ade20k", source="ADE20K_2021_17_01")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("release_test.zip.crdownload", r"; downloads/\S+ is an unfinished download$"),
        (
            "release_test (1).zip",
            r"; rename downloads/release_test \(1\)\.zip to release_test\.zip",
        ),
        ("release_test.zip?dl=0", r"; rename downloads/release_test\.zip\?dl=0 to release_test\.z"),
        ("release_test_more.zip", r"release_test\.zip or release_test/$"),
    ],
)
def test_archives_under_the_names_of_downloads_are_recognized(name, hint):
    Path("downloads").mkdir()
    Path("downloads", name).touch()
    with pytest.raises(InputError, match=hint):
        _plan("ade20k", "test")


def test_nothing_is_said_of_what_is_not_needed():
    Path("downloads").mkdir()
    Path("downloads/ADE20K_2016_07_26.zip").touch()
    with pytest.raises(InputError, match=r"^missing in downloads, data: release_test\.zip or"):
        _plan("ade20k", "test")
    miniature.write_tar(Path("downloads/release_test.zip"), [("release_test/testing/1.jpg", b"")])
    assert len(_plan("ade20k", "test")) == 2


def test_a_folder_in_the_place_of_an_archive_is_named():
    Path("downloads/release_test.zip").mkdir(parents=True)
    with pytest.raises(InputError, match=r"; downloads/release_test\.zip is no file$"):
        _plan("ade20k", "test")


def test_an_archive_in_the_place_of_its_folder_is_named():
    Path("ADEChallengeData2016.zip").touch()
    with pytest.raises(InputError, match=r"^ADEChallengeData2016\.zip: is a file; give the folder"):
        _plan("ade20k", source="ADEChallengeData2016.zip")


def test_what_kaggle_offers_is_found_where_it_was_unpacked():
    for split in ("train/n01440764", "val"):
        Path("downloads/ILSVRC/Data/CLS-LOC", split).mkdir(parents=True)
    Path("downloads/ILSVRC2012_devkit_t12.tar.gz").touch()
    texts = [step.text for step in _plan("ilsvrc-cls")]
    assert "link data/ILSVRC2012_val to downloads/ILSVRC/Data/CLS-LOC/val" in texts
    assert "link data/ILSVRC2012_train to downloads/ILSVRC/Data/CLS-LOC/train" in texts
