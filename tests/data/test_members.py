"""What is taken from archives, and what is refused."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rnw.data.members import read_chunks, read_members, unpacked_size
from rnw.errors import InputError
from tests.data.prepare.miniature import tar_bytes, write_tar
from tests.data.prepare.miniature_segmentation import write_zip

FILES = {"top.txt": b"top", "a/one.jpg": b"1" * 3000, "a/b/two.jpg": b"", "c/three.jpg": b"3"}
COMPRESSED = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "tar": bytes}


def _read(archive, inside=""):
    members = read_members(Path(archive), inside)
    return {member.name: b"".join(read_chunks(Path(archive), member)) for member in members}


@pytest.mark.parametrize("kind", COMPRESSED)
def test_tar_files_are_known_by_their_content(kind):
    Path("archive.zip").write_bytes(COMPRESSED[kind](tar_bytes(list(FILES.items()))))
    assert _read("archive.zip") == FILES
    assert _read("archive.zip", "a/") == {"one.jpg": b"1" * 3000, "b/two.jpg": b""}
    whole = Path("archive.zip").stat().st_size
    assert unpacked_size(Path("archive.zip"), "a/") == 3000
    size = unpacked_size(Path("archive.zip"), "a/", enough=whole)
    assert size == (whole if kind == "tar" else 3000)


def test_zip_files_are_known_by_their_content():
    write_zip(Path("archive.tar"), FILES)
    assert _read("archive.tar") == FILES
    assert unpacked_size(Path("archive.tar")) == 3004


def test_tar_files_in_a_tar_file_are_folders():
    inner = tar_bytes([("x/1.jpg", b"1"), ("2.jpg", b"2")])
    write_tar(Path("archive.tar"), [("n1.tar", inner), ("deep/n2.tar", inner)])
    assert list(_read("archive.tar", "deep/")) == ["n2/x/1.jpg", "n2/2.jpg"]
    assert list(_read("archive.tar", "n1/")) == ["x/1.jpg", "2.jpg"]


def _write_entry(name, kind, **fields):
    """A tar file with a picture and an entry of some kind."""
    with tarfile.open("archive.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        picture = tarfile.TarInfo("a.jpg")
        picture.size = 1
        tar.addfile(picture, io.BytesIO(b"x"))
        entry = tarfile.TarInfo(name)
        entry.type = kind
        for field, value in fields.items():
            setattr(entry, field, value)
        tar.addfile(entry)


@pytest.mark.parametrize("name", [".", "./", "a", "n1.tar", "a/n1.tar"])
def test_folders_in_a_tar_file_are_passed_over(name):
    _write_entry(name, tarfile.DIRTYPE)
    assert _read("archive.tar") == {"a.jpg": b"x"}


ENTRIES = [
    ("link.jpg", tarfile.SYMTYPE, {"linkname": "/etc/passwd"}, "a symbolic link"),
    ("link.jpg", tarfile.LNKTYPE, {"linkname": "a.jpg"}, "a hard link"),
    ("zero.jpg", tarfile.CHRTYPE, {"devmajor": 1, "devminor": 5}, "a device"),
    ("disk.tar", tarfile.BLKTYPE, {}, "a device"),
    ("pipe.jpg", tarfile.FIFOTYPE, {}, "a named pipe"),
    ("odd.jpg", tarfile.REGTYPE, {"pax_headers": {"GNU.sparse.map": "0,0"}}, "not a plain file"),
    (".", tarfile.REGTYPE, {}, "which is not a file below its folder"),
    ("", tarfile.REGTYPE, {}, "which is not a file below its folder"),
    ("x", tarfile.REGTYPE, {"pax_headers": {"path": "a\0b"}}, "which is not a file below"),
    ("/a.jpg", tarfile.REGTYPE, {}, "which is not a file below its folder"),
    ("b/../../a.jpg", tarfile.REGTYPE, {}, "which is not a file below its folder"),
]


@pytest.mark.parametrize(("name", "kind", "fields", "wording"), ENTRIES)
def test_what_is_no_file_below_the_folder_is_named(name, kind, fields, wording):
    _write_entry(name, kind, **fields)
    shown = repr(fields.get("pax_headers", {}).get("path", name)).replace("\\", r"\\")
    with pytest.raises(
        InputError, match=rf"^archive\.tar: contains {shown}, {wording}.*; unpack it"
    ):
        _read("archive.tar")


def test_a_header_larger_than_the_memory_is_refused():
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    Path("archive.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(InputError, match=r"damaged: a header or a file of 1,099,511,627,776 bytes"):
        _read("archive.tar")


def _patch_zip(place, value):
    """Set the field at `place` of the members' headers, counted as in the local ones."""
    content = bytearray(Path("archive.zip").read_bytes())
    for signature, more in ((b"PK\3\4", 0), (b"PK\1\2", 2)):
        start = content.find(signature)
        while start >= 0:
            content[start + place + more] = value
            start = content.find(signature, start + 1)
    Path("archive.zip").write_bytes(content)


@pytest.mark.parametrize(
    ("place", "value", "wording"),
    [
        (8, 9, r"is compressed by method 9 \(Deflate64\), which is not supported"),
        (8, 98, r"is compressed by method 98 \(PPMd\), which is not supported"),
        (8, 77, r"is compressed by method 77 \(unknown\), which is not supported"),
        (6, 1, "is encrypted"),
    ],
)
def test_zip_files_for_other_tools_are_named(place, value, wording):
    write_zip(Path("archive.zip"), FILES)
    _patch_zip(place, value)
    expected = rf"^archive\.zip: 'top\.txt' in it {wording}; unpack it with another tool \(7z\)"
    with pytest.raises(InputError, match=expected):
        unpacked_size(Path("archive.zip"))
    assert _read("archive.zip", "nothing/") == {}


@pytest.mark.parametrize(
    ("name", "mode", "wording"),
    [
        ("link.jpg", stat.S_IFLNK | 0o777, "a symbolic link"),
        ("pipe.jpg", stat.S_IFIFO | 0o644, "not a plain file"),
        ("/a.jpg", 0, "which is not a file below its folder"),
        ("../a.jpg", 0, "which is not a file below its folder"),
        (".", 0, "which is not a file below its folder"),
    ],
)
def test_odd_members_of_zip_files_are_named(name, mode, wording):
    with zipfile.ZipFile("archive.zip", "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, b"/etc/passwd")
    with pytest.raises(
        InputError, match=rf"^archive\.zip: contains '{name}', {wording}; unpack it"
    ):
        _read("archive.zip")


@pytest.mark.parametrize(
    ("content", "wording"),
    [
        (b"", "truncated or damaged: empty file; download it again"),
        (b"Rar!\x1a\x07\x01\x00", r"is a RAR archive: unpack it with another tool \(7z\)"),
        (b"7z\xbc\xaf\x27\x1c\x00", "is a 7z archive: unpack it"),
        (b"\n<!DOCTYPE html>\n<html>", "is a web page, .*: sign in and download the archive"),
        (b"Not Found", "truncated or damaged: .*; download it again"),
        (bytes(np.random.RandomState(0).bytes(2000)), "truncated or damaged: .*; download it"),
    ],
)
def test_what_is_no_archive_is_named(content, wording):
    Path("archive.tar").write_bytes(content)
    with pytest.raises(InputError, match=rf"^archive\.tar: {wording}"):
        _read("archive.tar")


def test_a_broken_checksum_is_damage():
    content = bytearray(gzip.compress(tar_bytes(list(FILES.items()))))
    content[-6] ^= 1
    Path("archive.tgz").write_bytes(content)
    with pytest.raises(InputError, match=r"^archive\.tgz: truncated or damaged: .*; download it"):
        _read("archive.tgz")


@pytest.mark.parametrize("kind", ["tar", "gz", "zip"])
def test_mutated_archives_are_read_or_refused_in_one_line(kind):
    if kind == "zip":
        write_zip(Path("whole"), FILES)
    else:
        inner = tar_bytes([("1.jpg", b"1")])
        Path("whole").write_bytes(COMPRESSED[kind](tar_bytes([*FILES.items(), ("n.tar", inner)])))
    whole, random = Path("whole").read_bytes(), np.random.RandomState(0)
    used = np.flatnonzero(np.frombuffer(whole, np.uint8))  # most of a tar file is zeros
    refused = 0
    for _ in range(300):
        content = bytearray(whole)
        for place in random.choice(used, random.randint(1, 4)):
            content[place] = random.choice([0, 255, content[place] ^ 1 << random.randint(8)])
        if random.rand() < 0.2:
            del content[random.choice(used) :]
        Path("archive").write_bytes(content)
        try:
            for name in _read("archive"):
                assert not name.startswith("/")
                assert ".." not in name.split("/")
        except InputError as error:
            refused += 1
            assert str(error).startswith("archive: ")
            assert "\n" not in str(error)
    assert refused > 100
