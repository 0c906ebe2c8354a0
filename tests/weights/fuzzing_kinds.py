"""Reads damaged files of a kind: `python -m tests.weights.fuzzing_kinds KIND COUNT [SEED]`.

Each must end in an InputError of one line that names the file, or in a correct read, with nothing
run and in little memory. Prints counts, seconds and peak memory as JSON. Imports no MXNet.
"""

import collections
import io
import json
import pickletools
import random
import re
import struct
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from rnw.errors import InputError
from rnw.weights.containers import read_weights
from tests.weights.fuzzing import EXTREMES, flip_bits, limit_memory, move_bytes, peak_mb, truncate
from tests.weights.torch_files import Call, Name, legacy, opcodes, tensors, zipped

ARRAYS = {
    "conv1a.weight": np.random.RandomState(0).standard_normal((2, 3, 2, 2)).astype("f4"),
    "bn7.running_var": np.random.RandomState(1).standard_normal(5).astype("f8"),
    "bn7.num_batches_tracked": np.array(7_000_000_007),
}
VALUES = list(ARRAYS.values())
# beginning of a record of a zip archive: places and sizes of its numbers
RECORDS = {
    b"PK\x03\x04": [(4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)],
    b"PK\x01\x02": [(p, 2) for p in (4, 6, 8, 10, 28, 30, 32, 34)] + [(16, 4), (20, 4), (24, 4)],
    b"PK\x05\x06": [(4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)],
}
RECORDS[b"PK\x01\x02"].append((42, 4))
HEADER = re.compile(rb"'descr': (?P<d>'[^']+')|'fortran_order': (?P<o>\w+)|'shape': (?P<s>\(.*?\))")
HEADER_TEXTS = (
    b"'|O'",
    b"'<f8'",
    b"'>i2'",
    b"'<U3'",
    b"'|V2'",
    b"[('a', '<f4')]",
    b"True",
    b"None",
)
HEADER_TEXTS += (b"(10**9,)", b"(1000000000000,)", b"(-1,)", b"()", b"(2, 3, 4)", b"((2,),)", b"1")
CODE = (Call(Name("os", "mkdir"), ("ran",)), Name("builtins", "eval"), Name("torch", "HalfStorage"))


def set_record(content, dice):
    """Another number in a header of a zip archive."""
    places = [
        (match.start() + place, size)
        for signature, fields in RECORDS.items()
        for match in re.finditer(re.escape(signature), content)
        for place, size in fields
    ]
    return _set(content, *dice.choice(places), dice)


def _set(content, place, size, dice):
    number = dice.choice((*EXTREMES, len(content), dice.getrandbits(32)))
    number = (number + dice.choice((-1, 0, 1))) % (1 << 8 * size)
    return content[:place] + number.to_bytes(size, "little") + content[place + size :]


def set_array_header(content, dice):
    """Another type, order or shape of a .npy file, in an archive whose checksums are right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = dice.choice(list(members))
    old = members[name]
    found = dice.choice(list(HEADER.finditer(old)))
    text = old[: found.start(found.lastgroup)] + dice.choice(HEADER_TEXTS)
    text += old[found.end(found.lastgroup) :]
    length = text.index(b"\n") + 1 - 10
    members[name] = (
        text[:8] + struct.pack("<H", dice.choice((length, length, length, 0, 65535))) + text[10:]
    )
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as archive:
        for name, member in members.items():
            archive.writestr(dice.choice((*[name] * 20, "x", "\xff.npy")), member)
    return changed.getvalue()


def set_opcode(pickled, dice):
    """Opcodes left out, doubled, exchanged, replaced, with other numbers, or of code."""
    places = [place for _, _, place in pickletools.genops(pickled)] + [len(pickled)]
    ops = [pickled[start:stop] for start, stop in zip(places, places[1:])]
    at, other = dice.randrange(len(ops)), dice.randrange(len(ops))
    kind = dice.randrange(6)
    if kind == 0:
        ops[at : at + dice.randrange(1, 4)] = []
    elif kind == 1:
        ops[at:at] = ops[other : other + dice.randrange(1, 8)]
    elif kind == 2:
        ops[at], ops[other] = ops[other], ops[at]
    elif kind == 3:
        ops[at] = dice.choice(pickletools.opcodes).code.encode("latin-1") + ops[at][1:]
    elif kind == 4:
        ops[at] = opcodes(dice.choice((0, 1, -1, 2, 10**6, 2**31, 2**62, 10**30, 0.5, "0", None)))
    else:
        ops[at:at] = [opcodes(dice.choice(CODE))]
    return b"".join(ops)


def set_pickle(content, dice):
    """Another description of the tensors, in an archive whose checksums are right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        pickled = archive.read("any/data.pkl")
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as archive:
        archive.writestr("any/data.pkl", set_opcode(pickled, dice))
        archive.writestr("any/version", b"3\n")
        for key, array in enumerate(VALUES):
            archive.writestr(f"any/data/{key}", array.tobytes())
    return changed.getvalue()


def set_old_pickle(content, dice):
    """The same of an old file, where pickles lie one behind the other."""
    file = io.BytesIO(content)
    ends = [0]
    for _ in range(5):
        collections.deque(pickletools.genops(file), maxlen=0)
        ends.append(file.tell())
    which = dice.choice((0, 1, 2, 3, 3, 3, 3, 4))
    start, stop = ends[which], ends[which + 1]
    return content[:start] + set_opcode(content[start:stop], dice) + content[stop:]


def _graph():
    import onnx

    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in ARRAYS.items()]
    graph = onnx.helper.make_graph([], "g", [], [], tensors)
    return onnx.helper.make_model(graph).SerializeToString()


NESTED = {(), (7,), (7, 5)}  # the graph in the model, initializers in the graph


def _fields(content, start, stop, path=()):
    """Places of all keys of a protobuf message and, behind them, of numbers and lengths."""
    while start < stop:
        yield start
        key, start = content[start], start + 1
        if key & 7 not in (0, 2):
            return
        yield start
        number, shift = 0, 0
        while True:
            number |= (content[start] & 127) << shift
            start, shift, more = start + 1, shift + 7, content[start] & 128
            if not more:
                break
        if key & 7 == 2:
            inner = (*path, key >> 3)
            if inner in NESTED:
                yield from _fields(content, start, start + number, inner)
            start += number


def set_field(content, dice):
    """Another field, wire type, number or length in the messages."""
    place = dice.choice(list(_fields(content, 0, len(content))))
    old = content[place]
    new = dice.choice((old ^ dice.randrange(8), old ^ 8 * dice.randrange(16), dice.randrange(256)))
    return content[:place] + bytes([new]) + content[place + 1 :]


def _npz(save):
    content = io.BytesIO()
    save(content, **ARRAYS)
    return content.getvalue()


class Kind:
    """Files to damage, the end of their names, and ways to damage that kind."""

    def __init__(self, suffix, mutations, *files):
        self.suffix, self.mutations, self.files = suffix, mutations, files


KINDS = {
    "npz": lambda: Kind(
        ".npz", (set_record, set_array_header), _npz(np.savez), _npz(np.savez_compressed)
    ),
    "onnx": lambda: Kind(".onnx", (set_field, set_field), _graph()),
    "pth": lambda: Kind(".pth", (set_record, set_pickle), zipped(tensors(ARRAYS), VALUES)),
    "old_pth": lambda: Kind(
        ".pth", (set_old_pickle, set_old_pickle), legacy({"state_dict": tensors(ARRAYS)}, VALUES)
    ),
}


def _any(mutate):
    """A mutation of `fuzzing` for bytes alone."""

    def mutation(content, dice):
        return bytes(mutate(SimpleNamespace(content=bytearray(content)), dice)[0])

    mutation.__name__ = mutate.__name__
    return mutation


COMMON = tuple(map(_any, (truncate, flip_bits, move_bytes)))


def mutated(kind, count, seed):
    """So many damaged files of the kind: name of the mutation, content."""
    dice = random.Random(seed)
    for _ in range(count):
        mutation = dice.choice((*COMMON, *kind.mutations))
        yield mutation.__name__, mutation(dice.choice(kind.files), dice)


def outcome(path, content):
    """'refused' or 'read'; raises ValueError for what is neither."""
    path.write_bytes(content)
    try:
        arrays = read_weights(path)
    except InputError as error:
        message = str(error)
        if not message.startswith(f"{path}: ") or "\n" in message or "MemoryError" in message:
            raise ValueError(f"no line of its own: {message}") from error
        return "refused"
    if path.suffix == ".npz":
        _expect_what_numpy_reads(path, arrays)
    for name, array in arrays.items():
        if path.suffix != ".npz" and not all(value.tobytes() in content for value in array.flat):
            raise ValueError(f"{name} has values that the file does not hold")
    return "read"


def _expect_what_numpy_reads(path, arrays):
    with np.load(path) as archive:
        if archive.files != list(arrays):
            raise ValueError(f"{list(arrays)} instead of {archive.files}")
        for name, array in arrays.items():
            if array.dtype != archive[name].dtype or array.tobytes() != archive[name].tobytes():
                raise ValueError(f"{name} is not what NumPy reads")


def run(name, count, seed):
    kind = KINDS[name]()
    counts = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for content in kind.files:  # all that is imported late is imported now
            if outcome(Path(folder, f"whole{kind.suffix}"), content) != "read":
                raise ValueError("an undamaged file is refused")
        limit_memory()
        start_memory, start = peak_mb(), time.perf_counter()
        path = Path(folder, f"damaged{kind.suffix}")
        for index, (mutation, content) in enumerate(mutated(kind, count, seed)):
            try:
                counts[f"{mutation} {outcome(path, content)}"] += 1
            except Exception as error:
                raise RuntimeError(f"file {index} ({mutation}): {error!r}") from error
        if Path("ran").exists():
            raise RuntimeError("a file was run")
    return {
        "files": count,
        "seconds": round(time.perf_counter() - start, 1),
        "extra_memory_mb": round(peak_mb() - start_memory, 1),
        "outcomes": dict(sorted(counts.items())),
    }


def main():
    name, count, *seed = sys.argv[1:]
    sys.stdout.write(json.dumps(run(name, int(count), int(*seed or [0]))) + "\n")


if __name__ == "__main__":
    main()
