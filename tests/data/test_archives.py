"""Archives extracted file by file, and disks that have no room for them."""

import gzip
import shutil
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from rnw.data.archives import extract, partial_folder, read_member
from rnw.errors import InputError
from tests.data.prepare.miniature import tar_bytes, write_tar
from tests.limits import file_size_limit

FOLDER = Path("data/folder")
FILES = {"a/1.jpg": b"1" * 100, "a/2.jpg": b"2" * 9000, "b/3.jpg": b"3" * 9000}


def _extract(archive, inside=""):
    extract(Path(archive), inside, FOLDER, lambda done, total: None)


def _found(folder=FOLDER):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_is_extracted_is_what_is_there():
    write_tar(Path("archive.tar"), list(FILES.items()))
    _extract("archive.tar", "a/")
    assert _found() == {"1.jpg": FILES["a/1.jpg"], "2.jpg": FILES["a/2.jpg"]}
    assert [path.name for path in FOLDER.parent.iterdir()] == ["folder"]


def test_a_full_disk_leaves_no_half_written_file():
    write_tar(Path("archive.tar"), list(FILES.items()))
    wording = r"^data/\.folder\.part/a/2\.jpg: cannot be written: File too large$"
    with file_size_limit(5000), pytest.raises(InputError, match=wording):
        _extract("archive.tar")
    assert _found(partial_folder(FOLDER)) == {"a/1.jpg": FILES["a/1.jpg"]}
    _extract("archive.tar")
    assert _found() == FILES


def test_a_part_that_was_left_by_a_killed_process_goes():
    write_tar(Path("archive.tar"), list(FILES.items()))
    partial_folder(FOLDER).mkdir(parents=True)
    (partial_folder(FOLDER) / ".1.jpg.01234567.part").write_bytes(b"half")
    _extract("archive.tar")
    assert _found() == FILES


@pytest.mark.parametrize("kind", ["tar", "gz", "zip"])
def test_what_is_larger_than_the_disk_is_refused_before_it_is_written(monkeypatch, kind):
    content = tar_bytes(list(FILES.items()))
    Path("archive").write_bytes(gzip.compress(content) if kind == "gz" else content)
    if kind == "zip":
        with zipfile.ZipFile("archive", "w") as archive:
            for name in FILES:
                archive.writestr(name, FILES[name])
    Usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(20_000, 3_000, 17_000))
    wording = r"^archive: 18,100 bytes are to be extracted, \. has room for 17,000: free disk"
    with pytest.raises(InputError, match=wording):
        _extract("archive")
    assert not FOLDER.parent.exists()
    part = partial_folder(FOLDER) / "a/2.jpg"
    part.parent.mkdir(parents=True)
    part.write_bytes(FILES["a/2.jpg"])  # which need not be extracted again
    _extract("archive")
    assert _found() == FILES


def test_a_zip_that_announces_more_than_any_disk_has_is_refused():
    with zipfile.ZipFile("archive.zip", "w") as archive:
        archive.writestr("a.jpg", b"x")
        archive.infolist()[0].file_size = 1 << 55
    with pytest.raises(
        InputError, match=r"archive\.zip: 36,028,797,018,963,968 bytes are to be ex"
    ):
        _extract("archive.zip")
    assert not FOLDER.parent.exists()


def test_a_file_that_is_a_folder_in_the_same_archive_is_refused():
    write_tar(Path("archive.tar"), [("a", b"file"), ("a/b", b"in it")])
    with pytest.raises(InputError, match=r"^data/\.folder\.part/a: a file or a dead link is w"):
        _extract("archive.tar")
    shutil.rmtree("data")
    write_tar(Path("archive.tar"), [("a/b", b"in it"), ("a", b"file")])
    with pytest.raises(InputError, match=r"^data/\.folder\.part/a: cannot be written: Is a direc"):
        _extract("archive.tar")


def test_a_name_that_the_disk_does_not_take_is_refused():
    write_tar(Path("archive.tar"), [("n" * 300, b"x")])
    with pytest.raises(InputError, match=r"nnn: cannot be written: File name too long$"):
        _extract("archive.tar")


def test_a_member_is_found_in_any_folder():
    write_tar(Path("kit.tar.gz"), [("kit/readme", b"r"), ("kit/data/list.txt", b"1\n")], "w:gz")
    assert read_member(Path("kit.tar.gz"), "list.txt") == b"1\n"
    with pytest.raises(
        InputError, match=r"^kit\.tar\.gz: contains no meta\.mat, only readme, list\.tx"
    ):
        read_member(Path("kit.tar.gz"), "meta.mat")
    Path("kit/data").mkdir(parents=True)
    Path("kit/data/list.txt").write_bytes(b"2\n")
    assert read_member(Path("kit"), "list.txt") == b"2\n"
    with pytest.raises(InputError, match=r"^kit: contains no file meta\.mat$"):
        read_member(Path("kit"), "meta.mat")


def test_a_member_larger_than_the_memory_is_refused():
    with zipfile.ZipFile("kit.zip", "w") as archive:
        archive.writestr("meta.mat", b"x")
        archive.infolist()[0].file_size = 1 << 45
    with pytest.raises(
        InputError, match=r"^kit\.zip: meta\.mat in it has 35,184,372,088,832 bytes"
    ):
        read_member(Path("kit.zip"), "meta.mat")
