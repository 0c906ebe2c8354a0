"""Training from pictures in files."""

import logging
import os
import signal

import mxnet as mx
import pytest

from rnw.data.loader import BY_PROCESSES, Loading
from rnw.data.sets.catalog import DATASETS
from rnw.data.sets.rows import Dataset
from rnw.errors import InputError
from rnw.training.options import Options
from rnw.training.recipes import find_recipe
from rnw.training.run import train
from rnw.training.signals import RunStoppedError
from tests.data.pictures import BAD, ODD, good_pictures, write_pictures
from tests.jobs import reading_processes
from tests.training.observers import AtSteps, stop_after

LABEL = "pictures_rna-28-1-1-1-1-1-1-1_cls40"
SHORT = ("dataset=pictures", "classes=40", "epochs=2", "width=0.03125", "batch=8")


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A dataset `pictures` of what is in the returned dictionary when it is read."""
    contents = good_pictures(25)

    def read(root, split):
        root.mkdir(exist_ok=True)
        return write_pictures(root, contents)

    row = Dataset(
        "pictures", "pictures", tmp_path / "data", 40, list, read, "train", "val", "digits"
    )
    monkeypatch.setitem(DATASETS, "pictures", row)
    return contents


def _train(folder, devices=1, loading=BY_PROCESSES, overrides=SHORT, **more):
    recipe = find_recipe("digits", overrides)
    contexts = [mx.cpu(i) for i in range(devices)]
    return train(recipe, contexts, folder, options=Options(loading=loading), **more)


def _results(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix in (".params", ".state")}


def _log(folder):
    return (folder / f"{LABEL}.log").read_text()


@pytest.mark.slow
def test_readers_change_nothing(tmp_path, pictures):
    ways = {"caller": (0, False), "processes": (2, False), "threads": (2, True)}
    for name, (workers, threads) in ways.items():
        _train(tmp_path / name, loading=Loading(workers=workers, threads=threads))
    assert _results(tmp_path / "processes") == _results(tmp_path / "caller")
    assert _results(tmp_path / "threads") == _results(tmp_path / "caller")


@pytest.mark.slow
def test_a_stopped_run_is_resumed(tmp_path, pictures):
    _train(tmp_path / "whole")
    with pytest.raises(RunStoppedError):
        _train(tmp_path / "parts", observer=stop_after(4))
    _train(tmp_path / "parts", resume=True, loading=Loading(workers=0))
    assert _results(tmp_path / "parts") == _results(tmp_path / "whole")


@pytest.mark.parametrize("change", ["order", "another"])
def test_another_list_is_refused(tmp_path, pictures, change):
    with pytest.raises(RunStoppedError):
        _train(tmp_path, observer=stop_after(1))
    before = _results(tmp_path)
    first = next(iter(pictures))
    content = pictures.pop(first)
    pictures[first if change == "order" else f"other_{first}"] = content
    with pytest.raises(InputError, match=r"digest of the list was '\w{16}', now '\w{16}'; use the"):
        _train(tmp_path, resume=True)
    assert _results(tmp_path) == before


class _SignalAtWarnings(logging.Handler):
    """Sends this process SIGTERM for each warning, and keeps what they say."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.slow
def test_a_run_that_waits_for_a_frozen_process_is_stopped_and_resumed(tmp_path, pictures):
    def freeze(progress):
        for process in reading_processes():
            os.kill(process, signal.SIGSTOP)

    many_steps = (*SHORT, "batch=2", "epochs=1", "width=0.015625")
    loading = Loading(workers=1, patience=1)
    _train(tmp_path / "whole", overrides=many_steps, loading=Loading(workers=0))
    handler = _SignalAtWarnings()
    logging.getLogger("rnw.data.waiting").addHandler(handler)
    try:
        with pytest.raises(RunStoppedError, match="SIGTERM, everything is saved"):
            _train(
                tmp_path / "run", overrides=many_steps, loading=loading, observer=AtSteps(freeze)
            )
    finally:
        logging.getLogger("rnw.data.waiting").removeHandler(handler)
    assert handler.messages[-1].endswith("after 1 s; waiting for it")
    assert reading_processes() == []
    steps = [line for line in _log(tmp_path / "run").splitlines() if ", step " in line]
    assert 1 <= len(steps) < 12
    _train(tmp_path / "run", overrides=many_steps, loading=Loading(workers=0), resume=True)
    assert _results(tmp_path / "run") == _results(tmp_path / "whole")


def test_the_decoder_cannot_change_on_the_way(tmp_path, pictures):
    _train(tmp_path / "run")
    with pytest.raises(InputError, match="decoder was 'opencv', now 'pillow'"):
        _train(tmp_path / "run", resume=True, loading=Loading("pillow"))


def test_the_pictures_cannot_change_on_the_way(tmp_path, pictures):
    with pytest.raises(RunStoppedError):
        _train(tmp_path / "run", observer=stop_after(2))
    before = _results(tmp_path / "run")
    pictures.popitem()
    with pytest.raises(InputError, match="images was 25, now 24"):
        _train(tmp_path / "run", resume=True)
    assert _results(tmp_path / "run") == before


def test_a_bad_picture_ends_the_run(tmp_path, pictures):
    pictures["empty.jpg"] = BAD["empty.jpg"]
    with pytest.raises(InputError, match=r"data/empty\.jpg: cannot be read as an image: it is emp"):
        _train(tmp_path / "run")


@pytest.mark.slow
def test_bad_pictures_are_skipped_and_counted(tmp_path, pictures, caplog):
    pictures.update({**ODD, **BAD})
    while len(pictures) % 8:
        pictures.popitem()
    bad = [name for name in pictures if name in BAD]
    assert len(bad) >= 4
    _train(tmp_path / "run", loading=Loading(skip_bad=True))
    warned = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warned[-1] == f"bad images skipped: {len(bad)}"
    assert sorted(w.split(": ")[0].rsplit("/")[-1] for w in warned[:-1]) == sorted(bad)
    assert all(line in _log(tmp_path / "run") for line in warned)


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--workers", "0"), ("--prefetcher", "thread")])
def test_command_line(rnw, pictures, options):
    pictures.update({"empty.jpg": b"", **dict(list(good_pictures(31).items())[25:])})
    settings = [word for setting in SHORT for word in ("--set", setting)]
    run = ("train-cls", "--recipe", "digits", *settings, "--output", "out", *options)
    code, out, err = rnw(*run)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert "data/empty.jpg: cannot be read as an image" in err
    code, out, err = rnw(*run, "--skip-bad-images", "--decoder", "pillow", "--overwrite")
    assert code == 0
    assert out.endswith(f"out/{LABEL}_ep-0002.params\n")
    skipped, count = err.splitlines()
    assert skipped.endswith("data/empty.jpg: cannot be read as an image: it is empty; skipped")
    assert count == "bad images skipped: 1"
