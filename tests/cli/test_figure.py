"""Figures of predictions by the command line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.data.sets.catalog import SEGMENTATION
from rnw.evaluation.segmentation.kept import KeptLabels


@pytest.fixture(autouse=True)
def _kept():
    kept = KeptLabels(Path("kept"), SEGMENTATION["shapes"], {})
    for number in range(3):
        kept.write(f"1-{number:04d}", np.zeros((96, 96), np.uint8))


@pytest.mark.slow
def test_a_figure_is_drawn(rnw):
    options = ("--image", "1-0002", "--worst", "1", "--random", "1", "-o", "mine.pdf")
    code, out, err = rnw("figure", "kept", "--dataset", "shapes", *options)
    assert (code, out, err) == (0, "mine.pdf\n", "")
    assert Path("mine.pdf").read_bytes().startswith(b"%PDF")


def test_the_data_set_is_that_of_the_weights(rnw, refused):
    options = ("--worst", "2", "--columns", "-o", "columns.png")
    Path("kept/evaluation.json").write_text("{}")
    assert "kept: no evaluation.json in it names the dataset" in refused("figure", "kept", *options)
    Path("kept/evaluation.json").write_text('{"weights": ["shapes_rna-f_cls5_ep-0001.params"]}')
    assert rnw("figure", "kept", *options) == (0, "columns.png\n", "")
    other = ("figure", "kept", "--dataset", "voc", *options)
    assert "kept: has predictions for shapes, as kept/evaluation.json says, not" in refused(*other)
    with Image.open("columns.png") as image:
        assert image.height > 2 * image.width


@pytest.mark.parametrize(
    ("options", "wording"),
    [
        (("kept", "--image", "1-0009"), "1-0009: no prediction for it in kept"),
        (("other", "--worst", "1"), "other: no predictions for drawn shapes"),
        (("kept", "--worst", "1", "-o", "x.gif"), "x.gif: expected a name that ends in"),
    ],
)
def test_refuses(refused, options, wording):
    assert wording in refused("figure", "--dataset", "shapes", *options)


@pytest.mark.slow
def test_the_worst_pictures_are_drawn_where_none_are_chosen(rnw):
    assert rnw("figure", "kept", "--dataset", "shapes") == (0, "figure.png\n", "")
    options = ("--worst", "4", "-o", "worst.png")
    assert rnw("figure", "kept", "--dataset", "shapes", *options)[0] == 0
    assert Path("figure.png").read_bytes() == Path("worst.png").read_bytes()
    with Image.open("figure.png") as image:
        three_rows = image.size
    assert rnw("figure", "kept", "--dataset", "shapes", "--worst", "2", "-o", "two.png")[0] == 0
    with Image.open("two.png") as image:
        assert image.height < three_rows[1]
