"""Looking up rows of tables."""

import pytest

from rnw.errors import InputError, look_up


def test_rows_are_found_and_others_refused_with_all_names():
    table = {"deeplab": 1, "kraehenbuehl": 2}
    assert look_up(table, "kraehenbuehl", "CRF") == 2
    with pytest.raises(InputError) as refused:
        look_up(table, "dense", "CRF")
    assert str(refused.value) == "unknown CRF 'dense': expected one of deeplab, kraehenbuehl"
