"""Records on disk: what stays when a run goes on, and what TensorBoard reads."""

import json
import struct
import subprocess
import sys

import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from rnw.errors import InputError
from rnw.training.metrics import EventFile, Metrics, MetricsFile, Start, open_metrics
from rnw.training.progress import Progress, Validated
from rnw.training.run_folder import RunFolder
from rnw.weights.labels import ModelLabel
from tests.limits import file_size_limit

LABEL = ModelLabel("digits", "a1", 10)
OTHER = ModelLabel("digits", "a1", 10, suffix="x")
SCORES = {"loss": 0.5, "top-1": 0.75, "top-5": 1.0}
STEPS = 2


def _report(folder, first, last, *, label=LABEL, **options):
    """Report steps `first` + 1 to `last`, and each epoch that ends, as a run does."""
    metrics = open_metrics(RunFolder(folder, label), **options)
    with metrics.since(Start(first // STEPS, first)):
        for update in range(first, last):
            epoch, step = update // STEPS + 1, update % STEPS + 1
            progress = Progress(epoch, 3, step, STEPS, SCORES, 10.04, 0.5 / epoch, None)
            metrics.step(progress)
            if step == STEPS:
                metrics.epoch(progress)
                metrics.validation(Validated(epoch, 3, SCORES, True), update + 1)
        metrics.sync()


def _read(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def _events(path):
    """The events of a file of length, checksum, event, checksum."""
    data, place = path.read_bytes(), 0
    while place < len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        yield Event.FromString(data[place + 12 : place + 12 + length])
        place += 16 + length
    assert place == len(data)


def _scalars(path):
    return [
        (value.tag, event.step, value.simple_value)
        for event in _events(path)
        for value in event.summary.value
    ]


def test_records(tmp_path):
    _report(tmp_path, 0, 2)
    own, speed = {"label": str(LABEL)}, {"images_per_second": 10.0}
    place = {"epoch": 1, "steps": 2, "lr": 0.5}
    assert _read(tmp_path) == [
        {**own, "kind": "train", "update": 1, "step": 1, **place, **SCORES, **speed},
        {**own, "kind": "train", "update": 2, "step": 2, **place, **SCORES, **speed},
        {**own, "kind": "epoch", "epoch": 1, "update": 2, "lr": 0.5, **SCORES, **speed},
        {**own, "kind": "val", "epoch": 1, "update": 2, **SCORES},
    ]


@pytest.mark.parametrize("torn", ["", "{", '{"label": "digits_rna-a1_cls10", "kind": "tr', "\0\0"])
@pytest.mark.parametrize("saved", range(5))
def test_going_on_replaces_what_came_after_the_state(tmp_path, saved, torn):
    (tmp_path / "whole").mkdir()
    _report(tmp_path / "whole", 0, 6)
    _report(tmp_path, 0, 5)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write(torn)
    _report(tmp_path, saved, 6)
    assert _read(tmp_path) == _read(tmp_path / "whole")


def test_between_the_last_step_and_the_end_of_its_epoch(tmp_path):
    """Such a state has all steps, but the epoch comes again."""
    _report(tmp_path, 0, 4)
    whole = _read(tmp_path)
    metrics = open_metrics(RunFolder(tmp_path, LABEL))
    with metrics.since(Start(1, 4)):
        assert _read(tmp_path) == [
            record for record in whole if record["kind"] == "train" or record["epoch"] == 1
        ]


def test_records_of_other_labels_stay(tmp_path):
    _report(tmp_path, 0, 3, label=OTHER)
    others = _read(tmp_path)
    _report(tmp_path, 0, 2)
    _report(tmp_path, 0, 1)
    assert _read(tmp_path)[: len(others)] == others
    assert [record["label"] for record in _read(tmp_path)[len(others) :]] == [str(LABEL)]


def test_a_damaged_line_is_named_and_nothing_changes(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"label": "x"}\n[1]\n')
    with pytest.raises(InputError, match=r"metrics.jsonl, line 2: expected a JSON object; remove"):
        open_metrics(RunFolder(tmp_path, LABEL))
    assert path.read_text() == '{"label": "x"}\n[1]\n'


@pytest.mark.parametrize("place", [{"update": "x"}, {"epoch": None}, {"update": [1]}])
def test_a_record_from_elsewhere_is_named(tmp_path, place):
    path = tmp_path / "metrics.jsonl"
    other = json.dumps({"label": "x", "kind": "train", **place})
    path.write_text(f"{other}\n")
    open_metrics(RunFolder(tmp_path, LABEL))
    path.write_text(other + "\n" + other.replace('"x"', f'"{LABEL}"', 1) + "\n")
    with pytest.raises(InputError, match=r"metrics.jsonl, line 2: is no record of a run; remove"):
        open_metrics(RunFolder(tmp_path, LABEL))


def test_readers_see_each_record_at_once(tmp_path):
    metrics = open_metrics(RunFolder(tmp_path, LABEL))
    with metrics.since(Start(0, 0)):
        metrics.validation(Validated(1, 1, SCORES, True), 2)
        assert len(_read(tmp_path)) == 1


def test_event_files(tmp_path):
    _report(tmp_path, 0, 3, tensorboard=True)
    (first,) = RunFolder(tmp_path, LABEL).event_files()
    assert first.parent == tmp_path / "tensorboard" / str(LABEL)
    step = [("loss", 0.5), ("top-1", 0.75), ("top-5", 1.0), ("lr", 0.5)]
    expected = [(f"train/{name}", 1, value) for name, value in step]
    assert _scalars(first)[:4] == expected
    assert [s for s in _scalars(first) if s[0].startswith("val/")] == [
        ("val/loss", 2, 0.5),
        ("val/top-1", 2, 0.75),
        ("val/top-5", 2, 1.0),
    ]
    assert {s[1] for s in _scalars(first)} == {1, 2, 3}
    _report(tmp_path, 2, 4, tensorboard=True)
    second = RunFolder(tmp_path, LABEL).event_files()[1]
    starts = [e.step for e in _events(second) if e.session_log.status == SessionLog.START]
    assert starts == [3]  # from there on, the first file does not count
    assert {s[1] for s in _scalars(second)} == {3, 4}
    assert not any(e.session_log.status == SessionLog.START for e in _events(first))


@pytest.mark.parametrize(
    ("kind", "name"), [(MetricsFile, "metrics.jsonl"), (EventFile, f"tensorboard/{LABEL}")]
)
def test_what_cannot_be_written_is_named(tmp_path, kind, name):
    metrics = Metrics([kind(RunFolder(tmp_path, LABEL))])
    full = pytest.raises(InputError, match=f"{name}: cannot be written: File too large$")
    with full, metrics.since(Start(0, 0)), file_size_limit(100):
        metrics.validation(Validated(1, 1, SCORES, True), 2)
        metrics.sync()


@pytest.mark.slow
def test_missing_tensorboardx_is_named(tmp_path):
    script = (
        "import sys; sys.modules['tensorboardX'] = None\n"
        "from rnw.cli import main\n"
        "main('train-cls --dataset digits --tensorboard --output out'.split())"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 2
    assert "TensorBoard needs tensorboardX, which is not installed: pip install" in run.stderr
    assert ".[tensorboard]" in run.stderr
    assert list(tmp_path.iterdir()) == []
