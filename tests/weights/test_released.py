"""The table of published files, and telling them by their checksums."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from rnw.errors import InputError
from rnw.weights.released import RELEASED, published_of, verify

PUBLISHED = [
    (
        "ilsvrc-cls_rna-a_cls1000_ep-0001.params",
        "2421c1945b6797cecd3f89db14ca73f6",
        "ILSVRC 2012 val, 320: top-1 error 19.20, top-5 error 4.73",
        "caffe",
        "cubic",
    ),
    (
        "ilsvrc-cls_rna-a1_cls1000_ep-0001.params",
        "ff21f45d6bf03284100dcbec571edfad",
        "ILSVRC 2012 val, 320: top-1 error 19.54, top-5 error 4.75",
        "pad",
        "cubic",
    ),
    (
        "voc_rna-a1_cls21_s8_ep-0001.params",
        "a34628a63d5f62dcb98c29c4e281f332",
        "VOC 2012 val, 500, flip: mean IoU 80.84",
        "pad",
        "adaptive",
    ),
    (
        "voc_rna-a1_cls21_s8_coco_ep-0001.params",
        "328c0eca0c45b6345ada2f95edce68d4",
        "VOC 2012 val, 500, flip: mean IoU 82.86",
        "pad",
        "adaptive",
    ),
    (
        "cityscapes_rna-a1_cls19_s8_ep-0001.params",
        "226b3e861a6be7d0dc84e537f4eab154",
        "Cityscapes val, 2048, flip: mean IoU 78.08",
        "pad",
        "adaptive",
    ),
    (
        "ade20k_rna-a1_cls150_s8_ep-0001.params",
        "1faf29850bfa194678f0b8e1cbbffa98",
        "ADE20K val, 500, flip, 2 steps: pixel accuracy 80.55, mean IoU 43.34",
        "pad",
        "adaptive",
    ),
]
A, A1 = PUBLISHED[0][0], PUBLISHED[1][0]
CONTENT = bytes(range(256)) * 5000  # more than is read at once
MD5 = hashlib.md5(CONTENT).hexdigest()


def test_table_is_what_was_published():
    rows = RELEASED.values()
    found = [(r.name, r.md5, r.published, r.pooling, r.interpolation) for r in rows]
    assert found == PUBLISHED
    assert list(RELEASED) == [row.name for row in rows]


@pytest.fixture
def row(monkeypatch):
    """The row of Model A, as if CONTENT were its file."""
    monkeypatch.setitem(RELEASED, A, replace(RELEASED[A], md5=MD5))
    return RELEASED[A]


@pytest.mark.parametrize("name", [A, "renamed.params"])
def test_content_tells_the_file(name, row):
    Path(name).write_bytes(CONTENT)
    assert verify(name) is row


def test_published_scores_are_of_the_content(row):
    Path(A).write_bytes(CONTENT)
    assert published_of(A) == "ILSVRC 2012 val, 320: top-1 error 19.20, top-5 error 4.73"
    Path("renamed.params").write_bytes(CONTENT)  # nobody knows that it is to be tested so
    assert published_of("renamed.params") is None
    Path(A).write_bytes(CONTENT[:-1])
    assert published_of(A) is None


def test_a_damaged_file(row):
    Path(A).write_bytes(CONTENT[:-1])
    found = hashlib.md5(CONTENT[:-1]).hexdigest()
    with pytest.raises(InputError, match=f"{A}: damaged .*{MD5}, found {found} .of no released"):
        verify(A)


def test_another_file_under_that_name(row):
    Path(A1).write_bytes(CONTENT)
    with pytest.raises(InputError, match=f"{A1}: .*{RELEASED[A1].md5}, found {MD5} .that of {A}"):
        verify(A1)


def test_an_unknown_file():
    Path("mine.params").write_bytes(CONTENT)
    with pytest.raises(InputError, match=f"mine.params: md5 {MD5} is none of the 6 released"):
        verify("mine.params")


@pytest.mark.parametrize("name", [A, "."])
def test_no_file(name):
    with pytest.raises(InputError, match=rf"^{name}: (cannot be read: |is a folder, expected)"):
        verify(name)
