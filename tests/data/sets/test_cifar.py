"""CIFAR's binary form and that for Python, in miniature and damaged."""

import hashlib
import pickle
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnw.data.prepare.packed import PackedPreparation
from rnw.data.sets import cifar10, cifar100
from rnw.data.sets.catalog import find_dataset
from rnw.data.sets.cifar import PIXELS
from rnw.data.sets.reading import count_pictures, read_examples, read_split
from rnw.errors import InputError
from rnw.training.own_recipes import fit_recipe
from tests.data.prepare.miniature import write_tar

FILES = {"cifar10": cifar10.FORMS[0].files, "cifar100": cifar100.FORMS[0].files}
LABELS = {"cifar10": 1, "cifar100": 2}  # bytes before a picture


def contents(name):
    """Files with three pictures each, red ones with a blue pixel."""
    labels, found = LABELS[name], {}
    for number, file in enumerate(FILES[name]["train"] + FILES[name]["test"]):
        records = np.zeros((3, labels + PIXELS), np.uint8)
        records[:, 0] = 19  # the superclass of CIFAR-100
        records[:, labels - 1] = number + np.arange(3)
        records[:, labels : labels + 1024] = 200
        records[:, labels + 2048 + 32 * 4 + 7] = 90  # row 4, column 7
        found[file] = records.tobytes()
    return found


@pytest.fixture
def folder(tmp_path):
    """CIFAR-10's files directly in a folder, as MXNet's own loader keeps them."""
    for name, content in contents("cifar10").items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.fixture
def archive():
    """The archive of a dataset, and its row as if that were the official one."""

    def make(name):
        row = find_dataset(name)
        form = row.publication.forms[0]
        path = Path("downloads", form.archive)
        files = {f"{form.inside}{file}": content for file, content in contents(name).items()}
        write_tar(path, [(f"{form.inside}readme.html", b"about"), *files.items()], "w:gz")
        form = form._replace(md5=hashlib.md5(path.read_bytes()).hexdigest())
        images = {split: 3 * len(FILES[name][split]) for split in ("train", "test")}
        publication = row.publication._replace(forms=(form,), images=images)
        return replace(row, publication=publication)

    return make


def _plan(row, **options):
    options = {"sources": [Path("downloads")], "output": row.root, **options}
    return PackedPreparation(row, row.publication, **options)


def _take(preparation):
    for step in preparation.plan():
        step.run()


def test_layout(folder):
    examples = read_examples(cifar10.DATASET, "test", folder)
    assert examples.images.shape == (3, 32, 32, 3)
    assert examples.images.dtype == np.uint8
    assert examples.images[1, 4, 7].tolist() == [200, 0, 90]
    assert examples.images[1, 7, 4].tolist() == [200, 0, 0]
    assert examples.labels.tolist() == [5, 6, 7]
    train = read_examples(cifar10.DATASET, "train", folder)
    assert train.labels.tolist() == [0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5, 4, 5, 6]


def test_names_are_in_the_published_order():
    assert (len(cifar10.NAMES), len(set(cifar100.NAMES))) == (10, 100)
    for names in (cifar10.NAMES, cifar100.NAMES):
        assert list(names) == sorted(names)
    assert (cifar100.NAMES[0], cifar100.NAMES[19], cifar100.NAMES[99]) == (
        "apple",
        "cattle",
        "worm",
    )


@pytest.mark.parametrize("name", FILES)
def test_archives_are_prepared_and_read(archive, name):
    row = archive(name)
    preparation = _plan(row)
    _take(preparation)
    train = 3 * len(FILES[name]["train"])
    assert preparation.summary() == [
        f"data/{name}: {train} pictures of train",
        f"data/{name}: 3 pictures of test",
    ]
    assert preparation.plan() == []
    images, labels = read_examples(row, "test")
    first = len(FILES[name]["train"])
    assert labels.tolist() == [first, first + 1, first + 2]
    assert images[2, 4, 7].tolist() == [200, 0, 90]
    assert fit_recipe("scratch-cls", row, None)[:2] == (f"classes={row.classes}", f"batch={train}")


def test_an_extracted_folder_is_linked(archive):
    row = archive("cifar100")
    Path("downloads/cifar-100-binary").mkdir()
    for name, content in contents("cifar100").items():
        Path("downloads/cifar-100-binary", name).write_bytes(content)
    Path("downloads/cifar-100-binary.tar.gz").unlink()
    _take(_plan(row))
    assert Path("data/cifar100/cifar-100-binary").is_symlink()
    assert count_pictures(row, "train") == 3


def test_other_archives_and_numbers_of_pictures_are_refused(archive):
    row = archive("cifar10")
    official = find_dataset("cifar10")
    with pytest.raises(InputError, match="expected md5 c32a1d4ab5d03f1284b67883e8d87530"):
        _take(_plan(official))
    with pytest.raises(InputError, match=r"expected 50000 pictures of train, found 15: not the of"):
        _take(_plan(official, md5=False))
    with pytest.raises(InputError, match=r"expected 50000 pictures of train, found 15: not the of"):
        _plan(official, md5=False).summary()  # though there is nothing more to do
    _take(_plan(official, subset=True, output=Path("other")))
    with pytest.raises(InputError, match="no split 'val': expected train or test"):
        _plan(row, splits=["val"]).plan()


def _text(text):
    return b"U%c%s" % (len(text), text)


def pickled(images, labels, key):
    """A dictionary of an array and a list as Python 2 pickled them, by protocol 2."""
    content = images.tobytes()
    return b"".join(
        [
            *(b"\x80\x02}(", _text(b"batch_label"), _text(b"a batch")),
            *(_text(key), b"](", *(b"K%c" % label for label in labels), b"e"),
            *(_text(b"data"), b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"),
            *(b"K\x00\x85", _text(b"b"), b"\x87R(K\x01"),
            struct.pack("<cicic", b"J", len(images), b"J", PIXELS, b"\x86"),
            *(b"cnumpy\ndtype\n", _text(b"u1"), b"K\x00K\x01\x87R(K\x03", _text(b"|")),
            *(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89", b"T"),
            *(struct.pack("<i", len(content)), content, b"tbu."),
        ]
    )


@pytest.mark.parametrize("name", FILES)
def test_the_form_for_python_is_the_same(name):
    binary, python = find_dataset(name).publication.forms
    for file, content in contents(name).items():
        records = np.frombuffer(content, np.uint8).reshape(3, -1)
        images, labels = records[:, -PIXELS:], records[:, LABELS[name] - 1].tolist()
        key = {"cifar10": b"labels", "cifar100": b"fine_labels"}[name]
        path = Path("python", python.folder, file.partition(".")[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickled(images, labels, key))
        path = Path("binary", binary.folder, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    row = find_dataset(name)
    for split in ("train", "test"):
        found, expected = (row.read(Path(root), split) for root in ("python", "binary"))
        np.testing.assert_array_equal(found.images, expected.images)
        np.testing.assert_array_equal(found.labels, expected.labels)


@pytest.mark.parametrize(
    ("content", "wording"),
    [
        (b"cos\nsystem\n(U\x05falsetR.", r"names os\.system, which no pickled array does"),
        (pickle.dumps({b"data": 1}), "cannot be read as pictures of CIFAR"),
        (pickle.dumps([1, 2])[:-4], "cannot be read as pictures of CIFAR"),
        (pickled(np.zeros((2, PIXELS), np.uint8), [1], b"labels"), r"\(2, 3072\) for 1 labels"),
    ],
)
def test_other_pickles_are_named(tmp_path, content, wording):
    (tmp_path / "test_batch").write_bytes(content)
    with pytest.raises(InputError, match=rf"test_batch: .*{wording}"):
        read_examples(cifar10.DATASET, "test", tmp_path)


def test_missing_files(tmp_path):
    wording = r"test_batch.bin: no such file; `rnw prepare` extracts cifar-10-binary"
    with pytest.raises(InputError, match=wording):
        read_examples(cifar10.DATASET, "test", tmp_path)
    with pytest.raises(
        InputError, match=r"missing in .*: cifar-10-binary\.tar\.gz or cifar-10-python"
    ):
        _plan(cifar10.DATASET, sources=[tmp_path]).plan()


def test_damaged_file(folder):
    (folder / "test_batch.bin").write_bytes(b"123")
    with pytest.raises(InputError, match=r"test_batch.bin: 3 bytes, expected 3073 a picture"):
        read_examples(cifar10.DATASET, "test", folder)


def test_single_pictures_have_no_files(folder):
    with pytest.raises(InputError, match="CIFAR-10 is in few large files: there are no files of s"):
        read_split(cifar10.DATASET, "test", folder)
