"""Files that are no weights, told by their first bytes."""

import pytest

from rnw.weights.recognition import explain

KINDS = {
    b"version https://git-lfs.github.com/spec/v1\noid": "a Git LFS pointer, fetch the file itself",
    b"\x1f\x8b\x08": "a gzip file, unpack it and give the file inside",
    b"BZh91AY": "a bzip2 file, unpack it",
    b"\xfd7zXZ\0": "an xz file, unpack it",
    b"Rar!\x1a\x07\x00aaaa": "a RAR archive, unpack it and give the file inside",
    b"Rar!\x1a\x07\x01\x00": "a RAR archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive, unpack it",
    bytes(257) + b"ustar  \0": "a tar archive, unpack it and give the file inside",
    b"\0\0\0\x18ftypheic": "a HEIC picture",
    b"\xff\xd8\xff\xe0": "a JPEG picture",
    b"\x89HDF\r\n": "an HDF5 file",
    b"\x80\x04\x95": "a Python pickle",
    b"PK\x03\x04": "a zip archive",
    bytes(512): "filled with zeros, download it again",
    b"\xef\xbb\xbf\n<!DOCTYPE HTML>": "a web page saved under that name, download the file itself",
    b'<?xml version="1.0"?><Error><Code>AccessDenied': "a web page",
    b'{"nodes": []}': "JSON text, perhaps the graph beside the weights",
    b"Not Found": 'text, perhaps what a server answered instead of the file: "Not Found"',
    "Zugriff\nverweigert: größer".encode(): 'of the file: "Zugriff verweigert: größer"',
    b"word " * 100: 'the file: "word word word',
    "ä".encode()[:1] * 1: "",
    ("a" * 3 + "ä").encode()[:4]: '"aaa"',
    b"text\x1b[2J": "",
    b"\x12\x01": "",
    b"": "",
}


@pytest.mark.parametrize("start", KINDS, ids=lambda start: repr(start[:12]))
def test_kinds(start):
    found = explain(start)
    assert KINDS[start] in found
    assert bool(KINDS[start]) == bool(found)
    assert len(found) < 150
