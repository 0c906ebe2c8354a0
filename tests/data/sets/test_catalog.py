"""The table of datasets."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.cli import OPTIONAL_MODULES
from rnw.data.sets import (
    ade20k,
    catalog,
    cityscapes,
    coco_segmentation,
    gta5,
    pascal_context,
    synthia,
    voc,
)
from rnw.data.sets.catalog import DATASETS, SEGMENTATION, find_dataset, find_segmentation_dataset
from rnw.data.sets.publication import PackedPublication
from rnw.data.sets.reading import read_examples
from rnw.data.sets.rows import SegmentationDataset
from rnw.errors import InputError
from rnw.training.recipes import RECIPES


@pytest.mark.parametrize("name", DATASETS)
def test_rows_are_consistent(name):
    dataset = find_dataset(name)
    assert dataset.name == name
    assert len(dataset.class_names()) == dataset.classes
    assert "_" not in name  # it stands in file names
    if dataset.recipe:  # others have those of one's own data
        assert RECIPES[dataset.recipe].dataset == name
        assert RECIPES[dataset.recipe].classes == dataset.classes


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match=r"unknown dataset 'cifar': .*ilsvrc-cls.*digits"):
        find_dataset("cifar")


@pytest.mark.parametrize(("size", "crop"), [(224, 320), (112, 160), (56, 80)])
def test_ilsvrc_is_tested_at_larger_crops(size, crop):
    assert size * find_dataset("ilsvrc-cls").test_scale == crop


def test_digits_need_no_folder():
    dataset = find_dataset("digits")
    for split, count in ((dataset.train_split, 1438), (dataset.test_split, 359)):
        images, labels = read_examples(dataset, split)
        assert len(images) == len(labels) == count
        assert labels.max() == dataset.classes - 1
    assert dataset.class_names()[7] == "seven"
    np.testing.assert_array_equal(read_examples(dataset, "test", Path("x")).labels, labels)


@pytest.mark.parametrize("name", SEGMENTATION)
def test_rows_of_segmentation_are_consistent(name):
    row = find_segmentation_dataset(name)
    assert row.name == name
    assert row.recipe in (name, "")  # those without have the recipes of one's own data
    assert "_" not in name  # it stands in file names
    assert row.classes == len(row.palette) == len(set(row.class_names))
    assert row.label_ids is None or len(set(row.label_ids)) == row.classes
    assert all(0 <= value <= 255 and len(color) == 3 for color in row.palette for value in color)
    assert row.test_split in row.counts


@pytest.mark.parametrize(
    ("name", "classes", "counts", "test_size"),
    [  # section 6.2
        ("voc", 21, (1464, 1449, 1456, 10_582), 500),
        ("cityscapes", 19, (2975, 500, 1525, 19_998), 2048),
        ("ade20k", 150, (20_210, 2000, 3352), 500),
        ("pascal-context", 60, (4998, 5105), 500),
        # not of the paper
        ("camvid", 11, (367, 101, 233), 480),
        ("gta5", 19, (None, None, None, 24_966), 1914),
        ("synthia", 19, (9400,), 1280),
        ("mapillary-vistas", 65, (18_000, 2000, 5000), 2048),
        ("pascal-context-59", 59, (4998, 5105), 500),
        ("coco", 81, (118_287, 5000, 82_783, 40_504), 640),
        ("sbd", 21, (8498, 2857), 500),
    ],
)
def test_segmentation_data_sets_are_those_published(name, classes, counts, test_size):
    row = find_segmentation_dataset(name)
    assert (row.classes, tuple(row.counts.values()), row.test_size) == (classes, counts, test_size)


@pytest.mark.parametrize(
    ("name", "split", "count"),
    [  # those with '+' are the lines of the original's lists
        ("voc", "train+", 10_582),
        ("voc", "trainval", 2913),
        ("voc", "trainval_aug", 12_031),
        ("cityscapes", "train+", 22_973),
        ("cityscapes", "trainval", 3475),
        ("cityscapes", "trainval+", 23_473),
        ("ade20k", "trainval", 22_210),
        ("voc", "train++", None),
    ],
)
def test_splits_that_others_compose(name, split, count):
    row = find_segmentation_dataset(name)
    assert row.published_count(split) == count
    assert set(row.parts_of(split)) <= set(row.publication)
    assert row.parts_of("val") == ("val",)


def test_training_is_validated_on_split_val_where_there_is_one():
    splits = {name: (row.validation_split, row.test_split) for name, row in SEGMENTATION.items()}
    assert splits["voc"] == ("val", "val")
    assert splits["camvid"] == ("val", "test")
    assert SEGMENTATION["camvid"].published_count("trainval") == 468


def test_unknown_segmentation_data_sets_are_refused():
    with pytest.raises(InputError, match=r"unknown dataset 'coco-stuff': .*voc, city"):
        find_segmentation_dataset("coco-stuff")


@pytest.mark.parametrize("name", ["voc", "cityscapes", "ade20k", "pascal-context"])
def test_missing_lists_name_the_tool(name):
    row = find_segmentation_dataset(name)
    with pytest.raises(
        InputError, match=f"^data/{name}/val.lst: no such list; `rnw prepare {name}` makes it"
    ):
        row.read(row.root, "val")


def test_names_and_colors_are_those_of_gluoncv():
    from gluoncv.data import ADE20KSegmentation, CitySegmentation
    from gluoncv.utils.viz import segmentation as viz

    colors = np.array(viz.vocpallete).reshape(-1, 3)
    np.testing.assert_array_equal(voc.palette(256), colors)
    assert ade20k.CLASSES == ADE20KSegmentation.CLASSES
    np.testing.assert_array_equal(ade20k.PALETTE, np.array(viz.adepallete).reshape(-1, 3)[1:])
    # gluoncv writes "bicyle", and the sky without its red
    assert cityscapes.CLASSES[:-1] == CitySegmentation.CLASSES[:-1]
    colors = np.array(viz.cityspallete).reshape(-1, 3)
    colors[cityscapes.CLASSES.index("sky"), 0] = 70
    np.testing.assert_array_equal(cityscapes.PALETTE, colors)


def test_names_of_coco_are_those_of_gluoncv():
    from gluoncv.data import COCODetection

    assert ("background", *COCODetection.CLASSES) == coco_segmentation.CLASSES
    ids = coco_segmentation.LABEL_IDS
    missing = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    assert list(ids) == [number for number in range(91) if number not in missing]
    assert coco_segmentation.PALETTE[-1] == voc.palette(91)[90]


def test_synthia_and_gta5_have_the_classes_of_cityscapes():
    for row in (synthia.DATASET, gta5.DATASET):
        assert row.class_names == cityscapes.CLASSES
        assert (row.palette, row.label_ids) == (cityscapes.PALETTE, cityscapes.LABEL_IDS)
    assert set(synthia.NUMBERS) == set(cityscapes.CLASSES)
    assert sorted({*synthia.NUMBERS.values(), 0, 13, 14, 22}) == list(range(23))


def test_ids_of_cityscapes_are_the_official_ones():
    official = pytest.importorskip(
        "cityscapesscripts.helpers.labels", reason="cityscapesscripts is not installed"
    )
    trained = [label for label in official.labels if 0 <= label.trainId < 255]
    assert [label.trainId for label in trained] == list(range(19))
    assert tuple(label.name for label in trained) == cityscapes.CLASSES
    assert tuple(label.id for label in trained) == cityscapes.LABEL_IDS
    assert tuple(label.color for label in trained) == cityscapes.PALETTE


def test_numbers_of_pascal_context_are_those_of_others():
    """The set of 459 numbers that the converters of others keep; in the list names are sorted."""
    kept = [
        *(2, 9, 18, 19, 22, 23, 25, 31, 33, 34, 44, 45, 46, 59, 65, 68, 72, 80, 85, 98, 104, 105),
        *(113, 115, 144, 158, 159, 162, 187, 189, 207, 220, 232, 258, 259, 260, 284, 295, 296),
        *(308, 324, 326, 347, 349, 354, 355, 360, 366, 368, 397, 415, 416, 420, 424, 427, 440, 445),
        *(454, 458),
    ]
    names = dict(zip(pascal_context.NUMBERS, pascal_context.CLASSES[1:]))
    assert sorted(names) == kept
    assert [names[number] for number in kept] == sorted(names.values())
    assert pascal_context.CLASSES[1:21] == tuple(
        {"diningtable": "table"}.get(name, name) for name in voc.CLASSES[1:]
    )


def _archives(row):
    """The names of all official archives of a row."""
    if isinstance(row, SegmentationDataset):
        return {f.archive for split in row.publication.values() for p in split.parts for f in p}
    if isinstance(row.publication, PackedPublication):
        return {form.archive for form in row.publication.forms}
    forms = {form.archive for forms in row.publication.forms.values() for form in forms}
    return forms | {files.archive for files in row.publication.annotations}


def test_the_table_of_the_readme_is_that_of_the_catalog():
    text = (Path(__file__).parents[3] / "rnw/data/README.md").read_text()
    table = re.findall(r"^\| `([\w-]+)` \| (.*?) \| (\d+) \| (.*?) \| (.*) \|$", text, re.MULTILINE)
    rows = {**DATASETS, **SEGMENTATION}
    assert [name for name, *_ in table] == list(catalog.to_prepare())
    for name, title, classes, pictures, files in table:
        row = rows[name]
        counts = row.counts if name in SEGMENTATION else row.publication.images
        shown = ", ".join(f"{k} {n:,}" if n else k for k, n in counts.items())
        assert (title, int(classes), pictures) == (row.title, row.classes, shown)
        named = set(re.findall(r"`([^`]+\.(?:tar|tgz|gz|zip|rar))`", files))
        assert named <= _archives(row)
        assert named or name == "pascal-context-59"


@pytest.mark.parametrize("table", [DATASETS, SEGMENTATION])
def test_embedded_data_sets_have_no_other_splits(table):
    embedded = [row for row in table.values() if row.root is None]
    assert embedded
    for row in embedded:
        known = f"{row.name} has no split 'validation': expected train or {row.test_split}"
        with pytest.raises(InputError, match=known):
            row.read(Path(), "validation")


def test_reading_the_catalog_needs_no_extra():
    script = (
        "import sys, rnw.data.sets.catalog\n"
        f"extras = {{*{OPTIONAL_MODULES!r}, 'pycocotools'}}\n"
        "print(sorted(extras & {name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_each_module_of_a_data_set_is_listed():
    """A module that holds a row is in the catalog once, and is imported when it is looked up."""
    folder = Path(catalog.__file__).parent
    with_rows = {p.stem for p in folder.glob("*.py") if "\nDATASET = " in p.read_text()}
    script = (
        "import sys\n"
        "from rnw.data.sets import catalog\n"
        "names, before = [*catalog.DATASETS, *catalog.SEGMENTATION], set(sys.modules)\n"
        "for name in names: catalog.find_task_dataset(name)\n"
        "print(*names)\n"
        "print(*(m[len('rnw.data.sets.'):] for m in set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    names, imported = map(str.split, done.stdout.splitlines())
    assert len(set(names)) == len(names) == len(with_rows)
    assert with_rows <= set(imported)


def test_the_table_of_both_tasks_begins_with_classification():
    assert list(catalog.ROWS) == [*DATASETS, *SEGMENTATION]


@pytest.mark.parametrize("table", [DATASETS, SEGMENTATION])
def test_all_but_embedded_data_sets_can_be_prepared(table):
    without = {name for name, row in table.items() if row.publication is None}
    assert without == {*catalog.EMBEDDED} & {*table}


TOY = '''"""Stamps, each with a label for each pixel."""

from functools import partial
from pathlib import Path

from rnw.data.label_meaning import LabelMeaning
from rnw.data.picture_types import Pair
from rnw.data.sets.publication import Form, LabeledSplit
from rnw.data.sets.rows import ZIP, SegmentationDataset, SubmissionForm, prepared_labeled

CLASSES = ("paper", "ink")
MEANING = LabelMeaning("Stamps", (0, 1))
FORM = Form("stamps.zip", None, "stamps", ("stamps",), inside="stamps/")


def _pairs(split, root):
    pictures = sorted((root / "stamps" / split).glob("*.jpg"))
    return [Pair(f"stamps/{split}/{p.name}", f"stamps/{split}/{p.stem}.png") for p in pictures]


DATASET = SegmentationDataset(
    "stamps",
    "Stamps",
    Path("data/stamps"),
    CLASSES,
    ((255, 255, 255), (0, 0, 0)),
    prepared_labeled("stamps", MEANING),
    {"train": 2, "val": 1},
    (20, 20),
    recipe="voc",
    test_size=20,
    meaning=MEANING,
    publication={
        split: LabeledSplit(((FORM,),), partial(_pairs, split)) for split in ("train", "val")
    },
    submission=SubmissionForm("", ZIP, palette=False),
)
'''
# the command line in a process whose catalog lists one module more
WITH_TOY = """
import sys
from importlib import import_module
from pathlib import Path
import rnw.data.sets
rnw.data.sets.__path__.append("sets")
catalog = Path(rnw.data.sets.__path__[0], "catalog.py")
line = '        "shapes": "shapes",\\n'
source = catalog.read_text().replace(line, line.replace("shapes", "stamps") + line)
Path("sets/catalog.py").write_text(source)
rnw.data.sets.__path__.reverse()
from rnw.cli import main
main(sys.argv[1:])
"""


def _with_toy(*arguments):
    done = subprocess.run(
        [sys.executable, "-c", WITH_TOY, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_data_set_is_one_file_and_one_line_in_the_catalog():
    Path("sets").mkdir()
    Path("sets/stamps.py").write_text(TOY)
    for split, names in {"train": "ab", "val": "c"}.items():
        folder = Path("downloads/stamps", split)
        folder.mkdir(parents=True)
        for name in names:
            Image.new("RGB", (20, 20)).save(folder / f"{name}.jpg")
            Image.new("L", (20, 20), 1).save(folder / f"{name}.png")
    out = _with_toy("prepare", "stamps", "downloads")
    assert out.endswith("data/stamps/train.lst: 2 pictures\ndata/stamps/val.lst: 1 picture\n")
    assert Path("data/stamps/val.lst").read_text() == "stamps/val/c.jpg\tstamps/val/c.png\n"
    assert "stamps" in _with_toy("prepare", "--help")
    assert "stamps" in _with_toy("train-seg", "--help")
    labels = Path("kept/labels")
    labels.mkdir(parents=True)
    palette = Image.new("P", (20, 20), 1)
    palette.putpalette([255] * 3 + [0] * 3)
    palette.save(labels / "c.png")
    make = ("submission", "make", "kept", "--dataset", "stamps", "-o", "mine.zip")
    assert _with_toy(*make) == "mine.zip: 1 picture\n"
    check = ("submission", "check", "mine.zip", "--dataset", "stamps")
    assert _with_toy(*check) == "mine.zip: nothing is wrong\n"
