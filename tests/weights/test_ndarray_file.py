"""The `.params` container against MXNet's own reader and writer, and broken and foreign files."""

import resource
import struct
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.weights import ndarray_file
from rnw.weights.ndarray_file import (
    BFLOAT16,
    ELEMENT_TYPES,
    list_arrays,
    read_arrays,
    windows,
    write_arrays,
)
from tests.golden_cases import each_checkpoint

DTYPES = ["float16", "float32", "float64", "uint8", "int8", "int32", "int64", "bool"]
SHAPES = [(1,), (3,), (2, 3), (4, 3, 2, 2), (1, 1, 1, 1, 5)]
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
each_layout = pytest.mark.parametrize("layout", ["0.8", V1, V2], ids=["0.8", "0.11", "1.x"])
FLAGS = {"<f4": 0, "<f8": 1, "<f2": 2, "u1": 3, "<i4": 4, "i1": 5, "<i8": 6, "?": 7}


def _values(shape, dtype):
    return np.random.RandomState(0).uniform(0, 100, shape).round().astype(dtype)


def _assert_same(found, expected):
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found[name], array)


def _numpy(arrays):
    return {name: array.asnumpy() for name, array in arrays.items()}


@pytest.mark.parametrize("dtype", DTYPES)
def test_mxnets_files_are_read_and_written_byte_for_byte(dtype):
    arrays = {f"arg:größe{len(s)}_{s[0]}": _values(s, dtype) for s in SHAPES}
    mx.nd.save("mxnet.params", {n: mx.nd.array(a, dtype=a.dtype) for n, a in arrays.items()})
    found = read_arrays("mxnet.params")
    _assert_same(found, arrays)
    assert not any(array.flags.writeable for array in found.values())
    write_arrays("ours.params", arrays)
    assert Path("ours.params").read_bytes() == Path("mxnet.params").read_bytes()


@pytest.mark.parametrize("dtype", ELEMENT_TYPES.values(), ids=str)
def test_mxnet_reads_every_type_that_is_written(dtype):
    bits = _values((2, 3), dtype="u2" if dtype == BFLOAT16 else dtype)
    arrays = {"a": bits.view(dtype)}
    write_arrays("a.params", arrays)
    loaded = mx.nd.load("a.params")
    _assert_same(_numpy(loaded), arrays)
    mx.nd.save("mxnet.params", loaded)
    assert Path("a.params").read_bytes() == Path("mxnet.params").read_bytes()


def test_a_list_without_names_is_numbered():
    arrays = [_values((2, 3), "float32"), _values((4,), "int32")]
    mx.nd.save("list.params", [mx.nd.array(array, dtype=array.dtype) for array in arrays])
    _assert_same(read_arrays("list.params"), {"0": arrays[0], "1": arrays[1]})
    write_arrays("ours.params", arrays)
    assert Path("ours.params").read_bytes() == Path("list.params").read_bytes()


@pytest.mark.parametrize("shapes", [[()], [(0,)], [(2, 0, 3)], [(), (2, 0), (2, 3)]], ids=str)
def test_scalars_and_empty_arrays(shapes):
    arrays = {str(shape): np.asarray(_values(shape, "float32")) for shape in shapes}
    with mx.util.np_shape(True):
        saved = {n: mx.np.array(a, dtype=a.dtype).as_nd_ndarray() for n, a in arrays.items()}
        mx.nd.save("mxnet.params", saved)
    _assert_same(read_arrays("mxnet.params"), arrays)
    write_arrays("ours.params", arrays)
    with mx.util.np_shape(True):
        _assert_same(_numpy(mx.nd.load("ours.params")), arrays)
    assert Path("ours.params").read_bytes() == Path("mxnet.params").read_bytes()


@pytest.mark.parametrize("np_shape", [False, True])
@pytest.mark.parametrize("shape", [(2, 3), (0,), (2, 0, 3)], ids=str)
def test_np_shape_chooses_the_version(np_shape, shape):
    arrays = {"a": _values(shape, "float32")}
    with mx.util.np_shape(np_shape):
        mx.nd.save("mxnet.params", {"a": mx.nd.array(arrays["a"])})
    write_arrays("ours.params", arrays, np_shape=np_shape)
    assert Path("ours.params").read_bytes() == Path("mxnet.params").read_bytes()
    assert [entry.version for entry in list_arrays("ours.params")] == [
        "1.5" if np_shape else "0.12"
    ]
    with mx.util.np_shape(np_shape):
        _assert_same(_numpy(mx.nd.load("ours.params")), arrays)


@pytest.mark.parametrize("others", [{}, {"b": (2, 3)}, {"z": ()}], ids=str)
def test_scalars_that_mxnet_writes_but_cannot_read(others):
    shapes = {"a": (), **others, "last": ()}
    arrays = {name: np.asarray(_values(shape, "float32")) for name, shape in shapes.items()}
    mx.nd.save("mxnet.params", {name: mx.nd.array(array) for name, array in arrays.items()})
    with pytest.raises((mx.MXNetError, UnicodeDecodeError)):
        mx.nd.load("mxnet.params")
    _assert_same(read_arrays("mxnet.params"), arrays)
    with pytest.raises(InputError, match=r"^ours\.params: a is a scalar"):
        write_arrays("ours.params", arrays, np_shape=False)


def test_no_arrays():
    mx.nd.save("none.params", {})
    assert read_arrays("none.params") == {}
    for nothing in ({}, []):
        write_arrays("ours.params", nothing)
        assert Path("ours.params").read_bytes() == Path("none.params").read_bytes()


def test_transposed_and_big_endian_arrays_are_written_in_their_own_order(monkeypatch):
    monkeypatch.setattr(ndarray_file, "_WINDOW", 5)
    values = _values((4, 6), "float32")
    arrays = {"T": values.T, "step": values[:, ::2], "big": values.astype(">f4"), "f": values}
    write_arrays("a.params", arrays)
    expected = {name: array.astype("<f4") for name, array in arrays.items()}
    _assert_same(read_arrays("a.params"), expected)
    write_arrays("again.params", read_arrays("a.params"))
    assert Path("again.params").read_bytes() == Path("a.params").read_bytes()


def test_windows_of_a_map_leave_nothing_in_memory():
    values = np.arange(3 << 20, dtype=np.float32)
    write_arrays("a.params", {"a": values})
    mapped = read_arrays("a.params")["a"]
    before = _resident_bytes()
    parts = [window.sum(dtype=np.float64) for window in windows(mapped)]
    assert len(parts) == 3
    assert sum(parts) == values.sum(dtype=np.float64)
    assert _resident_bytes() - before < values.nbytes / 2
    assert mapped.sum(dtype=np.float64) == values.sum(dtype=np.float64)


def _resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_private_maps_keep_their_changes():
    write_arrays("a.params", {"a": np.zeros((2 << 20,), np.float32)})
    private = np.memmap("a.params", np.float32, mode="c", offset=48, shape=(2 << 20,))
    private[:] = 1
    private.flags.writeable = False
    assert sum(window.sum() for window in windows(private)) == 2 << 20
    assert private.sum() == 2 << 20


def test_listing_tells_how_arrays_are_stored():
    one = np.ones((2,), np.float32)
    arrays = [_array("0.8", one, (2, 3)), _array(V1, one, (3, 0)), _array(V2, one, (9, 0))]
    Path("a.params").write_bytes(_file([*arrays, _header("0.8", ())], [b"a", b"b", b"c", b"d"]))
    found = [entry._replace(array=entry.array.tolist()) for entry in list_arrays("a.params")]
    starts = [24 + sum(map(len, arrays[: i + 1])) - one.nbytes for i in range(3)]
    assert found == [
        ("a", [1, 1], "0.8", "gpu(3)", starts[0]),
        ("b", [1, 1], "0.11", "cpu_pinned(0)", starts[1]),
        ("c", [1, 1], "0.12", "device type 9(0)", starts[2]),
        ("d", [], "0.8", None, starts[2] + one.nbytes + 4),
    ]


@each_checkpoint()
def test_reference_files(path):
    _assert_same(read_arrays(path), _numpy(mx.nd.load(str(path))))


def _header(layout, shape):
    rank = len(shape)
    if layout == "0.8":
        return struct.pack(f"<I{rank}I", rank, *shape)
    if layout == V1:
        return struct.pack(f"<II{rank}q", V1, rank, *shape)
    return struct.pack(f"<IiI{rank}q", layout, 0, rank, *shape)


def _array(layout, array, device=(1, 0)):
    flag = FLAGS[array.dtype.str.lstrip("|").replace("b1", "?")]
    return _header(layout, array.shape) + struct.pack("<iii", *device, flag) + array.tobytes()


def _file(arrays, names):
    entries = [struct.pack("<Q", len(name)) + name for name in names]
    start = struct.pack("<QQQ", 0x112, 0, len(arrays)) + b"".join(arrays)
    return start + struct.pack("<Q", len(names)) + b"".join(entries)


@each_layout
@pytest.mark.parametrize("dtype", FLAGS)
def test_older_layouts(layout, dtype):
    arrays = {"arg:a": _values((2, 3), dtype), "aux:b": _values((3, 1, 2, 2), dtype)}
    content = _file([_array(layout, a) for a in arrays.values()], [b"arg:a", b"aux:b"])
    Path("old.params").write_bytes(content)
    _assert_same(read_arrays("old.params"), arrays)
    _assert_same(_numpy(mx.nd.load("old.params")), arrays)


@each_layout
def test_arrays_that_were_never_filled_are_empty(layout):
    ones = np.ones((2,), np.float32)
    content = _file([_header(layout, ()), _array(layout, ones)], [b"none", b"ones"])
    Path("x.params").write_bytes(content)
    _assert_same(read_arrays("x.params"), {"none": np.zeros((0,), np.float32), "ones": ones})


def test_arrays_saved_from_a_gpu():
    ones = np.ones((2,), np.float32)
    Path("gpu.params").write_bytes(_file([_array("0.8", ones, device=(2, 3))], [b"a"]))
    _assert_same(read_arrays("gpu.params"), {"a": ones})


@each_layout
def test_truncation_anywhere_is_refused(layout):
    content = _file([_array(layout, np.ones((2, 3), np.float32))], [b"arg:a"])
    for size in range(1, len(content)):
        Path("small.params").write_bytes(content[:size])
        with pytest.raises(InputError, match=r"^small\.params: .*byte"):
            read_arrays("small.params")


ONE = np.ones((1,), np.float32)
BROKEN = {
    "array count": (struct.pack("<QQQ", 0x112, 0, 1 << 63), "arrays announced"),
    "name count": (
        struct.pack("<QQQ", 0x112, 0, 1) + _array(V2, ONE) + struct.pack("<Q", 1 << 63),
        "names announced",
    ),
    "name length": (_file([_array(V2, ONE)], [])[:-8] + struct.pack("<QQ", 1, 1 << 63), "a name"),
    "rank": (_file([struct.pack("<IiI", V2, 0, 1 << 31)], []), "2147483648 dimensions"),
    "rank of 0.8": (_file([struct.pack("<I", 33)], []), "33 dimensions"),
    "dimension": (_file([_header(V2, (1 << 40, 1 << 40)) + bytes(12)], [b"a"]), "shape"),
    "dimension of 0.8": (_file([_header("0.8", ((1 << 32) - 1,)) + bytes(12)], []), "truncated"),
    "dimension beside 0": (_file([_header(V3, (0, 1 << 62)) + bytes(12)], [b"a"]), "shape"),
    "negative dimension": (_file([_header(V2, (2, -3)) + bytes(36)], [b"a"]), "impossible shape"),
    "two negative dimensions": (_file([_header(V2, (-2, -3)) + bytes(36)], []), "impossible shape"),
    "type 8": (_file([_header(V2, (1,)) + struct.pack("<iiif", 1, 0, 8, 0)], []), "type 8"),
    "type -1": (_file([_header(V2, (1,)) + struct.pack("<iiif", 1, 0, -1, 0)], []), "type -1"),
    "more names": (_file([_array(V2, ONE)], [b"a", b"b"]), "1 arrays but 2 names"),
    "fewer names": (_file([_array(V2, ONE)] * 2, [b"a"]), "2 arrays but 1 names"),
    "one name twice": (_file([_array(V2, ONE)] * 2, [b"a", b"a"]), "occur twice"),
    "no UTF-8": (_file([_array(V2, ONE)], [b"\xff"]), "not UTF-8"),
    "more at the end": (_file([_array(V2, ONE)], [b"a"]) + bytes(3), "3 bytes too many"),
    "storage": (_file([struct.pack("<IiI", V2, 3, 0)], []), "unknown storage type 3"),
    "long name": (_file([_array(V2, ONE)], [b"a" * 4097]), "a name of 4097 bytes"),
    "arrays": (_file([_header("0.8", ())] * 100_001, []), "100001 arrays announced, at most"),
}
OFFSETS = {  # of the field that is wrong
    "array count": 16,
    "name count": 60,
    "name length": 68,
    "rank": 32,
    "rank of 0.8": 24,
    "dimension": 36,
    "type 8": 52,
    "storage": 28,
    "long name": 68,
    "no UTF-8": 76,
    "more at the end": 77,
    "arrays": 16,
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_refused(case):
    content, wording = BROKEN[case]
    Path("broken.params").write_bytes(content)
    with pytest.raises(InputError, match=rf"^broken\.params: .*{wording}.* at byte \d+ of \d+"):
        read_arrays("broken.params")


@pytest.mark.parametrize("case", OFFSETS)
def test_errors_tell_where(case):
    Path("broken.params").write_bytes(BROKEN[case][0])
    with pytest.raises(InputError, match=rf" at byte {OFFSETS[case]} of "):
        read_arrays("broken.params")


@pytest.mark.parametrize("storage", ["row_sparse", "csr"])
def test_sparse_arrays_are_refused(storage):
    dense = mx.nd.array([[0, 0], [1, 2]])
    mx.nd.save("sparse.params", {"a": dense, "b": dense.tostype(storage)})
    with pytest.raises(
        InputError,
        match=rf"^sparse\.params: array 1 is sparse .{storage}.*not supported.* at byte \d+",
    ):
        read_arrays("sparse.params")


FOREIGN = {
    "page.html": (b"\n<!DOCTYPE html><html>Not found</html>", "web page"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
    "archive.zip": (b"PK\x03\x04" + bytes(40), "zip archive"),
    "archive.gz": (b"\x1f\x8b\x08" + bytes(40), "gzip file"),
    "image.png": (b"\x89PNG\r\n\x1a\n" + bytes(40), "89 50 4e 47 0d 0a 1a 0a"),
    "model.safetensors": (struct.pack("<Q", 9) + b'{"a": {}}', "safetensors"),
    "model.npy": (b"\x93NUMPY\x01\x00" + bytes(40), "NumPy .npy file"),
    "model.h5": (b"\x89HDF\r\n\x1a\n" + bytes(40), "HDF5"),
    "model.pkl": (b"\x80\x02}" + bytes(40), "pickle"),
    "symbol.json": (b'{"nodes": []}', "JSON"),
    "page.params": (b"\xef\xbb\xbf<html><body>404</body></html>", "web page"),
    "hole": (bytes(4096), "filled with zeros"),
    "short": (b"\x12\x01", "found 12 01 at byte 0"),
    "empty": (b"", "empty"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files_are_recognized(name):
    content, wording = FOREIGN[name]
    Path(name).write_bytes(content)
    with pytest.raises(InputError, match=f"^{name}: .*{wording}"):
        read_arrays(name)


@pytest.mark.parametrize("name", ["missing.params", "."])
def test_what_is_no_file_is_refused(name):
    with pytest.raises(InputError, match=f"^{name}: "):
        read_arrays(name)


@pytest.mark.parametrize("dtype", ["complex64", "U3", "O", ">i2", "int16", "uint16", "uint32"])
def test_types_that_mxnet_does_not_have_are_not_written(dtype, tmp_path):
    with pytest.raises(InputError, match=r"^new\.params: b has type"):
        write_arrays("new.params", {"a": ONE, "b": np.ones((2,), dtype)})
    assert list(tmp_path.iterdir()) == []
