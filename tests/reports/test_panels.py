"""Figures of kept predictions."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.errors import InputError
from rnw.evaluation.segmentation.kept import KeptLabels, palette_image
from rnw.reports.panels import (
    COLUMNS,
    DPI,
    ROWS,
    choose,
    draw_panels,
    make_figure,
    read_results,
)
from tests.data.test_transforms import picture
from tests.evaluation.segmentation.segments import Pictures, label_map, make_dataset

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


def test_a_picture_of_which_no_pixel_is_judged_is_never_the_worst(results):
    results.examples.label(0)[:] = 255
    assert math.isnan(results.iou("0"))
    assert choose(results, worst=5) == ["2", "3", "1", "4"]
    for index in range(1, 5):
        results.examples.label(index)[:] = 255
    with pytest.raises(InputError, match=r"^kept: no pixel of its pictures is judged"):
        choose(results, worst=1)
    draw_panels(results, ["1"], Path("one.pdf"))


def test_pictures_without_a_prediction_are_refused(results):
    with pytest.raises(InputError, match=r"^5: no prediction for it in kept"):
        choose(results, ["1", "5"])


@pytest.mark.slow
@pytest.mark.parametrize(("layout", "height", "width"), [(ROWS, 2, 3), (COLUMNS, 3, 4.5)])
def test_figures_show_what_is_wrong_and_the_colors_of_the_classes(results, layout, height, width):
    wrong, right = (_draw(results, name, layout) for name in ("0", "1"))
    assert wrong.shape == right.shape
    assert max(wrong.shape) > 12 * DPI > min(wrong.shape[:2])
    for color in results.dataset.palette:
        assert (wrong == color).all(axis=2).sum() > 1000
    black = [(pixels == 0).all(axis=2).sum() for pixels in (wrong, right)]
    expected = WRONG[0] / (40 * 60) * height * width * DPI**2
    assert black[0] - black[1] == pytest.approx(expected, rel=0.05)


def _draw(results, name, layout):
    draw_panels(results, [name], Path("drawn.png"), layout=layout, overwrite=True)
    with Image.open("drawn.png") as image:
        assert image.info["dpi"] == pytest.approx((DPI, DPI), rel=1e-3)
        return np.array(image.convert("RGB"))


def test_a_pdf_embeds_its_fonts(results):
    draw_panels(results, ["0"], Path("one.pdf"))
    content = Path("one.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert b"/FontFile2" in content
    assert b"/Type3" not in content


SIZES = ((60, 90), (120, 60), (40, 160))
STEMS = ("a", "a_very_long_name_of_a_picture_that_is_not_wide_at_all", "pay_$5_and_$6")


@pytest.mark.slow
@pytest.mark.parametrize("layout", [ROWS, COLUMNS])
@pytest.mark.parametrize(("names", "classes"), [(STEMS, 2), (STEMS[1:2], 60)])
def test_nothing_in_a_figure_overlaps(layout, names, classes):
    pictures = Pictures(
        [picture(*size, 1) for size in SIZES], [label_map(*size, classes, 2) for size in SIZES]
    )
    pictures.name = lambda index: f"{STEMS[index]}.jpg"
    synonyms = tuple(", ".join(["thing"] * (1 + k % 9)) + f" {k}" for k in range(classes))
    palette = tuple((number, 0, 0) for number in range(classes))
    dataset = make_dataset(pictures, classes, class_names=synonyms, palette=palette)
    kept = KeptLabels(Path("kept"), dataset, {})
    for index, size in enumerate(SIZES):
        kept.write(STEMS[index], np.arange(size[0] * size[1]).reshape(size) % classes)
    figure = make_figure(read_results(Path("kept"), dataset), names, layout)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert len(legend.get_texts()) == classes
    boxes = [text.get_window_extent() for text in legend.get_texts()]
    for axes in figure.axes:
        boxes.append(axes.get_window_extent())
        labels = (axes.xaxis.label, axes.yaxis.label)
        boxes += [label.get_window_extent() for label in labels if label.get_text()]
    left, bottom, right, top = np.array([box.extents for box in boxes]).T
    assert min(left.min(), bottom.min()) >= 0
    assert (right.max(), top.max()) <= tuple(figure.bbox.max)
    apart = (right[:, None] <= left) | (top[:, None] <= bottom)
    assert (apart | apart.T).sum() == len(boxes) * (len(boxes) - 1)


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
    with pytest.raises(InputError, match=r"^empty: no predictions for Pictures, split val; `rnw"):
        read_results(Path("empty"), results.dataset)
    unlabeled = make_dataset(Pictures([picture(40, 60, 1)]), 3)
    with pytest.raises(InputError, match=r"^Pictures, split test: has no labels"):
        read_results(Path("kept"), unlabeled, split="test")


def test_the_split_is_that_which_is_recorded(results):
    assert results.split == results.dataset.test_split == "val"
    Path("kept/evaluation.json").write_text('{"split": "test"}')
    assert read_results(Path("kept"), results.dataset).split == "test"
    assert read_results(Path("kept"), results.dataset, split="val").split == "val"
    Path("kept/evaluation.json").write_text("[]")
    assert read_results(Path("kept"), results.dataset).split == "val"


def test_predictions_of_another_size_are_refused(results):
    palette_image(np.zeros((4, 6), np.uint8), results.dataset).save("kept/labels/0.png")
    with pytest.raises(InputError, match=r"^kept/labels/0\.png: kept labels of 6x4 pixels for a"):
        draw_panels(results, ["0"], Path("figure.png"))
    assert not Path("figure.png").exists()
