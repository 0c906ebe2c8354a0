"""The picture of growth: points and fitted powers as they are in the rows."""

import numpy as np

from rnw.bench.scaling import ScalingRow
from rnw.bench.scaling_plot import _draw

ROWS = [
    ScalingRow(None, 4, 28, 1, 1, 8, 1, 150, 50),
    ScalingRow("batch", 2, 28, 1, 1, 4.1, 0.5, 125, 25),
    ScalingRow("devices", 4, 28, 1, 2, 8.1, 1, 200, 100),
]


def test_panels_show_points_and_powers():
    panels = np.reshape(_draw("model_a", ROWS).axes, (2, 2))
    assert [axes.get_xlabel() for axes in panels[1]] == [
        "images in a batch",
        "CPU devices that share a batch",
    ]
    titles = [[axes.get_title() for axes in row] for row in panels]
    assert titles == [["exponent 1.00", "exponent 0.00"], ["exponent 1.00", "exponent 1.00"]]
    for line in panels[0, 0].lines:  # times are those beside the base, not of another load
        assert np.allclose(line.get_xydata(), [(2, 4), (4, 8)])
    for line in panels[1, 1].lines:
        assert np.allclose(line.get_xydata(), [(1, 50), (2, 100)])
