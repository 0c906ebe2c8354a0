"""Figures of kept predictions."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.errors import InputError
from rnw.evaluation.kept_labels import KeptLabels
from rnw.evaluation.panels import DPI, choose, draw_panels, read_results
from tests.data.test_transforms import picture
from tests.evaluation.segments import Pictures, label_map, make_dataset

WRONG = (300, 0, 900, 600, 0, 100)  # pixels of each picture


@pytest.fixture
def results():
    truth = [label_map(40, 60, 3, k) for k in range(6)]
    dataset = make_dataset(Pictures([picture(40, 60, k) for k in range(6)], truth), 3)
    kept = KeptLabels(Path("kept"), dataset, {})
    for number in range(5):
        labels = np.where(truth[number] == 255, 0, truth[number])
        labels.reshape(-1)[120 : 120 + WRONG[number]] += 1
        kept.write(str(number), labels % 3, truth[number])
    return read_results(Path("kept"), dataset)


def test_ious_are_of_the_picture_alone(results):
    assert results.iou("1") == 1
    right = results.labels("0") == results.truth("0")
    assert right.sum() == 40 * 60 - 2 * 60 - WRONG[0]
    ious = []
    for number in range(3):
        true, found = ((m == number) for m in (results.truth("0"), results.labels("0")))
        found &= results.truth("0") != 255
        ious.append((true & found).sum() / (true | found).sum())
    assert results.iou("0") == pytest.approx(np.mean(ious))


def test_rows_are_those_given_then_the_worst_then_some_at_random(results):
    assert results.names == ["0", "1", "2", "3", "4"]
    assert choose(results, ["1", "3"], worst=2) == ["1", "3", "2", "0"]
    drawn = choose(results, ["2"], worst=1, random=2, seed=5)
    assert drawn[:2] == ["2", "3"]
    assert sorted(drawn[2:]) in (["0", "1"], ["0", "4"], ["1", "4"])
    assert choose(results, random=9, seed=5) == choose(results, random=5, seed=5)
    assert len({tuple(choose(results, random=5, seed=seed)) for seed in range(5)}) > 1


def test_pictures_without_a_prediction_are_refused(results):
    with pytest.raises(InputError, match=r"^5: no prediction for it in kept"):
        choose(results, ["1", "5"])


def test_figures_have_a_row_for_each_picture(results):
    draw_panels(results, ["0", "2"], Path("two.png"))
    draw_panels(results, ["0"], Path("one.pdf"))
    assert Path("one.pdf").read_bytes().startswith(b"%PDF")
    with Image.open("two.png") as image:
        colours = np.array(image.convert("RGB")).reshape(-1, 3)
        assert image.width > 12 * DPI
    for colour in results.dataset.palette:
        assert (colours == colour).all(axis=1).sum() > 1000
    black = (colours == 0).all(axis=1).sum()
    draw_panels(results, ["1", "4"], Path("right.png"))
    with Image.open("right.png") as image:
        pixels = np.array(image.convert("RGB")).reshape(-1, 3)
    assert black > (pixels == 0).all(axis=1).sum() + 10000


@pytest.mark.parametrize(
    ("output", "wording"),
    [("there.png", r"^there\.png: exists"), ("x.jpg", r"^x\.jpg: expected a name that ends in")],
)
def test_other_files_are_refused(results, output, wording):
    Path("there.png").write_text("precious")
    with pytest.raises(InputError, match=wording):
        draw_panels(results, ["0"], Path(output))
    assert Path("there.png").read_text() == "precious"


def test_there_must_be_predictions_and_labels(results):
    with pytest.raises(InputError, match=r"^empty: no predictions for Pictures; `rnw eval-seg"):
        read_results(Path("empty"), results.dataset)
    unlabelled = make_dataset(Pictures([picture(40, 60, 1)]), 3)
    with pytest.raises(InputError, match=r"^Pictures, split test: has no labels"):
        read_results(Path("kept"), unlabelled, split="test")
