"""Files that appear whole or not at all."""

import hashlib
import os
import re
import socket
from pathlib import Path

import pytest

from rnw.errors import InputError
from rnw.files import (
    atomic_write,
    check_free,
    md5,
    open_parts,
    open_regular,
    read_bytes,
    read_json,
    read_json_lines,
    read_regular,
    reading,
    write_json,
    write_text,
)


def test_new_content_appears_after_the_block(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_and_its_folders_appear_after_the_block():
    path = Path("some/folder/file")
    with atomic_write(str(path)) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("old", [None, b"old"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_what_was_there(old, error, tmp_path):
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(error), atomic_write(path) as file:
        file.write(b"new")
        raise error
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_parts_are_known_while_they_are_written(tmp_path):
    with atomic_write(tmp_path / "file"):
        assert open_parts() == list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="no"), atomic_write(tmp_path / "file"):
        raise ValueError("no")
    assert open_parts() == []


def test_a_folder_in_the_way_leaves_no_part(tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(InputError, match="file: cannot be written: Is a directory"), atomic_write(
        tmp_path / "file"
    ) as file:
        file.write(b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_in_the_place_of_a_folder_is_not_free(tmp_path, overwrite):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(InputError, match=r"/x/y: cannot be written: .*/file is no folder"):
        check_free(tmp_path / "z", tmp_path / "file" / "x" / "y", overwrite=overwrite)
    check_free(tmp_path / "no" / "such" / "folder", overwrite=overwrite)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(mask):
    before = os.umask(mask)
    try:
        write_text("file", "")
    finally:
        os.umask(before)
    assert Path("file").stat().st_mode & 0o777 == 0o666 & ~mask


def test_text_is_utf8():
    write_text("file", "größe\n")
    assert Path("file").read_bytes() == b"gr\xc3\xb6\xc3\x9fe\n"


@pytest.mark.parametrize(
    ("content", "wording"),
    [
        ("[1]", "expected a JSON object"),
        ('{"a"', "cannot be read"),
        ('{"a":' * 100_000, "cannot be read: it is nested too deeply"),
        (None, "cannot be read"),
    ],
)
def test_a_json_object_or_nothing(tmp_path, content, wording):
    path = tmp_path / "settings.json"
    write_json(path, {"a": [1, "\u00fc"]})
    assert read_json(path) == {"a": [1, "\u00fc"]}
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(InputError, match=f"^{path}: {wording}"):
        read_json(path)


def test_json_lines_without_a_torn_last_one(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b'{"a": 1}\n{"b": [2]}\n{"c": 3}')
    assert read_json_lines(path) == [{"a": 1}, {"b": [2]}]
    path.write_bytes(b"")
    assert read_json_lines(path) == []


@pytest.mark.parametrize("line", [b"", b"{", b"3", b"[{}]", b"\xff", b"\0\0", b"[" * 100_000])
def test_other_lines_are_named(tmp_path, line):
    path = tmp_path / "lines"
    path.write_bytes(b"{}\n{}\n" + line + b"\n{}\n")
    with pytest.raises(InputError, match="lines, line 3: expected a JSON object"):
        read_json_lines(path)


@pytest.mark.parametrize(
    ("error", "damaged", "message"),
    [
        (OSError(5, "Input/output error"), (), "a: cannot be read as a list: Input/output error"),
        (OSError("no errno"), (), "a: cannot be read as a list: no errno"),
        (ValueError("two heads"), (ValueError,), "a: cannot be read as a list: two heads"),
        (KeyError("size"), (Exception,), "a: cannot be read as a list: KeyError('size')"),
        (InputError("b: is empty"), (Exception,), "b: is empty"),
    ],
)
def test_what_prevents_reading_is_named(error, damaged, message):
    named = pytest.raises(InputError, match=f"^{re.escape(message)}$")
    with named, reading("a", "a list", damaged):
        raise error


def test_other_errors_while_reading_pass():
    with pytest.raises(ZeroDivisionError), reading("a"):
        raise ZeroDivisionError


def test_unreadable_lines(tmp_path):
    with pytest.raises(InputError, match="none: cannot be read: No such file"):
        read_json_lines(tmp_path / "none")


def test_what_exists_is_refused_unless_it_may_go(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.touch()
    check_free(new, overwrite=False)
    check_free(new, old, overwrite=True)
    with pytest.raises(InputError, match=f"^{old}: exists already; .* --overwrite"):
        check_free(new, old, overwrite=False)


def test_md5_tells_how_far_it_is():
    Path("file").write_bytes(bytes(3_000_000))
    done = []
    assert md5("file", done.append) == hashlib.md5(bytes(3_000_000)).hexdigest()
    assert done == [1 << 20, 2 << 20, 3_000_000]


def _make_socket():
    server = socket.socket(socket.AF_UNIX)
    server.bind("a")
    server.close()


NOT_REGULAR = {
    "a folder": lambda: Path("a").mkdir(),
    "a named pipe": lambda: os.mkfifo("a"),
    "a socket": _make_socket,
    "a device": lambda: Path("a").symlink_to("/dev/zero"),  # which never ends
}


@pytest.mark.parametrize("read", [open_regular, read_regular, read_bytes, read_json, md5])
@pytest.mark.parametrize("kind", NOT_REGULAR)
def test_only_regular_files_are_opened(kind, read):
    NOT_REGULAR[kind]()
    with pytest.raises(InputError, match=rf"^a: is {kind}, expected a regular file$"):
        read("a")


def test_a_link_to_a_regular_file_is_read():
    Path("file").write_bytes(b"content")
    Path("a").symlink_to("file")
    assert read_bytes("a") == read_regular("a") == b"content"
    with open_regular(Path("a")) as file:
        assert file.read(3) == b"con"


def test_what_is_missing_is_told_as_by_open():
    with pytest.raises(FileNotFoundError):
        open_regular("a")
    with pytest.raises(InputError, match=r"^a: cannot be read: No such file or directory$"):
        read_bytes("a")


def test_a_file_beyond_the_limit_is_not_read():
    with Path("a").open("wb") as file:
        file.truncate(1 << 40)  # takes no space on the disk
    with pytest.raises(InputError, match=r"^a: has 1,099,511,627,776 bytes, expected at most 1,0"):
        read_bytes("a")
    Path("a").write_bytes(b"1234")
    assert read_bytes("a", limit=4) == b"1234"
    with pytest.raises(InputError, match=r"^a: has 4 bytes, expected at most 3$"):
        read_bytes("a", limit=3)


def test_deeply_nested_json_is_named():
    Path("a").write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"^a: cannot be read: "):
        read_json("a")
    Path("a").write_text("[" * 100_000 + "\n")
    with pytest.raises(InputError, match=r"^a, line 1: expected a JSON object"):
        read_json_lines("a")
