"""Pictures of runs by the command line."""

from pathlib import Path

import cv2
import pytest

VALIDATED = '{{"label": "a", "kind": "val", "epoch": {epoch}, "loss": 1, "top-1": 0, "top-5": 0}}\n'


def test_two_runs(rnw, checkpoint):
    runs = (checkpoint.parent, checkpoint.parent / "metrics.jsonl")
    assert rnw("plot", *runs) == (0, "curves.png\n", "")
    assert cv2.imread("curves.png").shape == (550, 1500, 3)
    assert rnw("plot", *runs, "-o", "curves.svg") == (0, "curves.svg\n", "")
    shown = Path("curves.svg").read_text()
    for text in ("Loss", "Error", "Learning rate", "cross-entropy", "error in %", "epochs"):
        assert f">{text}</text>" in shown
    assert shown.count(f">{checkpoint.parent}</text>") == 2


def test_a_picture_is_replaced_only_when_told_so(rnw, refused, checkpoint):
    Path("a.svg").write_text("kept")
    assert "a.svg: exists already" in refused("plot", checkpoint.parent, "-o", "a.svg")
    assert Path("a.svg").read_text() == "kept"
    assert rnw("plot", checkpoint.parent, "-o", "a.svg", "--overwrite")[0] == 0
    assert Path("a.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("lines", "wording"),
    [
        (None, "run/metrics.jsonl: cannot be read: No such file"),
        ("", "run/metrics.jsonl: holds no metrics yet"),
        ("{}\n", "run/metrics.jsonl, line 1: is no record of a run"),
        ('{"label": "a", "kind": "val", "epoch": 1, "loss": 1}\n', "line 1: is no record of a run"),
        ('{"label": "a", "kind": "test"}\n', "line 1: is no record of a run"),
        ('{"label": "a", "kind": "epoch", "epoch": "one"}\n', "line 1: is no record of a run"),
        (VALIDATED.format(epoch="null"), "line 1: is no record of a run"),
        (VALIDATED.format(epoch="[1]"), "line 1: is no record of a run"),
        (VALIDATED.format(epoch="1" * 400), "line 1: is no record of a run"),
        ("loss 1\n", "run/metrics.jsonl, line 1: expected a JSON object"),
    ],
)
def test_refused_runs_give_no_picture(refused, checkpoint, lines, wording):
    Path("run").mkdir()
    if lines is not None:
        Path("run", "metrics.jsonl").write_text(lines)
    assert wording in refused("plot", checkpoint.parent, "run")
    assert not list(Path().glob("*.png"))


def test_refuses_other_formats(refused, checkpoint):
    message = refused("plot", checkpoint.parent, "-o", "curves.jpg")
    assert "curves.jpg: expected a name that ends in .png, .svg, .pdf" in message
