"""Training by the command line: a short run, and what is refused."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import click
import mxnet as mx
import pytest

from rnw.cli import train_cls

LABEL = "digits_rna-28-1-1-1-1-1-1-1_cls10"
SHORT = ("--dataset", "digits", "--set", "epochs=1", "--set", "width=0.03125")
SCORES = r"loss (\d+\.\d+), top-1 (\d+\.\d+) %, top-5 (\d+\.\d+) %, \d+ images/s"
LINE = rf"lr 0\.\d+, \S+ left: {SCORES}"
BAR = (
    r"1/1 loss \d\.\d{3} top-1 \d+\.\d\d top-5 \d+\.\d\d \d+ img/s "
    r"lr 0\.\d+ \S+ left \[#*-*\] *\d+%"
)
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


def _train(rnw, *options):
    code, out, err = rnw("train-cls", *SHORT, "--cpus", 2, *options)
    assert (code, err) == (0, "")
    return out


def _contents():
    return {path.name: path.read_bytes() for path in Path().rglob("*.params")}


@pytest.mark.slow
def test_run(rnw):
    epoch, path = _train(rnw, "--output", "out").splitlines()
    assert path == f"out/{LABEL}_ep-0001.params"
    loss, top1, top5 = map(float, re.fullmatch(rf"epoch 1/1, {LINE}", epoch).groups())
    assert 0 < loss < 5
    assert 5 < top1 < top5 <= 100
    assert {file.name for file in Path("out").iterdir()} == {
        f"{LABEL}_ep-0001.params",
        f"{LABEL}_ep-symbol.json",
        f"{LABEL}.json",
        f"{LABEL}.log",
        f"{LABEL}.state",
        f"{LABEL}.state.previous",
        "metrics.jsonl",
    }
    recipe = json.loads(Path("out", f"{LABEL}.json").read_text())
    assert (recipe["epochs"], recipe["width"], recipe["batch"]) == (1, 0.03125, 64)
    assert "cpu(0), cpu(1), seed 0" in Path("out", f"{LABEL}.log").read_text()
    symbol, args, auxs = mx.model.load_checkpoint(f"out/{LABEL}_ep", 1)
    assert args["linear10_weight"].shape == (10, 128)
    assert set(auxs) == set(symbol.list_auxiliary_states())


@pytest.mark.slow
def test_several_epochs_and_the_default_folder(rnw):
    *epochs, path = _train(rnw, "--set", "epochs=3", "--set", "batch=512").splitlines()
    assert [line.split()[1].rstrip(",:") for line in epochs] == ["1/3", "2/3", "3/3"]
    assert path == f"output/{LABEL}_ep-0003.params"
    assert sorted(_contents()) == [f"{LABEL}_ep-000{epoch}.params" for epoch in (1, 2, 3)]


@pytest.mark.slow
def test_earlier_checkpoints_are_replaced_only_when_told_so(rnw, refused):
    few = ("--set", "batch=1024", "--output", ".")
    _train(rnw, *few, "--seed", 1)
    first = _contents()
    message = refused("train-cls", *SHORT, *few)
    assert f"already holds a run of {LABEL}" in message
    assert "--overwrite" in message
    assert _contents() == first
    _train(rnw, *few, "--seed", 1, "--overwrite")
    assert _contents() == first
    _train(rnw, *few, "--seed", 2, "--overwrite")
    assert list(_contents()) == list(first)
    assert _contents() != first


@pytest.mark.slow
@pytest.mark.parametrize("columns", [60, 80])
def test_terminal_shows_the_epoch_under_way(columns):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    few = ("--set", "batch=256", "--output", "out", "--val-every", "1")
    run = [sys.executable, "-m", "rnw", "train-cls", *SHORT, *few]
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    with subprocess.Popen(run, stdout=theirs, stderr=subprocess.PIPE, env=environment) as process:
        os.close(theirs)
        shown = _read_terminal(ours)
        assert process.stderr.read() == b""
    bars = [_plain(text) for text in shown.split("\r") if re.search(r"\[[#-]+\]", text)]
    assert [bar[-4:] for bar in bars] == [" 20%", " 40%", " 60%", " 80%", "100%"]
    assert {len(bar) for bar in bars} == {columns}
    assert columns < 80 or all(re.fullmatch(BAR, bar) for bar in bars)
    epoch, validation, path = _visible(shown)
    assert re.fullmatch(rf"epoch 1/1, {LINE}", epoch)
    assert validation.startswith("epoch 1/1, validation: loss ")
    assert path == f"out/{LABEL}_ep-0001.params"
    assert shown.rfind(SHOW_CURSOR) > shown.rfind(HIDE_CURSOR) > 0


def test_elsewhere_a_long_epoch_has_a_line_now_and_then(monkeypatch, capsys):
    from rnw.cli import display
    from rnw.training.progress import Progress

    progress = Progress(1, 1, 1, 9, {"loss": 1.0}, 10.0, 0.1, 100.0)
    shown = display.Display()
    shown.on_step(progress)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(display, "SECONDS_BETWEEN_LINES", 0.2)
    time.sleep(0.2)
    for _ in range(3):
        shown.on_step(progress)
    assert capsys.readouterr().out == f"{progress}\n"


@pytest.mark.slow
def test_validation_and_reports(rnw):
    few = ("--set", "epochs=3", "--set", "batch=512", "--keep", 1, "--output", "out")
    lines = _train(rnw, *few, "--val-every", 2, "--tensorboard").splitlines()
    starts = [line.split(":")[0] for line in lines if "validation" in line]
    assert starts == ["epoch 2/3, validation", "epoch 3/3, validation"]
    best = json.loads(Path("out", f"{LABEL}.best.json").read_text())
    assert set(_contents()) == {best["file"], f"{LABEL}_ep-0003.params"}
    code, out, _ = rnw("eval-cls", "--weights", f"out/{best['file']}", "--json")
    assert (code, json.loads(out)["top1"]) == (0, best["top-1"])
    assert len(list(Path("out", "tensorboard", LABEL).iterdir())) == 1


@pytest.mark.slow
def test_dry_run(rnw):
    few = ("--set", "batch=8", "--set", "network=28-1-1-1-1-1-1-1", "--set", "width=0.03125")
    options = ("--cpus", 2, "--recompute", "--dry-run")
    code, out, err = rnw("train-cls", "--recipe", "a_to_a1", *few, *options)
    assert (code, err) == (0, "")
    recipe, shown = out[: out.index("}") + 1], out[out.index("}") + 2 :].splitlines()
    assert json.loads(recipe)["starts_from"] == "ilsvrc-cls_rna-a_cls1000_ep-0001.params"
    memory = r"\d\S* GB \(.*\) on each device, \d\S* GB \(.*\) in the main memory"
    expected = (
        "4 images of 28x28 on each of 2 devices",
        "1,281,167 images: 160,145 steps an epoch, 1,441,305 in all",
        "starts from models/ilsvrc-cls_rna-a_cls1000_ep-0001.params, which is not there",
        f"without --recompute: {memory}",
        f"with --recompute: {memory}",
        r"\d\S* s a step, measured, with --recompute",
        r"\d\S* (days|hours|minutes), if images are read as fast",
    )
    assert len(shown) == len(expected)
    for line, pattern in zip(shown, expected):
        assert re.fullmatch(pattern, line)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--recompute --seed 1", True),
        ("--seed 1", False),
        ("--recompute 8GB", 8_000_000_000),
        ("--recompute 7.5GiB", 15 * 2**29),
        ("--recompute=900mb", 900_000_000),
        ("--recompute 123456789 --seed 1", 123_456_789),
    ],
)
def test_recompute_takes_a_number_of_bytes_or_none(given, expected):
    context = train_cls.command.make_context("train-cls", given.split())
    assert context.params["recompute"] is expected or context.params["recompute"] == expected
    assert isinstance(context.params["recompute"], bool) == isinstance(expected, bool)


@pytest.mark.parametrize("given", ["little", "0GB", "8 apples", ""])
def test_recompute_takes_no_other_words(given):
    with pytest.raises(click.BadParameter, match=r"expected a number of bytes such as 8GB"):
        train_cls.command.make_context("train-cls", ["--recompute", given])


def _visible(shown):
    """The lines that are left on a terminal: what was written last on each, without controls."""
    lines = shown.replace("\r\n", "\n").rstrip("\n").split("\n")
    return [_plain(line.split("\r")[-1]) for line in lines]


def _plain(text):
    return re.sub(r"\x1b\[\??\d*[a-zA-Z]", "", text)


def _read_terminal(descriptor):
    chunks = []
    while True:
        try:
            chunk = os.read(descriptor, 1 << 16)
        except OSError:  # how Linux says that the other side is closed
            chunk = b""
        if not chunk:
            os.close(descriptor)
            return b"".join(chunks).decode()
        chunks.append(chunk)


@pytest.mark.parametrize(
    ("arguments", "wording"),
    [
        ("--recipe mine.yaml", "mine.yaml: cannot be read as a recipe: No such file"),
        ("--recipe resnet", "unknown recipe 'resnet': expected one of model_a, "),
        (
            "--dataset mnist",
            "unknown dataset 'mnist': expected one of ilsvrc-cls, places365-cls, digits",
        ),
        ("--dataset digits --set speed=3", "cannot set 'speed=3': expected key=value, key one of"),
        ("--dataset digits --set epochs", "cannot set 'epochs': expected key=value"),
        ("--dataset digits --set epochs=few", "cannot set epochs=few: expected a whole number"),
        ("--dataset digits --set batch=0", "batch is 0, expected at least 1"),
        ("--dataset digits --set classes=9", "has 10 classes, the recipe 9"),
        ("--dataset digits --set network=z", "unknown network 'z'"),
        ("--dataset digits --set width=0", "width is 0.0, expected"),
        (
            "--dataset digits --set schedule=cosin",
            "schedule is 'cosin', expected one of fixed, linear, cosine, step",
        ),
        ("--dataset digits --early-stop 2", "counts tests of the network: add --val-every N"),
        ("--dataset digits --keep-every 2", "removes nothing by itself: add --keep N"),
        ("--dataset digits --cpus 3", "a batch of 64 cannot be cut into 3"),
        ("--dataset digits --cpus 0", "--cpus 0: expected at least 1"),
        ("--dataset digits --gpus 0,x", "--gpus 0,x: expected device numbers"),
        ("--dataset digits --gpus 0 --cpus 1", "cannot be used together"),
        ("--dataset digits --set batch=1440", "a batch of 1440 cannot be drawn from 1438"),
        ("", "data/ilsvrc12/train.lst: no such list"),
        ("--data-root elsewhere", "elsewhere/train.lst: no such list"),
        ("--recipe model_f", "data/ilsvrc12/train.lst: no such list"),
        ("--recipe a_to_a1", "models/ilsvrc-cls_rna-a_cls1000_ep-0001.params: not there"),
        ("--dataset digits --dry-run --cpus 3", "a batch of 64 cannot be cut into 3"),
        ("--recipe digits --dataset ilsvrc-cls --set classes=1000", "train.lst: no such list"),
        ("--dataset digits --recompute 9MB", "--recompute 0.009GB: a step of recipe digits takes"),
        ("--dataset digits --set dataset=ilsvrc-cls", "train.lst: no such list"),
    ],
)
def test_refused_runs_write_nothing(refused, arguments, wording):
    assert wording in refused("train-cls", *arguments.split())
    assert list(Path().iterdir()) == []


@pytest.mark.skipif(mx.runtime.Features().is_enabled("CUDA"), reason="this MXNet can use GPUs")
def test_gpus_on_a_cpu_build_write_nothing(refused):
    message = refused("train-cls", "--dataset", "digits", "--gpus", "0,1")
    assert "--gpus 0,1: this MXNet is a CPU build" in message
    assert "[cu112]" in message
    assert list(Path().iterdir()) == []


def test_refuses_a_folder_whose_name_is_too_long(refused):
    assert "File name too long" in refused("train-cls", *SHORT, "--output", "a" * 300)


def test_refuses_a_file_as_folder(refused):
    Path("taken").write_text("kept")
    assert "taken: cannot be made" in refused("train-cls", *SHORT, "--output", "taken")
    assert Path("taken").read_text() == "kept"
