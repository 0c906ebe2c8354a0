"""PyTorch's files without PyTorch: what is read, what is refused, and that nothing is run."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rnw.errors import InputError
from rnw.weights.containers import TORCH, TORCH_CHECKPOINT, container_of, read_weights
from rnw.weights.torch_file import write_torch
from tests.weights.torch_files import (
    Call,
    Instance,
    Name,
    Persistent,
    legacy,
    opcodes,
    rebuilt,
    storage,
    tensors,
    zipped,
)

ARRAYS = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "bn.running_var": np.linspace(0, 1, 5),
    "bn.num_batches_tracked": np.array(7),
    "empty": np.zeros((0, 4), np.float16),
}
VALUES = list(ARRAYS.values())
WRITERS = {"zip": zipped, "legacy": legacy}


def _read(content, name="x.pth"):
    Path(name).write_bytes(content)
    return read_weights(name)


def _same(found, expected=ARRAYS):
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape), name
        np.testing.assert_array_equal(found[name], array, name)


def _refusal(content):
    with pytest.raises(InputError) as caught:
        _read(content)
    message = str(caught.value)
    assert message.startswith("x.pth: ")
    assert "\n" not in message
    return message[len("x.pth: ") :]


@pytest.mark.parametrize("form", WRITERS)
def test_tensors_are_read(form):
    _same(_read(WRITERS[form](tensors(ARRAYS), ARRAYS.values())))
    assert container_of("x.pth") is TORCH


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("name", ["x.pth.tar", "x.pth", "x"])
def test_old_files_are_known_by_their_content(protocol, name):
    _same(_read(legacy({"state_dict": tensors(ARRAYS)}, ARRAYS.values(), protocol), name))


@pytest.mark.parametrize("protocol", [4, 5])
def test_newer_pickles_are_told_by_their_protocol(protocol):
    found = _refusal(legacy(tensors(ARRAYS), ARRAYS.values(), protocol))
    assert found.startswith(
        f"saved with pickle protocol {protocol}, expected 2 or 3; save it again"
    )
    assert "weights_only" not in found


STATE = tensors(ARRAYS)
NUMBER = Call(Name("numpy.core.multiarray", "scalar"), (Call(Name("numpy", "dtype"), ("f8",)), "x"))
WRAPPED = {
    "state_dict": {"epoch": 3, "state_dict": STATE},
    "model": {"model": STATE, "epoch": 9},
    "model_state_dict": {"model_state_dict": STATE, "optimizer": {"state": {0: {"m": 1}}}},
    "a level down": {"model": {"state_dict": STATE}},
    "numpy's number": {"state_dict": STATE, "best": NUMBER},
    "numpy 2's": {
        "state_dict": STATE,
        "best": Call(Name("numpy._core.multiarray", "scalar"), (1,)),
    },
    "a set": {"state_dict": STATE, "seen": Call(Name("__builtin__", "set"), ([1, 2],))},
    "a tuple as key": {"state_dict": STATE, (1, 2): 3},
    "settings": {"args": Instance(Name("argparse", "Namespace"), {"lr": 0.1}), "state_dict": STATE},
    "a class": {"state_dict": STATE, "args": Name("argparse", "Namespace")},
    "a mapping of a library": {
        "cfg": Call(Name("copyreg", "_reconstructor"), (Name("easydict", "EasyDict"), ())),
        "model": STATE,
    },
    "code": {"state_dict": STATE, "run": Call(Name("os", "mkdir"), ("ran",))},
    "settings among tensors": {**STATE, "args": Instance(Name("argparse", "Namespace"), {})},
    "a quantized one beside": {
        "state_dict": STATE,
        "other": Call(Name("torch._utils", "_rebuild_qtensor"), (1, 2)),
    },
}


@pytest.mark.parametrize("case", WRAPPED)
@pytest.mark.parametrize("form", WRITERS)
def test_weights_are_found_among_other_things(case, form):
    _same(_read(WRITERS[form](WRAPPED[case], ARRAYS.values())))
    assert not Path("ran").exists()


def test_names_of_dictionaries_are_joined_by_dots():
    names = ["body.conv.weight", "body.n", "head.0"]
    arrays = dict(zip(names, (np.ones((2, 2)), np.array(1), np.zeros(3, np.float32))))
    found = list(tensors(arrays).values())
    state = {"body": dict(zip(("conv.weight", "n"), found)), "head": {0: found[2]}, "cls": {}}
    _same(_read(zipped({"state_dict": state, "epoch": 1}, arrays.values())), arrays)


def test_a_dictionary_in_itself_is_read_once():
    """`x = {'a': tensor}; x['b'] = x`, and sixty dictionaries that each hold the next one twice."""
    value = np.ones(2, np.float32)
    tensor = opcodes(tensors({"a": value})["a"])
    itself = b"}q\x09(" + opcodes("a") + tensor + opcodes("b") + b"h\x09u"
    twice = b"}(" + opcodes("a") + tensor + b"uq\x09"
    for _ in range(60):
        twice += b"}(" + opcodes("left") + b"h\x09" + opcodes("right") + b"h\x09uq\x09"
    content = zipped(None, [value])
    _same(_read(_with_pickle(content, itself)), {"a": value})
    (name,) = _read(_with_pickle(content, twice))
    assert name == "left." * 60 + "a"


def _with_pickle(content, data):
    found = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(found, "w") as new:
        for name in old.namelist():
            new.writestr(
                name, b"\x80\x02" + data + b"." if name.endswith("data.pkl") else old.read(name)
            )
    return found.getvalue()


def test_views_are_read_as_they_lie():
    values = np.arange(24, dtype=np.float32)
    stored = storage("0", 24)
    expected = {
        "transposed": values.reshape(4, 6).T,
        "part": values[5:11].reshape(2, 3),
        "every other": values[1:12:2],
        "channels last": values.reshape(2, 2, 2, 3).transpose(0, 3, 1, 2),
    }
    state = {
        name: rebuilt(stored, array.shape, tuple(s // 4 for s in array.strides), offset)
        for (name, array), offset in zip(expected.items(), (0, 5, 1, 0))
    }
    for writer in WRITERS.values():
        _same(_read(writer(state, [values])), expected)


def test_bfloat16_becomes_float32():
    values = np.array([1.5, -2, 3e30, np.inf], np.float32)
    halves = (values.view(np.uint32) >> 16).astype(np.uint16)
    state = {"w": rebuilt(storage("0", 4, "BFloat16Storage"), (2, 2))}
    expected = (halves.astype(np.uint32) << 16).view(np.float32).reshape(2, 2)
    for writer in WRITERS.values():
        _same(_read(writer(state, [halves])), {"w": expected})


UTILS = "torch._utils"
HUGE = (10**6, 10**6)
ONE = storage("0", 1)
NO_ARRAYS = {
    "sparse": (
        Call(Name(UTILS, "_rebuild_sparse_tensor"), (1, 2)),
        "w: sparse, expected a dense tensor",
    ),
    "quantized": (Call(Name(UTILS, "_rebuild_qtensor"), (ONE, 0)), "w: quantized"),
    "meta": (
        Call(Name(UTILS, "_rebuild_meta_tensor_no_storage"), (1, 2, 3, 4)),
        "w: on the meta",
    ),
    "float8": (
        rebuilt(
            storage("0", 1, "UntypedStorage", "torch.storage"),
            (1,),
            function="_rebuild_tensor_v3",
            more=(Name("torch", "float8_e4m3fn"),),
        ),
        "w: has type float8_e4m3fn",
    ),
    "of a new kind": (
        Call(Name(UTILS, "_rebuild_new_tensor"), (1, 2)),
        "w: made by torch._utils._rebuild_new_tensor, expected a dense tensor",
    ),
    "complex": (rebuilt(storage("0", 1, "ComplexFloatStorage"), (1,)), "w: has type complex64"),
    "conjugated": (rebuilt(ONE, (1,), more=({"conj": True},)), "w: a view of other values (conj"),
    "expanded": (
        rebuilt(ONE, HUGE, (0, 0)),
        "w: shape (1000000, 1000000) has 1000000000000 values, of which 1 are in",
    ),
    "beyond": (rebuilt(ONE, (1,), offset=1), "w: damaged: shape (1,) goes beyond 1 values"),
    "strides": (rebuilt(ONE, (1,), (1, 1)), "w: damaged: shape (1,)"),
    "negative": (rebuilt(ONE, (-1,)), "not a PyTorch file, or damaged: a tensor of shape (-1,)"),
    "no numbers": (rebuilt(ONE, ("1",), ("1",)), "not a PyTorch file, or damaged"),
    "a long name": ({"n" * 4000: {"m" * 4000: rebuilt(ONE, (1,))}}, "a name of 8003 characters"),
}


@pytest.mark.parametrize("case", NO_ARRAYS)
@pytest.mark.parametrize("form", WRITERS)
def test_tensors_that_are_no_arrays_are_named(case, form):
    tensor, wording = NO_ARRAYS[case]
    kind = {"complex": np.complex64, "float8": np.uint8}.get(case, np.float32)
    assert wording in _refusal(_with_values(form, {"w": tensor}, np.zeros(1, kind)))


def _with_values(form, value, array):
    """A file of `value`, and of the array where that refers to a storage."""
    return WRITERS[form](value, [array] * (b"Storage" in opcodes(value)))


RUN = Call(Name("os", "mkdir"), ("ran",))
OTHERS = {
    "code": ({"a": RUN}, "holds more than weights: os.mkdir, which may be code and is not read"),
    "posix": ({"a": Call(Name("posix", "system"), ("mkdir ran",))}, "posix.system"),
    "a call of a call": (Call(Call(Name("builtins", "getattr"), (1,)), ()), "builtins.getattr"),
    "settings alone": (
        {"args": Instance(Name("argparse", "Namespace"), {"lr": 1}), "epoch": 3},
        "argparse.Namespace",
    ),
    "an object of a network": (
        {"model": Instance(Name("network.resnet38d", "Net"), {"w": rebuilt(ONE, (1,))})},
        "network.resnet38d.Net",
    ),
    "a network": (Name("network.resnet38d", "Net"), "network.resnet38d.Net"),
    "a list": ([1], "expected a state_dict, found a list"),
    "no tensors": ({"epoch": 3, "model": {}}, "contains no tensors: a dictionary of epoch, model"),
    "a module": (Persistent(("module", 1, 2, 3)), "damaged"),
    "a name not in UTF-8": ({"\ud800": rebuilt(ONE, (1,))}, r"an array is called '\ud800'"),
    "an empty name": ({"": rebuilt(ONE, (1,))}, "an array is called ''"),
    "NUL": ({"a\0b": rebuilt(ONE, (1,))}, r"an array is called 'a\x00b'"),
    "twice": ({0: rebuilt(ONE, (1,)), "0": rebuilt(ONE, (1,))}, "two tensors are called '0'"),
}


@pytest.mark.parametrize("case", OTHERS)
@pytest.mark.parametrize("form", WRITERS)
def test_what_is_more_than_weights_is_refused_and_not_run(case, form):
    value, wording = OTHERS[case]
    message = _refusal(_with_values(form, value, np.zeros(1, np.float32)))
    assert wording in message
    assert "weights_only" not in message
    assert not Path("ran").exists()


def test_integers_may_be_names():
    found = _read(zipped({0: rebuilt(ONE, (1,))}, [np.ones(1, np.float32)]))
    _same(found, {"0": np.ones(1, np.float32)})


DAMAGED = {
    "another pickle": (b"\x80\x02}.", "a Python pickle, but not one of torch.save"),
    "a program": (zipped(STATE, members=[("constants.pkl", b"")]), "a TorchScript program"),
    "big-endian zip": (zipped(STATE, members=[("byteorder", b"big")]), "saved on a big-endian"),
    "big-endian": (legacy(STATE, little_endian=False), "saved on a big-endian machine"),
    "compressed": (
        zipped(STATE, ARRAYS.values(), method=zipfile.ZIP_DEFLATED),
        "its tensors are compressed",
    ),
    "no values": (zipped(STATE), 'not a PyTorch file, or damaged: "There is no item named'),
    "other opcodes": (b"\x80\x02\x8c\x01a.", "holds more than weights: SHORT_BINUNICODE"),
    "an empty stack": (b"\x80\x02Q.", "damaged: its pickle takes a value that it did not make"),
    "cut in a pickle": (legacy(STATE, ARRAYS.values())[:200], "not a PyTorch file, or damaged"),
    "surplus": (legacy(STATE, ARRAYS.values()) + b"\0", "1 bytes too many after the last tensor"),
    "truncated": (legacy(STATE, ARRAYS.values())[:-90], "truncated file: "),
    "another count": (
        legacy(STATE, [ARRAYS["conv.weight"][:1], *VALUES[1:]]),
        "damaged: the count at byte",
    ),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_files_are_refused(case):
    content, wording = DAMAGED[case]
    assert wording in _refusal(content)


def test_every_shorter_old_file_is_refused():
    content = legacy(tensors(ARRAYS), ARRAYS.values())
    for length in range(1, len(content), 7):
        _refusal(content[:length])


def test_a_wrong_checksum_asks_for_another_download():
    content = bytearray(zipped(tensors(ARRAYS), ARRAYS.values()))
    content[content.index(ARRAYS["conv.weight"].tobytes()) + 20] ^= 1
    assert _refusal(content).endswith("Bad CRC-32 for file 'any/data/0'; download it again")


def test_a_dictionary_made_by_many_steps_is_refused(monkeypatch):
    monkeypatch.setattr("rnw.weights.torch_pickle.MOST_STEPS", 100)
    assert "over 100 steps" in _refusal(zipped({"a": list(range(200))}))


@pytest.mark.parametrize("container", [TORCH, TORCH_CHECKPOINT])
def test_what_is_written_is_read(container):
    arrays = {**ARRAYS, "turned": ARRAYS["conv.weight"].T, "naïve": np.array([True, False])}
    container.write("x.pth.tar", arrays)
    _same(read_weights("x.pth.tar"), arrays)
    first = Path("x.pth.tar").read_bytes()
    container.write("x.pth.tar", arrays)
    assert Path("x.pth.tar").read_bytes() == first
    with zipfile.ZipFile("x.pth.tar") as archive:
        for member in archive.infolist():
            start = member.header_offset
            lengths = struct.unpack("<HH", first[start + 26 : start + 30])
            assert (start + 30 + sum(lengths)) % 64 == 0, member.filename


def test_types_that_pytorch_does_not_have_are_not_written():
    with pytest.raises(InputError, match=r"^x\.pth: a has type uint16, unknown to PyTorch$"):
        write_torch("x.pth", {"a": np.ones(2, np.uint16)})
    assert not Path("x.pth").exists()
