"""From archives and folders in their official forms to lists."""

import contextlib
import dataclasses
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path

import pytest
from gluoncv.data.imagenet.classification import ImageNet1kAttr

from rnw.data.prepare.classification import Preparation
from rnw.data.readers import ImageList
from rnw.data.recordio import PackedImages
from rnw.data.sets.catalog import DATASETS
from rnw.data.sets.ilsvrc12 import (
    ILSVRC12,
    KAGGLE,
    find_devkit,
    read_class_numbers,
    read_devkit,
    read_kaggle,
)
from rnw.data.sets.imagenetv2 import IMAGENETV2
from rnw.data.sets.places365 import PLACES365, class_of, read_file_lists
from rnw.data.sets.places365_names import PLACES365_NAMES
from rnw.data.sets.publication import Publication
from rnw.data.sets.reading import read_examples
from rnw.data.sets.subsets import match_labels
from rnw.errors import InputError
from rnw.evaluation.classification.kept import pictures_digest
from tests.data.prepare import miniature
from tests.data.prepare.miniature_segmentation import write_folder, write_zip

OUTPUT = Path("data")
TRAIN, VAL, DEVKIT = (
    "ILSVRC2012_img_train.tar",
    "ILSVRC2012_img_val.tar",
    "ILSVRC2012_devkit_t12.tar.gz",
)


@pytest.fixture(scope="module")
def ilsvrc(tmp_path_factory):
    return miniature.make_ilsvrc12(tmp_path_factory.mktemp("ilsvrc"))


@pytest.fixture(scope="module", params=["large", "256", "easyformat"])
def places(request, tmp_path_factory):
    return miniature.make_places365(tmp_path_factory.mktemp("places"), request.param)


@pytest.fixture
def extracted(ilsvrc):
    """The pictures and the kit of the miniature in folders, as tar would leave them."""
    folder = Path("extracted")
    for name, content in ilsvrc.train.items():
        _write(folder / "train" / name, content)
    for name, content in ilsvrc.val.items():
        _write(folder / "val" / name, content)
    with tarfile.open(ilsvrc.folder / DEVKIT) as tar:
        tar.extractall(folder)
    return folder


read_ilsvrc12 = DATASETS["ilsvrc-cls"].read
read_places365 = DATASETS["places365-cls"].read


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _prepare(source, publication=ILSVRC12, subset=True, **options):
    for step in Preparation(publication, [source], OUTPUT, subset=subset, **options).plan():
        step.run()


def _copy(ilsvrc, *names):
    """A folder with some of the archives of the miniature."""
    folder = Path("archives")
    folder.mkdir()
    for name in names:
        shutil.copy(ilsvrc.folder / name, folder)
    return folder


def _official(made):
    """The miniature as if it were what is published: its own counts and checksums."""

    def with_md5(row):
        archive = made.folder / row.archive
        there = archive.is_file()
        return row._replace(md5=hashlib.md5(archive.read_bytes()).hexdigest()) if there else row

    return dataclasses.replace(
        ILSVRC12,
        classes=len(made.classes),
        images={"train": len(made.train), "val": len(made.val)},
        forms={s: tuple(map(with_md5, forms)) for s, forms in ILSVRC12.forms.items()},
        annotations=tuple(map(with_md5, ILSVRC12.annotations)),
    )


def _tree(folder=OUTPUT):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _expected_lists(ilsvrc, val_folders=False):
    """The lists that the miniature must give, written out."""
    train = [
        f"{index}\t{ilsvrc.classes.index(path.split('/')[0])}\tILSVRC2012_train/{path}\n"
        for index, path in enumerate(sorted(ilsvrc.train))
    ]
    val = [
        f"{index}\t{label}\tILSVRC2012_val/"
        + f"{ilsvrc.classes[label]}/" * val_folders
        + f"ILSVRC2012_val_{index + 1:08d}.JPEG\n"
        for index, label in enumerate(ilsvrc.val_labels)
    ]
    return {
        "train.lst": "".join(train).encode(),
        "val.lst": "".join(val).encode(),
        "classes.txt": "".join(f"{name}\n" for name in ilsvrc.classes).encode(),
    }


def test_the_tables_are_those_published():
    prepared = {
        row.name: row for row in DATASETS.values() if isinstance(row.publication, Publication)
    }
    assert list(prepared) == ["ilsvrc-cls", "places365-cls", "imagenetv2"]
    assert (prepared["ilsvrc-cls"].classes, prepared["places365-cls"].classes) == (1000, 365)
    for row in prepared.values():
        assert row.publication.classes == row.classes == len(row.class_ids)
    categories = [f"/{name[0]}/{name} {label}" for label, name in enumerate(PLACES365_NAMES)]
    md5 = hashlib.md5("\n".join(categories).encode()).hexdigest()
    assert md5 == "06c963b85866bd0649f97cb43dd16673"  # of categories_places365.txt


def test_classes_without_annotations_have_the_published_order():
    assert list(PLACES365_NAMES) == sorted(PLACES365_NAMES)
    assert ImageNet1kAttr().synset == sorted(ImageNet1kAttr().synset)
    assert [class_of(f"{n[0]}/{n}") for n in PLACES365_NAMES] == list(PLACES365_NAMES)
    assert [class_of(n.replace("/", "-")) for n in PLACES365_NAMES] == list(PLACES365_NAMES)


def test_the_devkit_is_read(ilsvrc):
    found = read_devkit(ilsvrc.folder / DEVKIT)
    assert found.classes == ("n01440764", "n02100735", "n02119789", "n03000134")
    assert found.train == dict.fromkeys(found.classes, 6)
    assert [found.classes.index(name) for name in found.val.values()] == ilsvrc.val_labels
    assert next(iter(found.val)) == "ILSVRC2012_val_00000001"


def test_archives(ilsvrc):
    _prepare(ilsvrc.folder)
    pictures = {f"ILSVRC2012_train/{name}": content for name, content in ilsvrc.train.items()}
    pictures.update({f"ILSVRC2012_val/{name}": content for name, content in ilsvrc.val.items()})
    kit = _kit(ilsvrc)
    assert _tree() == {**pictures, **_expected_lists(ilsvrc), **kit}


def _kit(ilsvrc):
    """What is kept of the development kit."""
    names = ("meta.mat", "ILSVRC2012_validation_ground_truth.txt")
    paths = [f"ILSVRC2012_devkit_t12/data/{name}" for name in names]
    with tarfile.open(ilsvrc.folder / DEVKIT) as tar:
        return {path: tar.extractfile(path).read() for path in paths}


@pytest.mark.parametrize("form", ["archive", "folder"])
def test_the_devkit_is_kept_for_the_numbers_of_classes(ilsvrc, extracted, form):
    _prepare(ilsvrc.folder if form == "archive" else extracted)
    shutil.rmtree(extracted)
    assert _tree().items() >= _kit(ilsvrc).items()
    assert find_devkit(OUTPUT) == OUTPUT / "ILSVRC2012_devkit_t12"
    expected = {wnid: number for number, (wnid, _) in enumerate(miniature.SYNSETS, 1)}
    assert read_class_numbers(find_devkit(OUTPUT)) == expected
    assert list(expected.values()) != [expected[wnid] for wnid in sorted(expected)]


def test_a_devkit_that_is_there_stays(ilsvrc):
    meta = OUTPUT / "ILSVRC2012_devkit_t12/data/meta.mat"
    _write(meta, b"mine")
    _prepare(ilsvrc.folder)
    assert meta.read_bytes() == b"mine"
    _prepare(ilsvrc.folder, overwrite=True)
    assert _tree().items() >= _kit(ilsvrc).items()


def test_archives_with_their_checksums_and_counts(ilsvrc):
    _prepare(ilsvrc.folder, _official(ilsvrc), subset=False)
    assert _tree().items() >= _expected_lists(ilsvrc).items()


def test_extracted_folders_are_linked(ilsvrc, extracted):
    _prepare(extracted, _official(ilsvrc), subset=False)
    assert (OUTPUT / "ILSVRC2012_train").resolve() == (extracted / "train").resolve()
    assert (OUTPUT / "ILSVRC2012_val").is_symlink()
    lists = {path.name: path.read_bytes() for path in OUTPUT.iterdir() if path.is_file()}
    assert lists == _expected_lists(ilsvrc)


@pytest.fixture(params=["archive", "folder", "folder of the archive's name"])
def kaggle(request, ilsvrc):
    """What Kaggle offers, in its archive or extracted from it."""
    files, folder = miniature.kaggle_files(ilsvrc), Path("downloads")
    if request.param == "archive":
        write_zip(folder / f"{KAGGLE}.zip", files)
    else:
        write_folder(folder / KAGGLE if request.param != "folder" else folder, files)
    return folder


def test_kaggles_form_gives_the_same_lists(ilsvrc, kaggle):
    _prepare(kaggle)
    lists = {
        path.name: path.read_bytes() for path in [*OUTPUT.glob("*.lst"), *OUTPUT.glob("*.txt")]
    }
    assert lists == _expected_lists(ilsvrc)
    for path, content in ilsvrc.train.items():
        assert (OUTPUT / "ILSVRC2012_train" / path).read_bytes() == content
    assert not (OUTPUT / "ILSVRC2012_train/ILSVRC2012_test_00000001.JPEG").exists()


def test_pictures_of_kaggle_are_counted(ilsvrc, kaggle):
    official = _official(ilsvrc)
    _prepare(kaggle, official, subset=False)
    assert len(read_ilsvrc12(OUTPUT, "train")) == len(ilsvrc.train)
    more = dataclasses.replace(official, images={"train": 25, "val": 12})
    with pytest.raises(InputError, match="expected 25 pictures of 4 classes, found 24 of 4"):
        _prepare(kaggle, more, subset=False, splits=["train"], overwrite=True)
    more = dataclasses.replace(official, images={"train": 24, "val": 13})
    with pytest.raises(InputError, match="has 12 pictures of 4 classes for val, expected 13 of 4"):
        _prepare(kaggle, more, subset=False, splits=["val"], overwrite=True)


@pytest.mark.parametrize("line", ["ILSVRC2012_val_00000001,n01440764 1 2 3", "x,n01440764 1 2 3 4"])
def test_damaged_tables_of_kaggle_are_named(line):
    _write(Path("kaggle/LOC_val_solution.csv"), f"ImageId,PredictionString\n{line}\n".encode())
    with pytest.raises(InputError, match=r"^kaggle: line 2 of LOC_val_solution\.csv is '.*', exp"):
        read_kaggle(Path("kaggle"))


@pytest.mark.parametrize("with_devkit", [True, False])
def test_class_folders_of_validation_pictures(ilsvrc, extracted, with_devkit):
    for name, label in zip(ilsvrc.val, ilsvrc.val_labels):
        _write(extracted / "val" / ilsvrc.classes[label] / name, ilsvrc.val[name])
        (extracted / "val" / name).unlink()
    if not with_devkit:
        shutil.rmtree(extracted / "ILSVRC2012_devkit_t12")
    _prepare(extracted, _official(ilsvrc), subset=False)
    lists = {path.name: path.read_bytes() for path in OUTPUT.iterdir() if path.is_file()}
    assert lists == _expected_lists(ilsvrc, val_folders=True)


def test_folders_that_are_in_place_already(ilsvrc, extracted):
    extracted.rename(OUTPUT)
    (OUTPUT / "train").rename(OUTPUT / "ILSVRC2012_train")
    (OUTPUT / "val").rename(OUTPUT / "ILSVRC2012_val")
    steps = Preparation(_official(ilsvrc), [], OUTPUT).plan()
    assert [step.text.split()[0] for step in steps] == ["read", "write"]
    for step in steps:
        step.run()
    assert _tree().items() >= _expected_lists(ilsvrc).items()


def test_places(places):
    _prepare(places.folder, PLACES365)
    images = {split: read_places365(OUTPUT, split) for split in ("train", "val")}
    assert [images["train"].read(k) for k in range(20)] == list(places.train.values())
    assert images["train"].labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5 + [3] * 5
    assert [images["val"].read(k) for k in range(8)] == list(places.val.values())
    assert images["val"].labels.tolist() == places.val_labels
    assert (OUTPUT / "classes.txt").read_text().split() == list(places.classes)


def test_places_in_folders():
    made = miniature.make_places365(Path("archives"), "256")
    for archive in made.folder.iterdir():
        with tarfile.open(archive) as tar:
            tar.extractall("extracted")
    _prepare(Path("extracted"), PLACES365)
    assert (OUTPUT / "data_256").resolve() == Path("extracted/data_256").resolve()
    assert read_places365(OUTPUT, "train").name(6) == (
        "data/data_256/a/apartment_building/outdoor/00000002.jpg"
    )
    assert read_places365(OUTPUT, "val").labels.tolist() == made.val_labels


@pytest.mark.parametrize("line", ["a/airfield", "/a/airfield one", " 0", "/ 0", "/a/airfield ²"])
def test_damaged_places_lists_are_named(line):
    made = miniature.make_places365(Path("archives"))
    lists = made.folder / "filelist_places365-standard.tar"
    miniature.write_tar(lists, [("categories_places365.txt", f"/a/alley 0\n{line}".encode())])
    with pytest.raises(InputError, match=rf"line 2 of categories_places365\.txt is '{line}'"):
        _prepare(made.folder, PLACES365)


def test_places_lists_with_an_unknown_label_are_named():
    made = miniature.make_places365(Path("archives"))
    lists = made.folder / "filelist_places365-standard.tar"
    miniature.write_file_lists(lists, made.train, made.val, [0, 4])
    wording = r"line 2 of places365_val\.txt has label 4, categories_places365\.txt has no label 4"
    with pytest.raises(InputError, match=wording):
        _prepare(made.folder, PLACES365)


@pytest.mark.parametrize(
    ("name", "content", "wording"),
    [
        (
            "categories",
            b"/a/alley 0\n/b/bar 0\n",
            "line 2 of categories_places365.txt has category",
        ),
        ("categories", b"/a/alley 0\n/a/alley 1\n", "category alley with label 1, one of which a"),
        (
            "train",
            b"/a/alley/1.jpg 2\n",
            "line 1 of places365_train_standard.txt has label 2, cate",
        ),
        ("train", b"/b/b\xe9r/1.jpg\n", "line 1 of places365_train_standard.txt is '/b/b\ufffdr/1"),
        (
            "val",
            b"v1.jpg 0\nv2.jpg 1\nv1.jpg 1\n",
            "line 3 of places365_val.txt names v1.jpg again",
        ),
    ],
)
def test_places_lists_that_contradict_themselves_are_named(name, content, wording):
    files = {"categories": b"/a/alley 0\n/b/b\xe9r 1\n", "train": b"", "val": b"", name: content}
    names = ("categories_places365.txt", "places365_train_standard.txt", "places365_val.txt")
    miniature.write_tar(Path("lists.tar"), list(zip(names, files.values())))
    with pytest.raises(InputError, match="^lists.tar: .*" + re.escape(wording)):
        read_file_lists(Path("lists.tar"))


def test_places_file_lists_are_read(places):
    found = read_file_lists(places.folder / "filelist_places365-standard.tar")
    assert found.classes == ("airfield", "apartment_building/outdoor", "field/wild", "field_road")
    assert found.train == dict.fromkeys(found.classes, 5)
    assert [found.classes.index(name) for name in found.val.values()] == places.val_labels


def test_a_pack_holds_the_pictures_of_the_list(ilsvrc):
    _prepare(ilsvrc.folder)
    listed = read_ilsvrc12(OUTPUT, "train")
    _prepare(ilsvrc.folder, pack=True)
    packed = read_ilsvrc12(OUTPUT, "train")
    assert (type(listed), type(packed)) == (ImageList, PackedImages)
    assert len(packed) == len(listed) == 24
    assert packed.labels.tolist() == listed.labels.tolist()
    assert [packed.read(k) for k in range(24)] == [listed.read(k) for k in range(24)]
    assert listed.name(0) == "data/ILSVRC2012_train/n01440764/n01440764_1.JPEG"
    assert packed.name(0) == "data/train.rec: ILSVRC2012_train/n01440764/n01440764_1.JPEG"


def test_what_is_done_is_not_done_again(ilsvrc):
    _prepare(ilsvrc.folder, pack=True)
    assert Preparation(ILSVRC12, [ilsvrc.folder], OUTPUT, pack=True).plan() == []
    before = _tree()
    (OUTPUT / "val.lst").write_text("spoilt")
    _prepare(ilsvrc.folder, pack=True, overwrite=True)
    assert _tree() == before


@pytest.mark.parametrize("lines", [12, 5])
def test_a_changed_list_is_packed_anew(ilsvrc, lines):
    _prepare(ilsvrc.folder)
    listing = OUTPUT / "val.lst"
    names = [line.split("\t")[2] for line in listing.read_text().splitlines()]
    listing.write_text("".join(f"{k}\t0\t{name}\n" for k, name in enumerate(names)))
    _prepare(ilsvrc.folder, pack=True)
    names = names[::-1][:lines]  # with the same labels
    listing.write_text("".join(f"{k}\t0\t{name}\n" for k, name in enumerate(names)))
    with pytest.raises(InputError, match=r"^data/val\.rec: was not made from data/val\.lst as it "):
        read_ilsvrc12(OUTPUT, "val")
    steps = Preparation(ILSVRC12, [], OUTPUT, subset=True, pack=True).plan()
    assert [step.text for step in steps] == ["pack the pictures of val in data/val.rec"]
    _prepare(ilsvrc.folder, pack=True)
    packed = read_ilsvrc12(OUTPUT, "val")
    assert isinstance(packed, PackedImages)
    expected = [(OUTPUT / name).read_bytes() for name in names]
    assert [packed.read(k) for k in range(len(packed))] == expected


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("val.rec", lambda pack: pack[:-4]),  # more than padding
        ("val.rec", lambda pack: pack[: len(pack) // 2]),
        ("val.rec", lambda pack: pack + b"more"),
        ("val.idx", lambda index: index[:-20]),
        ("val.idx", lambda index: index + b"no number"),
        ("val.idx", lambda index: b""),
    ],
)
def test_a_pack_that_is_not_whole_is_made_anew(ilsvrc, name, spoil):
    _prepare(ilsvrc.folder, pack=True)
    before = _tree()
    (OUTPUT / name).write_bytes(spoil(before[name]))
    _prepare(ilsvrc.folder, pack=True)
    assert _tree() == before


@pytest.mark.parametrize("name", ["val.rec", "val.idx", "val.md5"])
def test_a_pack_that_lacks_a_file_is_made_anew(ilsvrc, name):
    _prepare(ilsvrc.folder, pack=True)
    before = _tree()
    (OUTPUT / name).unlink()
    _prepare(ilsvrc.folder, pack=True)
    assert _tree() == before


def test_a_list_made_anew_leaves_no_old_pack(ilsvrc):
    _prepare(ilsvrc.folder, pack=True)
    _prepare(ilsvrc.folder, overwrite=True)
    assert isinstance(read_ilsvrc12(OUTPUT, "val"), ImageList)


KILLED = """
import os, signal, sys
from pathlib import Path
from rnw.data.prepare.classification import Preparation
from rnw.data.sets.ilsvrc12 import ILSVRC12
told = 0
def kill(done, total):
    global told
    told += 1
    if told == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
preparation = Preparation(
    ILSVRC12, [Path(sys.argv[1])], Path("data"), subset=True, pack=True
)
for step in preparation.plan():
    step.run(kill)
"""


@pytest.mark.slow
@pytest.mark.parametrize("calls", [1, 10, 24, 30, 36, 40, 70, 72])
def test_goes_on_after_it_was_killed(ilsvrc, calls):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(ilsvrc.folder), str(calls)],
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == -signal.SIGKILL
    extracted = 24 + 12
    assert (OUTPUT / "train.lst").exists() == (OUTPUT / "val.lst").exists() == (calls > extracted)
    assert not (OUTPUT / "val.idx").exists()
    if calls <= extracted:
        assert not (OUTPUT / "ILSVRC2012_val").exists()
    before = {path: path.stat().st_mtime_ns for path in OUTPUT.rglob("*.JPEG")}
    assert len(before) == min(calls, extracted)
    _prepare(ilsvrc.folder, pack=True)
    lists = _expected_lists(ilsvrc)
    assert _tree().items() >= lists.items()
    assert not [path for path in OUTPUT.rglob("*") if path.name.startswith(".")]
    after = {path.name: path.stat().st_mtime_ns for path in OUTPUT.rglob("*.JPEG")}
    assert all(after[path.name] == when for path, when in before.items())
    for split, pictures in (("train", ilsvrc.train), ("val", ilsvrc.val)):
        images = read_ilsvrc12(OUTPUT, split)
        assert isinstance(images, PackedImages)
        assert [images.read(k) for k in range(len(images))] == [
            pictures[name] for name in sorted(pictures)
        ]


def _begin(ilsvrc, publication, **options):
    """Stop an extraction after five of the training pictures."""

    def stop(done, total):
        if len(list(OUTPUT.rglob("*.JPEG"))) == 5:
            raise KeyboardInterrupt

    for step in Preparation(publication, [ilsvrc.folder], OUTPUT, **options).plan():
        with contextlib.suppress(KeyboardInterrupt):
            step.run(stop)
        if step.text.startswith("extract"):
            break
    return {path: path.stat().st_mtime_ns for path in OUTPUT.rglob("*.JPEG")}


@pytest.mark.parametrize("checked", [True, False])
def test_what_was_extracted_without_a_check_is_compared_with_one(ilsvrc, checked):
    publication = _official(ilsvrc)
    before = _begin(ilsvrc, publication, md5=checked)
    assert len(before) == 5
    victim = min(before)
    spoilt = bytes(victim.stat().st_size)
    victim.write_bytes(spoilt)
    steps = Preparation(publication, [ilsvrc.folder], OUTPUT).plan()
    texts = [step.text for step in steps]
    assert (f"check the md5 of {ilsvrc.folder / TRAIN}" in texts) != checked
    for step in steps:
        step.run()
    found = (OUTPUT / "ILSVRC2012_train" / victim.parent.name / victim.name).read_bytes()
    assert found == (spoilt if checked else ilsvrc.train[f"{victim.parent.name}/{victim.name}"])
    after = {path.name: path.stat().st_mtime_ns for path in OUTPUT.rglob("*.JPEG")}
    kept = [path for path in before if path != victim]
    assert [after[path.name] for path in kept] == [before[path] for path in kept]
    assert not [path for path in OUTPUT.iterdir() if path.name.startswith(".")]


def test_another_archive_than_the_one_begun_with_is_checked(ilsvrc):
    publication = _official(ilsvrc)
    folder = _copy(ilsvrc, TRAIN, VAL, DEVKIT)
    _begin(ilsvrc, publication)
    content = bytearray((folder / TRAIN).read_bytes())
    content[-1] ^= 1
    (folder / TRAIN).write_bytes(content)
    with pytest.raises(
        InputError, match=f"{TRAIN}: truncated, damaged or another release: expected md5"
    ):
        _prepare(folder, publication, subset=False)


def test_a_file_cut_short_is_extracted_again(ilsvrc):
    name = next(iter(ilsvrc.train))
    _write(OUTPUT / ".ILSVRC2012_train.part" / name, ilsvrc.train[name][:50])
    _prepare(ilsvrc.folder)
    assert (OUTPUT / "ILSVRC2012_train" / name).read_bytes() == ilsvrc.train[name]


@pytest.mark.parametrize("name", ["ILSVRC2012_train", ".ILSVRC2012_train.part"])
def test_a_dead_link_gives_way(ilsvrc, name):
    OUTPUT.mkdir()
    (OUTPUT / name).symlink_to("gone")
    _prepare(ilsvrc.folder)
    assert not (OUTPUT / "ILSVRC2012_train").is_symlink()
    assert _tree().items() >= _expected_lists(ilsvrc).items()
    assert not Path("gone").exists()


@pytest.mark.parametrize("name", ["data", "data/.ILSVRC2012_train.part/n02119789"])
def test_a_dead_link_in_the_place_of_a_folder_is_named(ilsvrc, name):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).symlink_to("gone")
    with pytest.raises(InputError, match=rf"^{name}: a file or a dead link is where a "):
        _prepare(ilsvrc.folder)


def test_a_file_in_the_place_of_a_folder_is_named(ilsvrc):
    _write(OUTPUT / "ILSVRC2012_val", b"a file")
    with pytest.raises(InputError, match=r"^data/ILSVRC2012_val: a file is where a fo"):
        Preparation(ILSVRC12, [ilsvrc.folder], OUTPUT, subset=True).plan()


def test_a_plan_does_nothing(ilsvrc):
    steps = Preparation(ILSVRC12, [ilsvrc.folder], OUTPUT, pack=True).plan()
    assert [step.text.split()[0] for step in steps] == [
        *("check", "read", "check", "extract", "check", "extract", "write", "pack", "pack")
    ]
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("there", "wording"),
    [
        ((), rf"pictures of train \({TRAIN} or .*pictures of val \({VAL} or .*val/"),
        (
            (VAL, DEVKIT),
            rf"^missing in archives, data: the pictures of train \({TRAIN} .*train/\)$",
        ),
        (
            (TRAIN, VAL),
            rf"^missing in .*: {DEVKIT} or {KAGGLE}.zip, which has the classes of archives/{VAL}$",
        ),
    ],
)
def test_what_is_missing_is_named(ilsvrc, there, wording):
    with pytest.raises(InputError, match=wording):
        Preparation(ILSVRC12, [_copy(ilsvrc, *there)], OUTPUT).plan()


def test_a_missing_folder_is_named():
    with pytest.raises(InputError, match=r"^absent: no such directory"):
        Preparation(ILSVRC12, [Path("absent")], OUTPUT).plan()


def test_a_split_named_twice_is_done_once(ilsvrc):
    once, twice = (
        Preparation(ILSVRC12, [ilsvrc.folder], OUTPUT, splits, subset=True, pack=True).plan()
        for splits in (("val",), ("val", "val"))
    )
    assert [step.text for step in twice] == [step.text for step in once]


def test_names_that_are_not_utf8(extracted):
    for split, category in (
        ("train", b"n\xe9"),
        ("val", b"n\xe9"),
        ("train", b"n1"),
        ("val", b"n1"),
    ):
        name = os.fsencode(f"other/{split}/") + category + b"/p\xe9.JPEG"
        _write(Path(os.fsdecode(name)), miniature.jpeg(1, 0))
    _prepare(Path("other"), PLACES365)
    assert (OUTPUT / "classes.txt").read_bytes() == b"n1\nn\xe9\n"
    images = read_places365(OUTPUT, "val")
    assert images.labels.tolist() == [0, 1]
    assert images.read(1) == miniature.jpeg(1, 0)
    assert len(pictures_digest(images)) == 32


def test_one_split_alone(ilsvrc):
    _prepare(_copy(ilsvrc, VAL, DEVKIT), splits=("val",))
    assert (OUTPUT / "val.lst").read_bytes() == _expected_lists(ilsvrc)["val.lst"]
    assert not (OUTPUT / "train.lst").exists()


@pytest.mark.parametrize("name", [TRAIN, VAL, DEVKIT])
def test_a_wrong_md5_is_named(ilsvrc, name):
    folder = _copy(ilsvrc, TRAIN, VAL, DEVKIT)
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    publication = _official(ilsvrc)
    with pytest.raises(InputError, match=rf"{name}: .*expected md5 \w+, found \w+; .*--no-md5"):
        _prepare(folder, publication, subset=False)
    assert not (OUTPUT / "train.lst").exists()


@pytest.mark.parametrize("size", [0, 300, 5000, 20000])
@pytest.mark.parametrize("name", [TRAIN, VAL, DEVKIT])
def test_a_truncated_archive_is_named(ilsvrc, name, size):
    folder = _copy(ilsvrc, TRAIN, VAL, DEVKIT)
    size = min(size, (folder / name).stat().st_size - 300)
    os.truncate(folder / name, size)
    with pytest.raises(InputError, match=f"{name}: truncated or damaged: .*; download it again"):
        _prepare(folder)
    assert not (OUTPUT / "train.lst").exists()


def test_an_archive_cut_between_two_members_is_noticed(ilsvrc):
    folder = _copy(ilsvrc, TRAIN, VAL, DEVKIT)
    with tarfile.open(folder / VAL) as tar:
        os.truncate(folder / VAL, tar.getmembers()[-1].offset)
    with pytest.raises(InputError, match=r"ILSVRC2012_val: 1 classes are not complete, first n"):
        _prepare(folder, _official(ilsvrc), subset=False, md5=False)


@pytest.mark.parametrize("name", ["../outside.JPEG", "/tmp/outside.JPEG", "a/../../b.JPEG"])
def test_members_that_would_lie_elsewhere_are_refused(ilsvrc, name):
    folder = _copy(ilsvrc, TRAIN, DEVKIT)
    miniature.write_tar(folder / VAL, [(name, b"x")])
    wording = f"{VAL}: contains '{name}', which is not a file below its folder; unpack it with"
    with pytest.raises(InputError, match=wording):
        _prepare(folder)
    assert not Path("outside.JPEG").exists()


def test_the_devkit_of_another_year_is_named(ilsvrc):
    folder = _copy(ilsvrc, TRAIN, VAL)
    with tarfile.open(ilsvrc.folder / DEVKIT) as tar:
        meta = tar.extractfile("ILSVRC2012_devkit_t12/data/meta.mat").read()
    members = [("data/ILSVRC2010_validation_ground_truth.txt", b"1\n"), ("data/meta.mat", meta)]
    miniature.write_tar(folder / DEVKIT, members, "w:gz")
    wording = (
        "contains no ILSVRC2012_validation_ground_truth.txt, only ILSVRC2010_validation_ground_"
    )
    with pytest.raises(InputError, match=wording):
        _prepare(folder)
    members = [("data/meta.mat", meta.replace(b"ILSVRC2012_ID", b"ILSVRC2010_ID"))]
    miniature.write_tar(folder / DEVKIT, members, "w:gz")
    with pytest.raises(
        InputError, match=r"meta\.mat cannot be read .*expected that of ILSVRC 2012"
    ):
        _prepare(folder)
    assert not OUTPUT.exists()  # noticed before anything is extracted


@pytest.mark.parametrize("lines", [11, 13])
def test_a_ground_truth_of_the_wrong_length_is_named(ilsvrc, lines):
    folder = _copy(ilsvrc, TRAIN, VAL)
    miniature.write_devkit(folder / DEVKIT, [1] * lines, train=6)
    with pytest.raises(InputError, match=f"has {lines} pictures of 4 .*val, expected 12 of 4"):
        _prepare(folder, _official(ilsvrc), subset=False, md5=False)


@pytest.mark.parametrize("line", ["5", "0", "n01440764"])
def test_a_ground_truth_with_an_unknown_number_is_named(ilsvrc, line):
    folder = _copy(ilsvrc, TRAIN, VAL)
    miniature.write_devkit(folder / DEVKIT, [1, 2, line], train=6)
    with pytest.raises(InputError, match=f"line 3 of ILSVRC2012_val.* is '{line}', expected"):
        _prepare(folder)


def test_a_subset_without_the_truth_of_a_picture_is_named(ilsvrc):
    folder = _copy(ilsvrc, TRAIN, VAL)
    miniature.write_devkit(folder / DEVKIT, [1] * 11, train=6)
    with pytest.raises(InputError, match=r"val_00000012\.JPEG: no class is known for it"):
        _prepare(folder)


@pytest.mark.parametrize(
    ("name", "content", "wording"),
    [
        ("train/n99999999/n99999999_1.JPEG", b"x", "n99999999_1.JPEG: no class is known"),
        ("train/n01440764_1.JPEG", b"x", "ILSVRC2012_train/n01440764_1.JPEG: no class is known"),
        ("train/n01440764/notes.txt", b"x", r"notes\.txt: empty or no JPEG file"),
        ("val/ILSVRC2012_val_00000001.JPEG", b"", r"val_00000001\.JPEG: empty or no JPEG file"),
        ("val/n03000134/ILSVRC2012_val_00000001.JPEG", b"x", r"wrong folder, its class is n02119"),
    ],
)
def test_strange_files_are_named(extracted, name, content, wording):
    _write(extracted / name, content)
    with pytest.raises(InputError, match=wording):
        _prepare(extracted)
    assert not (OUTPUT / "train.lst").exists()


@pytest.mark.parametrize(
    "names", [("0", "1", "10", "2"), ("n01440764", "dog"), ("n1",), ("n01440764 ",)]
)
def test_folders_that_are_not_named_by_class_are_refused(names):
    """Numbers above all, which as text have another order, and other meanings in each dataset."""
    for name in names:
        _write(Path("other/val", name, "x.JPEG"), miniature.jpeg(1, 0))
    wording = (
        r"^data/ILSVRC2012_val/\w+ ?/: '\w+ ?' names no class, expected a WordNet id such as n"
    )
    with pytest.raises(InputError, match=wording):
        _prepare(Path("other"), splits=("val",))
    assert not (OUTPUT / "val.lst").exists()


def test_numbered_folders_are_no_categories():
    _write(Path("other/val/10/x.jpg"), miniature.jpeg(1, 0))
    with pytest.raises(InputError, match="/10/: '10' names no class, expected the name of a categ"):
        _prepare(Path("other"), PLACES365, splits=("val",))


def test_a_missing_picture_is_counted(ilsvrc, extracted):
    (extracted / "train/n02100735/n02100735_1.JPEG").unlink()
    (extracted / "train/n02100735/.hidden").write_bytes(b"passed over")
    wording = "ILSVRC2012_train: 1 classes are not complete, first n02100735: expected 6 .*found 5"
    with pytest.raises(InputError, match=wording):
        _prepare(extracted, _official(ilsvrc), subset=False)
    _prepare(extracted)
    assert len(read_ilsvrc12(OUTPUT, "train")) == 23


def test_counts_are_checked_without_annotations(ilsvrc, extracted):
    shutil.rmtree(extracted / "ILSVRC2012_devkit_t12")
    wording = "expected 1281167 pictures of 1000 classes, found 24 of 4"
    with pytest.raises(InputError, match=wording):
        _prepare(extracted, subset=False, splits=("train",))


def test_a_subset_of_the_classes(ilsvrc, extracted):
    shutil.rmtree(extracted / "train/n02100735")
    _prepare(extracted)
    train, val = (read_ilsvrc12(OUTPUT, split) for split in ("train", "val"))
    assert (OUTPUT / "classes.txt").read_text().split() == ["n01440764", "n02119789", "n03000134"]
    assert Counter(train.labels.tolist()) == {0: 6, 1: 6, 2: 6}
    kept = {0: 0, 2: 1, 3: 2}
    assert val.labels.tolist() == [kept[k] for k in ilsvrc.val_labels if k in kept]


@pytest.mark.parametrize("subset", [True, False])
def test_a_list_of_a_subset_without_its_classes_is_done_anew(ilsvrc, extracted, subset):
    publication = _official(ilsvrc)
    _prepare(extracted, publication, subset, splits=("train",))
    (OUTPUT / "classes.txt").unlink()
    if subset:
        wording = r"^data/classes\.txt: is missing, with which data/train\.lst was made"
        with pytest.raises(InputError, match=wording):
            _prepare(extracted, publication, splits=("val",))
        assert not (OUTPUT / "val.lst").exists()
        _prepare(extracted, publication, overwrite=True)
    else:
        _prepare(extracted, publication, subset=False, splits=("val",))
    lists = {path.name: path.read_bytes() for path in OUTPUT.iterdir() if path.is_file()}
    assert lists == _expected_lists(ilsvrc)


@pytest.mark.parametrize("name", ["val.lst", "val.idx", "val.md5"])
def test_folders_in_the_place_of_files_are_named(ilsvrc, name):
    (OUTPUT / name).mkdir(parents=True)
    with pytest.raises(InputError, match=f"^data/{name}: cannot be removed: "):
        _prepare(ilsvrc.folder, pack=True, overwrite=True)


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_empty_folder_is_named(extracted, split):
    _prepare(extracted)
    before = {name: (OUTPUT / name).read_bytes() for name in ("train.lst", "val.lst")}
    shutil.rmtree(extracted / split)
    (extracted / split).mkdir()
    with pytest.raises(InputError, match=rf"^data/ILSVRC2012_{split}: contains no pictures; com"):
        _prepare(extracted, overwrite=True, splits=(split,))
    assert {name: (OUTPUT / name).read_bytes() for name in before} == before


def test_validation_pictures_of_no_class_of_a_subset_are_named(ilsvrc, extracted):
    for name, label in zip(ilsvrc.val, ilsvrc.val_labels):
        if label:
            (extracted / "val" / name).unlink()
    shutil.rmtree(extracted / "train/n01440764")
    with pytest.raises(InputError, match=r"ILSVRC2012_val: none of its pictures is of a class in "):
        _prepare(extracted)
    assert not (OUTPUT / "train.lst").exists()


def test_splits_of_a_subset_one_after_the_other(extracted):
    shutil.rmtree(extracted / "train/n01440764")
    _prepare(extracted, splits=("train",))
    _prepare(extracted, splits=("val",))
    assert Counter(read_ilsvrc12(OUTPUT, "val").labels.tolist()) == {0: 3, 1: 3, 2: 3}
    (OUTPUT / "train.lst").unlink()
    shutil.rmtree(extracted / "train/n03000134")
    with pytest.raises(InputError, match=r"val\.lst: made for 3 classes, not for the 2 found now"):
        _prepare(extracted, splits=("train",))


@pytest.fixture
def numbered():
    """Two of the three archives of ImageNetV2, whose class folders have numbers."""
    for name in ("matched-frequency", "threshold0.7"):
        files = miniature.imagenetv2_files(name)
        path = Path("downloads", f"imagenetv2-{name}.tar.gz")
        miniature.write_tar(path, sorted(files.items()), "w:gz")
    return Path("downloads")


def test_folders_of_imagenetv2_are_classes_by_number(numbered):
    _prepare(numbered, IMAGENETV2)
    assert sorted(path.name for path in OUTPUT.glob("*.lst")) == [
        "matched-frequency.lst",
        "threshold-0.7.lst",
    ]
    row = DATASETS["imagenetv2"]
    pictures = row.read(OUTPUT, row.test_split)
    labels = match_labels(row, row.test_split, OUTPUT, pictures.labels, 1000, "the network")
    names = [Path(pictures.name(index)).parent.name for index in range(len(pictures))]
    assert labels.tolist() == list(map(int, names))
    assert sorted(labels) == [0, 0, 2, 2, 10, 10]
    assert (OUTPUT / "classes.txt").read_text() == "n01440764\nn01484850\nn01530575\n"


def test_an_incomplete_imagenetv2_is_counted(numbered):
    wording = "expected 10000 pictures of 1000 classes, found 6 of 3"
    with pytest.raises(InputError, match=wording):
        _prepare(numbered, IMAGENETV2, subset=False)
    with pytest.raises(
        InputError, match=r"missing in .*: the pictures of top-images \(imagenetv2-t"
    ):
        _prepare(numbered, IMAGENETV2, splits=["top-images"])


@pytest.mark.parametrize("name", ["1000", "tench", "-1"])
def test_other_folders_of_imagenetv2_are_refused(name):
    folder = Path("downloads/imagenetv2-matched-frequency-format-val")
    _write(folder / name / "a.jpeg", miniature.jpeg(1, 0))
    wording = "names no class, expected the number of a class from 0 to 999"
    with pytest.raises(InputError, match=wording):
        _prepare(Path("downloads"), IMAGENETV2)


def test_imagenetv2_is_for_tests_alone():
    row = DATASETS["imagenetv2"]
    with pytest.raises(InputError, match="ImageNetV2 is for tests alone: it has no split to train"):
        read_examples(row, row.train_split)
    assert row.published is None
