"""Pictures in files: the same batches however they are read, bad ones, and processes that die."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rnw.data.augmentation import DECODERS, Augmentation
from rnw.data.loader import Loader, Loading
from rnw.data.readers import ImageList
from rnw.errors import InputError
from tests.data.pictures import (
    BAD,
    ODD,
    THIN,
    BrokenList,
    DeadlyList,
    HangingList,
    UnreadyList,
    encode,
    good_pictures,
    write_pictures,
)
from tests.jobs import reading_processes

pytestmark = pytest.mark.slow

COUNT, SIZE, BATCH, SEED = 26, 16, 6, 3
WAYS = [(0, False), (1, False), (2, False), (3, False), (1, True), (2, True), (7, True)]
PACKAGE = Path(__file__).parents[2]


@pytest.fixture
def images(tmp_path):
    return write_pictures(tmp_path, good_pictures(COUNT))


def _loader(images, batch=BATCH, part=(0, 1), **loading):
    return Loader(images, batch, SEED, part, size=SIZE, loading=Loading(**loading))


def _joined(batches):
    batches = list(batches)
    return np.concatenate([b.data for b in batches]), np.concatenate([b.labels for b in batches])


def _assert_equal(found, expected):
    for one, other in zip(found, expected):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def expected(images):
    return _joined(_loader(images, workers=0).epoch(2))


@pytest.mark.parametrize(("workers", "threads"), WAYS)
def test_workers_change_nothing(images, expected, workers, threads):
    loader = _loader(images, workers=workers, threads=threads)
    assert loader.batches_per_epoch == 4
    _assert_equal(_joined(loader.epoch(2)), expected)


@pytest.mark.parametrize(("workers", "threads"), [(0, False), (2, False), (2, True)])
@pytest.mark.parametrize("start", [1, 3, 4])
def test_an_epoch_can_be_resumed(images, expected, start, workers, threads):
    rest = list(_loader(images, workers=workers, threads=threads).epoch(2, start))
    assert len(rest) == 4 - start
    if rest:
        _assert_equal(_joined(rest), [values[start * BATCH :] for values in expected])


@pytest.mark.parametrize("parts", [2, 3])
def test_parts_make_the_whole(images, expected, parts):
    loaders = [_loader(images, part=(rank, parts), workers=2) for rank in range(parts)]
    batches = zip(*(loader.epoch(2) for loader in loaders))
    _assert_equal(_joined(part for batch in batches for part in batch), expected)


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_sample_depends_on_seed_epoch_and_index_alone(images, decoder):
    data, labels = _joined(_loader(images, decoder=decoder, workers=2).epoch(5))
    out = np.empty((3, SIZE, SIZE), np.float32)
    for found, label in zip(data, labels.astype(int)):
        random = np.random.RandomState([SEED, 5, label])
        Augmentation(SIZE, decoder)(images.read(label), "picture", random, out)
        np.testing.assert_array_equal(found, out)


def test_epochs_and_decoders_differ(images):
    first = _joined(_loader(images, workers=0).epoch(0))[0]
    assert not np.array_equal(first, _joined(_loader(images, workers=0).epoch(1))[0])
    other = _joined(_loader(images, workers=0, decoder="pillow").epoch(0))[0]
    assert 0 < np.abs(first - other).mean() < 0.1


def test_one_order_for_arrays_and_files(images):
    order = np.random.RandomState([SEED, 2]).permutation(COUNT)[:24]
    assert _joined(_loader(images, workers=2).epoch(2))[1].tolist() == order.tolist()


def test_batches_that_are_kept_do_not_change(images):
    loader = Loader(images, 1, SEED, size=SIZE, loading=Loading(workers=2))
    kept = [(batch.data[:, :1], batch.data.copy()) for batch in loader.epoch(0)]
    assert len(kept) == COUNT
    for view, copy in kept:
        np.testing.assert_array_equal(view, copy[:, :1])


def test_a_batch_outlives_its_processes(images):
    batches = _loader(images, workers=2).epoch(2)
    data = next(batches).data
    copy = data.copy()
    batches.close()
    np.testing.assert_array_equal(data, copy)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("decoder", DECODERS)
def test_odd_pictures_are_read(tmp_path, decoder, workers):
    loader = _loader(write_pictures(tmp_path, ODD), 11, decoder=decoder, workers=workers)
    data, labels = _joined(loader.epoch(0))
    assert sorted(labels) == list(range(11))
    assert np.isfinite(data).all()
    assert loader.skipped == {}


@pytest.mark.parametrize(("workers", "threads"), [(0, False), (2, False), (2, True)])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_is_named(tmp_path, name, workers, threads):
    images = write_pictures(tmp_path, {**good_pictures(3), name: BAD[name]})
    with pytest.raises(InputError, match=f"^{tmp_path}/{name}: cannot be read as an image"):
        list(_loader(images, 4, workers=workers, threads=threads).epoch(0))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("decoder", DECODERS)
def test_a_picture_too_long_and_thin_is_named(tmp_path, decoder, workers):
    images = write_pictures(tmp_path, {**good_pictures(3), "thin.jpg": THIN})
    with pytest.raises(InputError, match=f"^{tmp_path}/thin.jpg: a picture of 60000 x 1 is too lo"):
        list(_loader(images, 4, workers=workers, decoder=decoder).epoch(0))


@pytest.mark.parametrize(("height", "width"), [(1, 200), (400, 2)])
@pytest.mark.parametrize("decoder", DECODERS)
def test_a_picture_not_too_long_and_thin_is_read(tmp_path, decoder, height, width):
    picture = encode(np.full((height, width, 3), 99, np.uint8))
    images = write_pictures(tmp_path, {"thin.jpg": picture})
    data, _ = _joined(_loader(images, 1, workers=0, decoder=decoder).epoch(0))
    assert np.isfinite(data).all()


def _mixed(folder):
    """Every other picture is bad."""
    bad = {**BAD, "thin.jpg": THIN}
    good = good_pictures(len(bad)).items()
    images = write_pictures(
        folder, dict(pair for pairs in zip(good, bad.items()) for pair in pairs)
    )
    return images, {str(folder / name) for name in bad}


@pytest.mark.parametrize(("workers", "threads"), WAYS)
@pytest.mark.parametrize("decoder", DECODERS)
def test_bad_pictures_give_way_to_the_next(tmp_path, caplog, decoder, workers, threads):
    images, bad = _mixed(tmp_path)
    loading = {"workers": workers, "threads": threads, "decoder": decoder}
    loader = _loader(images, len(images), skip_bad=True, **loading)
    for epoch in range(2):
        data, labels = _joined(loader.epoch(epoch))
        order = np.random.RandomState([SEED, epoch]).permutation(len(images))
        shown = [(index + index % 2) % len(images) for index in order]
        assert labels.tolist() == shown
        assert np.isfinite(data).all()
    assert set(loader.skipped) == bad
    warned = [record.getMessage() for record in caplog.records]
    assert len(warned) == len(bad)
    assert all(w.endswith("; skipped") and w.split(": ")[0] in bad for w in warned)
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


@pytest.mark.parametrize("workers", [0, 2])
def test_nothing_but_bad_pictures(tmp_path, workers):
    images = write_pictures(tmp_path, BAD)
    with pytest.raises(InputError, match=f"none of the {len(BAD)} pictures can be read"):
        list(_loader(images, 2, workers=workers, skip_bad=True).epoch(0))


def test_a_missing_picture_is_named(tmp_path):
    images = ImageList(tmp_path, ["none.jpg"], np.zeros(1, np.int64))
    with pytest.raises(InputError, match=rf"^{tmp_path}/none\.jpg: no such image$"):
        list(_loader(images, 1, workers=1).epoch(0))


@pytest.mark.parametrize("workers", [1, 3])
def test_a_picture_that_ends_its_process_is_named(tmp_path, workers):
    write_pictures(tmp_path, good_pictures(COUNT))
    images = DeadlyList(tmp_path, list(good_pictures(COUNT)), np.arange(COUNT))
    wording = rf"^{tmp_path}/3\.jpg: the process reading it died \(SIGKILL\)$"
    with pytest.raises(InputError, match=wording):
        list(_loader(images, COUNT, workers=workers).epoch(0))


@pytest.mark.parametrize("workers", [1, 3])
def test_a_picture_that_ends_its_process_is_skipped(tmp_path, expected, workers):
    images = DeadlyList(tmp_path, list(good_pictures(COUNT)), np.arange(COUNT))
    loader = _loader(images, COUNT, workers=workers, skip_bad=True)
    for epoch in range(2):
        data, labels = _joined(loader.epoch(epoch))
        shown = [index + (index == 3) for index in _order(epoch)]
        assert labels.tolist() == shown
        assert (data[labels == 4][0] == data[labels == 4][1]).all()
    assert list(loader.skipped) == [str(tmp_path / "3.jpg")]


def _order(epoch):
    return np.random.RandomState([SEED, epoch]).permutation(COUNT).tolist()


def test_a_fault_of_reading_shows_its_traceback(tmp_path):
    images = BrokenList(tmp_path, list(good_pictures(4)), np.arange(4))
    with pytest.raises(RuntimeError, match=r"(?s)in read.*KeyError.*\.jpg: KeyError"):
        list(_loader(images, 4, workers=2, skip_bad=True).epoch(0))


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")


@needs_proc
@pytest.mark.parametrize("end", ["close", "exhaust", "fail"])
def test_no_process_is_left(images, end):
    batches = _loader(images, workers=2).epoch(0)
    next(batches)
    assert len(reading_processes()) == 2
    if end == "close":
        batches.close()
    elif end == "exhaust":
        list(batches)
    else:
        with pytest.raises(KeyboardInterrupt):
            batches.throw(KeyboardInterrupt)
    assert reading_processes() == []


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_left_to_the_caller(images, expected, number):
    batches = _loader(images, workers=2).epoch(2)
    first = next(batches)
    for process in reading_processes():
        os.kill(process, number)
    _assert_equal(_joined([first, *batches]), expected)


@needs_proc
def test_a_process_that_is_killed_while_idle_ends_the_epoch(images):
    batches = _loader(images, 1, workers=1).epoch(0)
    next(batches)
    time.sleep(1)
    os.kill(reading_processes()[0], signal.SIGKILL)
    with pytest.raises(InputError, match=r"died \(SIGKILL\)"):
        list(batches)


@needs_proc
def test_a_process_that_is_killed_while_idle_is_replaced(images):
    expected = _joined(_loader(images, 1, workers=0).epoch(0))
    loader = _loader(images, 1, workers=1, skip_bad=True)
    batches = loader.epoch(0)
    first = next(batches)
    time.sleep(1)
    os.kill(reading_processes()[0], signal.SIGKILL)
    _assert_equal(_joined([first, *batches]), expected)
    assert loader.skipped == {}


def _hanging(folder):
    return HangingList(folder, list(good_pictures(COUNT)), np.arange(COUNT))


@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_picture_that_hangs_is_named_and_waited_for_until_a_stop(
    tmp_path, caplog, expected, workers, threads
):
    named = f"{tmp_path}/3.jpg: is still being read after 0.05 s; waiting for it"
    loader = _loader(_hanging(tmp_path), workers=workers, threads=threads, patience=0.05)
    found = list(loader.epoch(2, stopped=lambda: named in caplog.messages))
    assert caplog.messages.count(named) == 1
    shown = [label for batch in found for label in batch.labels]
    assert 3 not in shown
    assert shown == expected[1][: len(shown)].tolist()
    assert reading_processes() == []


@pytest.mark.parametrize("threads", [False, True])
def test_a_slow_picture_is_warned_of_once(tmp_path, caplog, expected, threads):
    polls = []

    def let_go():
        polls.append("/3.jpg" in caplog.text)
        if sum(polls) == 3:
            (tmp_path / "go_on").touch()
        return False

    loader = _loader(_hanging(tmp_path), workers=2, threads=threads, patience=0.05)
    _assert_equal(_joined(loader.epoch(2, stopped=let_go)), expected)
    assert caplog.text.count("/3.jpg") == 1


def test_a_process_that_does_not_begin_is_waited_for_until_a_stop(tmp_path, caplog):
    count = 100_000  # whose numbers no pipe holds
    images = UnreadyList(tmp_path, ["0.jpg"] * count, np.zeros(count, np.int64))
    loader = Loader(images, count // 5, 0, size=1, loading=Loading(workers=1, patience=0.05))
    assert list(loader.epoch(0, stopped=lambda: bool(caplog.records))) == []
    (warning,) = caplog.messages
    assert (
        warning == "a process that is to read pictures has not begun after 0.05 s; waiting for it"
    )


@needs_proc
def test_a_stopped_process_is_left_behind_by_no_end(images):
    batches = _loader(images, workers=2).epoch(0)
    next(batches)
    for process in reading_processes():
        os.kill(process, signal.SIGSTOP)
    batches.close()
    assert reading_processes() == []


@needs_proc
def test_processes_block_no_signal(images):
    batches = _loader(images, workers=2).epoch(0)
    next(batches)
    for process in reading_processes():
        fields = Path(f"/proc/{process}/status").read_text().split("\n")
        (blocked,) = (line.split()[1] for line in fields if line.startswith("SigBlk"))
        assert int(blocked, 16) == 0
    batches.close()


READ_ON = """
import numpy as np, sys, time
from rnw.data.loader import Loader, Loading
from rnw.data.readers import ImageList
images = ImageList(".", [f"{i % 26}.jpg" for i in range(26000)], np.zeros(26000, int))
for batch in Loader(images, 8, 0, size=64, loading=Loading(workers=2)).epoch(0):
    print("batch", flush=True)
"""


@needs_proc
@pytest.mark.parametrize(
    ("number", "frozen"),
    [
        (signal.SIGKILL, False),
        (signal.SIGINT, False),
        (signal.SIGTERM, False),
        (signal.SIGKILL, True),
    ],
)
def test_processes_end_with_the_caller(images, number, frozen):
    run = [sys.executable, "-c", READ_ON]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    with subprocess.Popen(
        run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=images.root, env=environment
    ) as process:
        assert process.stdout.readline() == b"batch\n"
        children = reading_processes(process.pid)
        for child in children if frozen else ():
            os.kill(child, signal.SIGSTOP)
        process.send_signal(number)
        errors = process.communicate(timeout=60)[1]
    assert len(children) == 2
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert errors.count(b"Traceback") == (number == signal.SIGINT)


def test_processes_do_not_start_mxnet(tmp_path):
    images = _Probe(tmp_path, ["0.jpg"], np.zeros(1, np.int64))
    with pytest.raises(InputError, match="mxnet False"):
        list(_loader(images, 1, workers=1).epoch(0))


class _Probe(ImageList):
    def read(self, index):
        raise InputError(f"mxnet {'mxnet' in sys.modules}")


def test_an_unknown_decoder(images):
    with pytest.raises(InputError, match="unknown decoder 'gimp': expected one of pillow, opencv"):
        _loader(images, decoder="gimp")
