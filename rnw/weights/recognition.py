"""TABLE of files that are mistaken for weights files: what they are, and what to do."""

START = 512  # bytes by which a file is recognized

_UNPACK = "unpack it and give the file inside"
# offset, bytes there, what the file is
_KINDS = (
    (0, b"version https://git-lfs", "a Git LFS pointer, fetch the file itself with git lfs pull"),
    (0, b"PK\x03\x04", "a zip archive, a NumPy .npz or a PyTorch file"),
    (0, b"PK\x05\x06", "an empty zip archive"),
    (0, b"\x1f\x8b", f"a gzip file, {_UNPACK}"),
    (0, b"BZh", f"a bzip2 file, {_UNPACK}"),
    (0, b"\xfd7zXZ\0", f"an xz file, {_UNPACK}"),
    (0, b"\x28\xb5\x2f\xfd", f"a Zstandard file, {_UNPACK}"),
    (0, b"Rar!\x1a\x07", f"a RAR archive, {_UNPACK}"),
    (0, b"7z\xbc\xaf\x27\x1c", f"a 7z archive, {_UNPACK}"),
    (257, b"ustar", f"a tar archive, {_UNPACK}"),
    (0, b"\x80", "a Python pickle, perhaps an old PyTorch file"),
    (0, b"\x89HDF", "an HDF5 file, which is not read"),
    (0, b"\x93NUMPY", "a NumPy .npy file: one array without a name"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (4, b"ftyp", "a HEIC picture or a film"),
    (0, b"%PDF", "a PDF document"),
    (0, bytes(8), "filled with zeros, download it again"),
)
_WEB_PAGE = ("<!doctype", "<html", "<head", "<?xml", "<!--")
_SHOWN = 60  # characters of a text


def explain(start: bytes) -> str:
    """Return what a file that begins with `start` is, to complete "this is ..."; may be empty."""
    if start[4:][:5] == bytes(4) + b"{":
        return "probably a safetensors file"
    for place, signature, kind in _KINDS:
        if start.startswith(signature, place):
            return kind
    return _explain_text(start)


def _explain_text(start: bytes) -> str:
    text = start.decode("utf-8-sig", "replace").rstrip("\ufffd").strip()  # the end may be cut
    if not text or "\ufffd" in text or not all(c.isprintable() or c.isspace() for c in text):
        return ""
    if text.lower().startswith(_WEB_PAGE):
        return "a web page saved under that name, download the file itself"
    if text.startswith("{"):
        return "JSON text, perhaps the graph beside the weights"
    line = " ".join(text.split())
    shown = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
    return f'text, perhaps what a server answered instead of the file: "{shown}"'
