"""Reads damaged `.params` files: `python -m tests.weights.fuzzing <files> [<seed>]`.

Each must end in an InputError that tells the offset, or in a correct read. Memory is limited to
what the process has at the start and LIMIT_MB more. Prints counts, seconds and peak memory as JSON.
Imports no MXNet.
"""

import collections
import json
import random
import re
import resource
import struct
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from rnw.errors import InputError
from rnw.weights.ndarray_file import MAGIC_V1, MAGIC_V2, MAGIC_V3, list_arrays
from tests.golden_cases import golden_folder

LIMIT_MB = 64
EXTREMES = (0, 1, 2, 31, 32, 33, 0xFF, 0x112, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
EXTREMES += (1 << 32, (1 << 62) - 1, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
MAGICS = (MAGIC_V1 - 1, MAGIC_V1, MAGIC_V2, MAGIC_V3, MAGIC_V3 + 1, 1, 2)
FLAGS = {"<f4": 0, "<f8": 1, "<f2": 2, "|u1": 3, "<i4": 4, "|i1": 5, "<i8": 6, "|b1": 7}
WHERE = re.compile(r" at byte \d+|the file is empty")


class Original:
    """An undamaged file: its bytes, its arrays, and what each byte stands for.

    `roles[i]` is the index of the array whose values byte i is of, or one of the letters n (a
    name), d (a device, or reserved: nothing depends on it), s (structure). `fields` are the offset
    and size of all numbers of the structure, `magics` the offsets of the arrays' magic numbers.
    """

    def __init__(self, magic, arrays):
        self.content, self.roles, self.fields, self.magics = bytearray(), [], [], []
        self.arrays = arrays
        self._add("Q", 0x112)
        self._add("Q", 0, "d")
        self._add("Q", len(arrays))
        for index, array in enumerate(arrays.values()):
            self.magics.append(len(self.content))
            self._array(magic, index, array)
        self._add("Q", len(arrays))
        for name in arrays:
            self._add("Q", len(name))
            self._extend(name.encode(), "n")

    def _array(self, magic, index, array):
        if magic is not None:
            self._add("I", magic)
        if magic in (MAGIC_V2, MAGIC_V3):
            self._add("i", 0)
        self._add("I", array.ndim)
        for dimension in array.shape:
            self._add("I" if magic is None else "q", dimension)
        self._add("i", 1, "d")
        self._add("i", 0, "d")
        self._add("i", FLAGS[array.dtype.str])
        self._extend(array.tobytes(), index)

    def _add(self, kind, number, role="s"):
        packed = struct.pack(f"<{kind}", number)
        if role == "s":
            self.fields.append((len(self.content), len(packed)))
        self._extend(packed, role)

    def _extend(self, content, role):
        self.content += content
        self.roles += [role] * len(content)


def originals():
    """One file of each version, and the reference files as far as they are of version 0.8."""
    stream = np.random.RandomState(0)
    shapes = {"<f4": (2, 3), "<f8": (3,), "<f2": (4, 1), "|u1": (5,), "<i4": (1,), "<i8": (2, 2)}
    arrays = {
        f"arg:{kind[1:]}_weight": stream.randint(0, 100, shape).astype(kind)
        for kind, shape in shapes.items()
    }
    files = [Original(magic, arrays) for magic in (None, MAGIC_V1, MAGIC_V2)]
    files.append(Original(MAGIC_V3, {**arrays, "scalar": np.array(7, "<f4")}))
    for path in golden_folder().glob("*.params"):
        stored = list_arrays(path)
        if {entry.version for entry in stored} == {"0.8"}:
            files.append(Original(None, {entry.name: entry.array for entry in stored}))
            if files[-1].content != path.read_bytes():
                raise ValueError(f"{path} is not what this module would write")
    return files


def truncate(original, dice):
    return original.content[: dice.randrange(len(original.content))], None


def flip_bits(original, dice):
    content = bytearray(original.content)
    changed = [dice.randrange(len(content)) for _ in range(dice.choice((1, 1, 1, 2, 8)))]
    for position in changed:
        content[position] ^= 1 << dice.randrange(8)
    return content, changed


def set_field(original, dice):
    content = bytearray(original.content)
    offset, size = dice.choice(original.fields)
    number = dice.choice((*EXTREMES, len(content), len(content) - offset, dice.getrandbits(64)))
    number = (number + dice.choice((-1, 0, 0, 1))) % (1 << (8 * size))
    content[offset : offset + size] = number.to_bytes(size, "little")
    return content, list(range(offset, offset + size))


def set_magic(original, dice):
    content = bytearray(original.content)
    offset = dice.choice((0, *original.magics))
    content[offset : offset + 4] = struct.pack("<I", dice.choice(MAGICS))
    return content, list(range(offset, offset + 4))


def move_bytes(original, dice):
    """Insert, remove or double a stretch, or put two pieces of the file together."""
    content = original.content
    start, stop = sorted(dice.randrange(len(content) + 1) for _ in range(2))
    stop = min(stop, start + 64)
    part = dice.choice((b"", dice.getrandbits(64).to_bytes(8, "little"), content[start:stop] * 2))
    return content[:start] + part + content[stop:], None


MUTATIONS = (truncate, flip_bits, set_field, set_magic, move_bytes)


def outcome(path, original, content, changed):
    """'refused' or 'read'; raises ValueError for what is neither."""
    path.write_bytes(content)
    try:
        entries = list_arrays(path)
    except InputError as error:
        if not WHERE.search(str(error)):
            raise ValueError(f"no offset in: {error}") from error
        if changed is not None and all(original.roles[i] not in ("s", "n") for i in changed):
            raise ValueError(f"values and devices alone must not matter: {error}") from error
        return "refused"
    for entry in entries:
        start, size = entry.offset, entry.array.nbytes
        if entry.array.tobytes() != bytes(content[start : start + size]):
            raise ValueError(f"{entry.name} is not what the file holds at {start}")
    if sum(entry.array.nbytes for entry in entries) > len(content):
        raise ValueError("more values than bytes")
    if changed is not None and "s" not in {original.roles[i] for i in changed}:
        _expect_same_structure(entries, original, {original.roles[i] for i in changed})
    return "read"


def _expect_same_structure(entries, original, changed_roles):
    expected = original.arrays.items()
    for index, (entry, (name, array)) in enumerate(zip(entries, expected)):
        found = (entry.array.dtype, entry.array.shape)
        same_values = index in changed_roles or entry.array.tobytes() == array.tobytes()
        same_name = "n" in changed_roles or entry.name == name
        if found != (array.dtype, array.shape) or not same_values or not same_name:
            raise ValueError(f"{entry.name} is not {name} of the original")
    if len(entries) != len(expected):
        raise ValueError(f"{len(entries)} arrays instead of {len(expected)}")


def run(count, seed):
    files = originals()
    weights = [100 if len(file.content) < 10_000 else 5 for file in files]
    dice = random.Random(seed)
    counts = collections.Counter()
    limit_memory()
    start_memory, start = peak_mb(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for index in range(count):
            (original,) = dice.choices(files, weights)
            mutation = dice.choice(MUTATIONS)
            content, changed = mutation(original, dice)
            path = Path(folder, f"{index}.params")  # writing over a file is slow
            try:
                end = outcome(path, original, content, changed)
                path.unlink()
            except Exception as error:
                raise RuntimeError(f"file {index} ({mutation.__name__}): {error!r}") from error
            counts[f"{mutation.__name__} {end}"] += 1
    return {
        "files": count,
        "seconds": round(time.perf_counter() - start, 1),
        "extra_memory_mb": round(peak_mb() - start_memory, 1),
        "outcomes": dict(sorted(counts.items())),
    }


def limit_memory():
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = used + LIMIT_MB * (1 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    count, *seed = map(int, sys.argv[1:])
    sys.stdout.write(json.dumps(run(count, *seed or [0])) + "\n")


if __name__ == "__main__":
    main()
