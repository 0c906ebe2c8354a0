"""What is run to measure how quickly commands start."""

import pytest

from rnw.bench.start import _digit_files, _processor_seconds
from rnw.errors import InputError


@pytest.mark.slow
def test_the_digit_is_predicted(rnw, tmp_path):
    code, out, _ = rnw("predict", *_digit_files(tmp_path))
    assert code == 0
    assert "digit.png" in out


def test_processor_time_of_a_process():
    assert 0 < _processor_seconds("-c", "") < _processor_seconds("-c", "sum(range(20_000_000))")
    with pytest.raises(InputError, match=r"^python -c 1/0 failed; its errors are shown above$"):
        _processor_seconds("-c", "1/0")
