"""Label maps, overlays and areas of photographs."""

import numpy as np

from rnw.data.sets.catalog import SEGMENTATION
from rnw.evaluation.segmentation.predict import (
    OPACITY,
    draw_overlay,
    measure_areas,
)
from tests.data.test_transforms import picture

SHAPES = SEGMENTATION["shapes"]
LABELS = np.zeros((90, 120), np.uint8)
LABELS[:45] = 3
LABELS[:10, :10] = 1


def test_areas_are_of_the_classes_present_the_largest_first():
    assert [tuple(area) for area in measure_areas(LABELS, SHAPES)] == [
        (0, "ground", 5400, 0.5),
        (3, "triangle", 5300, 5300 / 10800),
        (1, "disc", 100, 100 / 10800),
    ]


def test_overlays_have_the_colors_over_the_photograph_and_in_a_legend():
    image = picture(90, 120, 1)
    drawn = np.array(draw_overlay(image, LABELS, SHAPES))
    expected = (1 - OPACITY) * image + OPACITY * np.array(SHAPES.palette)[LABELS]
    assert np.abs(drawn[:90, :120] - expected).max() <= 1
    legend = drawn[:, 120:].reshape(-1, 3)
    pixels = [(legend == color).all(axis=1).sum() for color in SHAPES.palette]
    assert [count > 50 for count in pixels] == [True, True, False, True, False]


def test_legends_may_be_higher_than_the_picture():
    labels = np.arange(5, dtype=np.uint8)[None]
    drawn = draw_overlay(picture(1, 5, 1), labels, SHAPES)
    assert drawn.height > 50
