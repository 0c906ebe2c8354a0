"""RecordIO packs, held against MXNet's own reader and writer."""

import contextlib
import io
import os
import pickle
import struct
import subprocess
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from rnw.data.lists import Listing, write_list
from rnw.data.readers import ImageList
from rnw.data.recordio import (
    MAGIC,
    PackedImages,
    check_origin,
    is_packed,
    read_record,
    write_pack,
    write_record,
)
from rnw.errors import InputError

CONTENTS = [
    b"",
    b"a",
    b"abcd",
    bytes(range(256)) * 50,
    MAGIC,
    MAGIC * 3,
    b"1234" + MAGIC + b"56",
    b"12" + MAGIC + b"345678",  # not at a multiple of four: not cut
    MAGIC[:3] + MAGIC + MAGIC,
    b"12345678" + MAGIC + MAGIC + b"9" + MAGIC,
    b"1234" + MAGIC[:3],
]


@pytest.mark.parametrize("content", CONTENTS)
def test_records_are_those_of_mxnet(content):
    record = mx.recordio.MXRecordIO("theirs", "w")
    record.write(content)
    record.close()
    ours = io.BytesIO()
    write_record(ours, content)
    assert ours.getvalue() == Path("theirs").read_bytes()
    ours.seek(0)
    assert read_record(ours) == content


@pytest.fixture
def images():
    """A list of files, the contents above, with labels."""
    Path("pictures").mkdir()
    for number, content in enumerate(CONTENTS):
        Path(f"pictures/{number}.JPEG").write_bytes(content)
    paths = np.array([f"{number}.JPEG".encode() for number in range(len(CONTENTS))])
    return ImageList("pictures", paths, np.arange(len(CONTENTS)) * 7 % 5)


def _listing(images):
    return Listing(np.array([b"some/path.JPEG"] * len(images)), images.labels)


def test_mxnet_reads_a_pack(images):
    write_pack(images, "train.rec")
    theirs = mx.recordio.MXIndexedRecordIO("train.idx", "train.rec", "r")
    assert theirs.keys == list(range(len(CONTENTS)))
    for number in reversed(range(len(CONTENTS))):
        header, content = mx.recordio.unpack(theirs.read_idx(number))
        assert content == CONTENTS[number]
        assert header == (0, images.labels[number], number, 0)


def test_a_pack_that_mxnet_wrote_is_read(images):
    theirs = mx.recordio.MXIndexedRecordIO("train.idx", "train.rec", "w")
    for number, content in enumerate(CONTENTS):
        header = mx.recordio.IRHeader(0, float(images.labels[number]), number, 0)
        theirs.write_idx(number, mx.recordio.pack(header, content))
    theirs.close()
    found = PackedImages("train.rec", _listing(images))
    assert [found.read(number) for number in range(len(found))] == CONTENTS


def test_a_pack_has_the_pictures_of_the_list(images):
    done = []
    write_pack(images, "train.rec", done.append)
    assert done == list(range(1, len(CONTENTS) + 1))
    found = pickle.loads(pickle.dumps(PackedImages("train.rec", _listing(images))))
    assert len(found) == len(images)
    assert found.labels.tolist() == images.labels.tolist()
    assert [found.read(k) for k in (3, 0, 9)] == [images.read(k) for k in (3, 0, 9)]
    assert found.name(3) == "train.rec: some/path.JPEG"
    assert images.name(3) == "pictures/3.JPEG"


def test_a_pack_that_fails_leaves_none(images):
    Path("pictures/7.JPEG").unlink()
    Path(".train.rec.1.part").write_bytes(b"of a process that was killed")
    with pytest.raises(InputError, match=r"^pictures/7\.JPEG: no such image"):
        write_pack(images, "train.rec")
    assert [path.name for path in Path().iterdir()] == ["pictures"]


def test_a_pack_that_fails_leaves_the_earlier_one(images):
    write_pack(images, "train.rec")
    before = {path: path.read_bytes() for path in Path().glob("train.*")}
    Path("pictures/7.JPEG").unlink()
    with pytest.raises(InputError, match=r"^pictures/7\.JPEG: no such image"):
        write_pack(images, "train.rec")
    assert {path: path.read_bytes() for path in Path().glob("train.*")} == before
    assert len(before) == 2


def test_a_pack_tells_of_which_list_it_is(images):
    write_list("train.lst", [(label, "x.JPEG") for label in images.labels.tolist()])
    assert not is_packed(Path("train.lst"))
    write_pack(images, "train.rec", listing=Path("train.lst"))
    assert is_packed(Path("train.lst"))
    assert subprocess.run(["md5sum", "-c", "train.md5"], timeout=60).returncode == 0
    write_pack(images, "train.rec")  # of nobody knows which
    assert not is_packed(Path("train.lst"))
    check_origin(Path("train.lst"))


@pytest.mark.parametrize(
    ("spoil", "wording"),
    [
        (lambda pack: pack[:-400], r"3\.JPEG: cannot be read: the record is cut off"),
        (lambda pack: pack[:20], r"3\.JPEG: cannot be read: no record starts there"),
        (lambda pack: b"x" * len(pack), r"3\.JPEG: cannot be read: no record starts there"),
    ],
)
def test_damaged_packs_are_refused(images, spoil, wording):
    images = ImageList("pictures", [f"{k}.JPEG" for k in range(4)], images.labels[:4])
    write_pack(images, "train.rec")
    Path("train.rec").write_bytes(spoil(Path("train.rec").read_bytes()))
    listing = Listing(np.array([f"{k}.JPEG".encode() for k in range(4)]), images.labels)
    with pytest.raises(InputError, match=wording):
        PackedImages("train.rec", listing).read(3)


def test_a_pack_of_another_list_is_refused(images):
    write_pack(images, "train.rec")
    paths, labels = _listing(images)
    with pytest.raises(InputError, match=r"train\.rec: has 11 pictures, the list 10; pack"):
        PackedImages("train.rec", Listing(paths[1:], labels[1:]))
    with pytest.raises(InputError, match="the pack has picture 1 of class 2 here, expected 1 of 0"):
        PackedImages("train.rec", Listing(paths, np.roll(labels, 1))).read(1)


@pytest.mark.parametrize(
    "content",
    ["0\n", "0\tx\n", "0\t1.5\n", "0\t-1\n", f"0\t{2**63}\n", f"0\t{2**64 - 1}\n", "\0\t\xff\n"],
)
def test_a_damaged_index_is_refused(images, content):
    write_pack(images, "train.rec")
    Path("train.idx").write_text(content)
    with pytest.raises(InputError, match=r"^train\.idx: is not the index of a pack"):
        PackedImages("train.rec", _listing(images))


@pytest.mark.parametrize("offset", [1 << 20, (1 << 63) - 1])
def test_an_offset_beyond_the_pack_is_named(images, offset):
    write_pack(images, "train.rec")
    lines = Path("train.idx").read_text().splitlines()
    Path("train.idx").write_text("\n".join([f"0\t{offset}", *lines[1:]]))
    with pytest.raises(InputError, match=r"^train\.rec: .*: cannot be read: "):
        PackedImages("train.rec", _listing(images)).read(0)


def test_parts_that_are_more_than_a_record_are_not_read():
    parts = [(1, 8, bytes(8)), (2, (1 << 29) - 1, b"")]
    content = b"".join(MAGIC + struct.pack("<I", flag << 29 | n) + rest for flag, n, rest in parts)
    with pytest.raises(InputError, match="more bytes than one may have"):
        read_record(io.BytesIO(content))


def test_packs_that_are_no_files_are_refused(images):
    write_pack(images, "train.rec")
    Path("train.rec").unlink()
    os.mkfifo("train.rec")
    with pytest.raises(InputError, match=r"train\.rec: is a named pipe"):
        PackedImages("train.rec", _listing(images)).read(0)


@pytest.mark.parametrize("seed", range(5))
def test_a_mutated_pack_is_refused_or_read(images, seed):
    write_pack(images, "train.rec")
    content = {name: Path(f"train.{name}").read_bytes() for name in ("idx", "rec")}
    random = np.random.RandomState(seed)
    for _ in range(40):
        name = random.choice(["idx", "rec"])
        damaged = bytearray(content[name])
        damaged[random.randint(len(damaged))] = random.randint(256)
        Path(f"train.{name}").write_bytes(damaged)
        with contextlib.suppress(InputError):
            pack = PackedImages("train.rec", _listing(images))
            for index in range(len(images)):
                assert isinstance(pack.read(index), bytes)
        Path(f"train.{name}").write_bytes(content[name])
