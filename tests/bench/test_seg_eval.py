"""What is measured of labeling and scoring."""

import pytest

from rnw.bench import seg_eval as scoring
from rnw.errors import InputError


@pytest.mark.slow
def test_labels_are_right_and_measured_beside_upsampling_every_class():
    rows = scoring.bench_scoring(repetitions=3)
    assert [(row.classes, row.height, row.width) for row in rows] == list(scoring.CASES)
    for row in rows:
        assert row.other_labels == 0
        assert 0.05 < row.ratio < 5  # 0.4 to 0.6 when nothing disturbs
        assert 0 < row.score < row.pillow
        assert row.label > 0


def test_refuses_no_repetitions():
    with pytest.raises(InputError, match="repetitions is 0, expected at least 1"):
        scoring.bench_scoring(repetitions=0)
