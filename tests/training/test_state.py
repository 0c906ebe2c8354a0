"""State files that were damaged, or are of something else: refused, or read as they were meant."""

import hashlib
import io
import json
import random
import re
import struct
from collections import Counter
from pathlib import Path
from typing import Any, Dict, NamedTuple

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.networks.classifier import get_network
from rnw.training.initializers import initialize
from rnw.training.optimizers import TorchNesterov
from rnw.training.sealed import SEAL, read_sealed
from rnw.training.state import Bounds, Position, State, check_same_settings, save_state
from rnw.training.trainer import Trainer, trained_parameters
from rnw.weights.ndarray_file import write_arrays, write_arrays_to

DEVICES = 2
TURNS = 170
CHECKSUM = slice(56, 88)  # in a state file
SETTINGS = {"batch": 4, "network": "tiny", "digest of the list": "00ff"}
HISTORY = [
    {"loss": 1.5, "top-1": 25.0, "top-5": 50.0},
    {"loss": 1.25, "top-1": 50.0, "top-5": 75.0},
]
POSITION = Position(1, 2, SETTINGS, HISTORY, {"epoch": 1, "loss": 2.0, "top-1": 75.0})
BOUNDS = Bounds(epochs=3, steps=5, scores=("loss", "top-1", "top-5"), best_by="top-1")
ODD = (None, True, -1, 6, 1.5, 10**30, "1", "", [], [1], {}, {"loss": 1.5}, [{"loss": None}])
DEEP = b"[" * 100_000
WORDING = r"is not a valid run state \(.+\): start another run from the last weights|"
WORDING += r"cannot be resumed with other settings: .+ was .+, now "


class Run(NamedTuple):
    """A network after a step, its trainer, and its state file."""

    net: Any
    trainer: Trainer
    content: bytes
    arrays: Dict[str, np.ndarray]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    contexts = [mx.cpu(device) for device in range(DEVICES)]
    net = get_network("28-0-1-1-1-1-1-1", 3, width=1 / 64, head="softmax")
    initialize(net, contexts, np.random.RandomState(0))
    trainer = Trainer(net, contexts, TorchNesterov(learning_rate=0.1, momentum=0.9))
    data = np.random.RandomState(1).rand(4, 3, 28, 28).astype(np.float32)
    trainer.step(data, np.zeros(4, np.float32))
    path = tmp_path_factory.mktemp("state") / "run.state"
    save_state(path, POSITION, net, trainer)
    arrays = {name: np.array(array) for name, array in read_sealed(path).items()}
    return Run(net, trainer, path.read_bytes(), arrays)


def _read(path, net):
    """As a run reads it before it uses anything."""
    state = State(path)
    state.check_settings(SETTINGS)
    state.check_content(net, DEVICES, BOUNDS)
    return state


def _position(**changes):
    return np.frombuffer(json.dumps(POSITION._replace(**changes)).encode(), np.uint8)


def test_a_state_is_what_was_saved(tmp_path, run):
    path = tmp_path / "run.state"
    path.write_bytes(run.content)
    state = _read(path, run.net)
    assert state.position == POSITION
    values = {name: p.list_data()[0].asnumpy() for name, p in run.net.collect_params().items()}
    momenta = {key: m.asnumpy() for key, m in run.trainer.updater.states.items()}
    assert len(momenta) == len(trained_parameters(run.net)) > 5
    for parameter in run.net.collect_params().values():
        parameter.set_data(mx.nd.zeros(parameter.shape))
    run.trainer.updater.states.clear()
    state.restore_network(run.net)
    state.restore_momentum(run.net, run.trainer)
    for name, parameter in run.net.collect_params().items():
        np.testing.assert_array_equal(parameter.list_data()[0].asnumpy(), values[name])
    for key, momentum in momenta.items():
        np.testing.assert_array_equal(run.trainer.updater.states[key].asnumpy(), momentum)


def _flip(content, dice):
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)


def _cut(content, dice):
    del content[dice.randrange(len(content)) :]


def _extend(content, dice):
    content += bytes(dice.randrange(256) for _ in range(dice.randrange(1, 20)))


def _erase(content, dice):
    start = dice.randrange(len(content) - 100)
    content[start : start + 100] = bytes(100)


def _exchange(content, dice):
    size = dice.choice((4, 8, 64, 1024))
    first, second = sorted(dice.sample(range(0, len(content) - size, size), 2))
    parts = content[first : first + size], content[second : second + size]
    content[second : second + size], content[first : first + size] = parts


def _overwrite(content, dice):
    number = dice.choice((0, 1, 2, 0x112, 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1))
    struct.pack_into("<Q", content, dice.randrange(len(content) - 8), number)


BYTES = (_flip, _cut, _extend, _erase, _exchange, _overwrite)


def test_no_damaged_byte_is_used(tmp_path, run):
    dice, path = random.Random(0), tmp_path / "run.state"
    for turn in range(TURNS):
        content = bytearray(run.content)
        BYTES[turn % len(BYTES)](content, dice)
        path.write_bytes(content)
        if content == run.content:
            continue
        with pytest.raises(InputError, match=f"^{re.escape(str(path))}: is not a valid run state"):
            State(path)


def _seal(path, content):
    """Write it with the checksum that is right for it."""
    content[CHECKSUM] = bytes(32)
    content[CHECKSUM] = hashlib.blake2b(content, digest_size=32).digest()
    path.write_bytes(content)


def _write(path, arrays):
    """Write a state file of arrays, without waiting for the disk."""
    file = io.BytesIO()
    write_arrays_to(file, {SEAL: np.zeros(32, np.uint8), **arrays})
    _seal(path, bytearray(file.getvalue()))


@pytest.mark.slow
def test_what_a_right_checksum_covers_is_still_checked(tmp_path, run):
    """Nothing but an InputError comes of any bytes, and what is read has the types it must have."""
    dice, path, ends = random.Random(1), tmp_path / "run.state", Counter()
    structure = [*range(24), *range(len(run.content) - 3000, len(run.content))]
    for turn in range(TURNS):
        content = bytearray(run.content)
        if turn % 2:
            content[dice.choice(structure)] ^= 1 << dice.randrange(8)
        else:
            BYTES[turn // 2 % len(BYTES)](content, dice)
        _seal(path, content)
        try:
            position = _read(path, run.net).position
        except InputError as error:
            ends["refused"] += 1
            assert re.search(WORDING, str(error))
            continue
        ends["read"] += 1
        assert position.epoch in range(3)
        assert position.step == len(position.history)
    assert min(ends["refused"], ends["read"]) > 10


def _arrays(run, dice):
    """Other names, shapes, types and values, one at a time, with what is right to do."""
    name = dice.choice([name for name in run.arrays if name != "position"])
    array, others = run.arrays[name], dict(run.arrays)
    del others[name]
    yield "order", {name: array, **others}, True
    yield "missing", others, False
    yield "other name", {**others, dice.choice((name[:-1], f"2:{name[2:]}", "x")): array}, False
    yield "one more", {**run.arrays, dice.choice((f"2:{name}", "9:x", "momentum:x")): array}, False
    for dtype in (np.float64, np.float16, np.int32, np.uint8):
        yield "dtype", {**others, name: array.astype(dtype)}, False
    longer = np.concatenate([array, array])
    for other in (longer, array[None], array.reshape(-1, 1), array[:-1]):
        if other.shape != array.shape:
            yield "shape", {**others, name: other}, False
    for value in (np.nan, np.inf, -np.inf):
        changed = array.copy()
        changed.flat[dice.randrange(array.size)] = value
        yield "value", {**others, name: changed}, False
    kept = {key: value for key, value in run.arrays.items() if not key.startswith("momentum:")}
    yield "momentum that servers kept", kept, True


@pytest.mark.slow
def test_arrays_of_another_network_are_refused(tmp_path, run):
    dice, path, ends = random.Random(2), tmp_path / "run.state", Counter()
    while sum(ends.values()) < TURNS:
        for what, arrays, right in _arrays(run, dice):
            _write(path, arrays)
            ends[what] += 1
            if right:
                assert _read(path, run.net).position == POSITION
                continue
            with pytest.raises(InputError, match=WORDING):
                _read(path, run.net)
    assert len(ends) == 8


@pytest.mark.parametrize("field", Position._fields)
def test_positions_are_checked_by_type(tmp_path, run, field):
    path = tmp_path / "run.state"
    for value in ODD:
        if (field, value) == ("best", None):
            continue
        _write(path, {**run.arrays, "position": _position(**{field: value})})
        with pytest.raises(InputError, match=WORDING):
            _read(path, run.net)


@pytest.mark.parametrize(
    ("changes", "wording"),
    [
        ({"epoch": 3}, "it is after epoch 3, step 2 of 3 epochs of 5"),
        ({"step": 3}, "it has the scores of 2 steps, but is at step 3"),
        ({"step": 6, "history": HISTORY * 3}, "it is after epoch 1, step 6 of 3 epochs of 5"),
        ({"history": [HISTORY[0], {"loss": 1.0}]}, "scores of steps other than loss, top-1, top-5"),
        ({"history": [HISTORY[0], {**HISTORY[1], "loss": float("nan")}]}, "the history "),
        ({"best": {"epoch": 2, "top-1": 1.0}}, "the best epoch "),
        ({"best": {"epoch": 0, "top-1": 1.0}}, "the best epoch "),
        ({"best": {"epoch": 1, "top-5": 1.0}}, "the best epoch "),
        ({"settings": {**SETTINGS, "batch": 5}}, "batch was 5, now 4"),
    ],
)
def test_positions_of_no_run_are_refused(tmp_path, run, changes, wording):
    _write(tmp_path / "run.state", {**run.arrays, "position": _position(**changes)})
    with pytest.raises(InputError, match=wording):
        _read(tmp_path / "run.state", run.net)


@pytest.mark.parametrize(
    ("text", "wording"),
    [
        (b"", "position cannot be read"),
        (b"\xff\xfe", "position cannot be read"),
        (DEEP, r"position cannot be read: it is nested too deeply\)"),
        (b'{"settings":' + DEEP, "position cannot be read: it is nested"),
        (b"[1, 2, {}]", "position cannot be read"),
        (b"[1, 2, {}, [], null, 6]", "position cannot be read"),
        (b"3", "position cannot be read"),
        (b'"12345"', "the epoch '1'"),
    ],
)
def test_positions_that_are_no_json(tmp_path, run, text, wording):
    path = tmp_path / "run.state"
    _write(path, {**run.arrays, "position": np.frombuffer(text, np.uint8)})
    with pytest.raises(InputError, match=wording):
        State(path)


def test_a_state_of_an_earlier_version_is_refused(tmp_path, run):
    path = tmp_path / "run.state"
    write_arrays(path, run.arrays)
    with pytest.raises(InputError, match=r"has no checksum, as those of earlier versions\): start"):
        State(path)


def test_a_setting_that_is_no_longer_told_is_another():
    with pytest.raises(
        InputError, match=r"^run\.state: .*: warmup was 2\.0, now None; use the same"
    ):
        check_same_settings(Path("run.state"), {**SETTINGS, "warmup": 2.0}, SETTINGS)
