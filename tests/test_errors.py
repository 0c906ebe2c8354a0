"""Looking up rows of tables, and what is shown of names that are not fit to be shown."""

import pytest

from rnw.errors import InputError, look_up, printable


def test_rows_are_found_and_others_refused_with_all_names():
    table = {"deeplab": 1, "kraehenbuehl": 2}
    assert look_up(table, "kraehenbuehl", "CRF") == 2
    with pytest.raises(InputError) as refused:
        look_up(table, "dense", "CRF")
    assert str(refused.value) == "unknown CRF 'dense': expected one of deeplab, kraehenbuehl"


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("deeplap", "expected one of deeplab, kraehenbuehl; did you mean 'deeplab'?"),
        ("DeepLab", "expected one of deeplab, kraehenbuehl; did you mean 'deeplab'?"),
        ("krahenbuhl", "expected one of deeplab, kraehenbuehl; did you mean 'kraehenbuehl'?"),
        ("", "expected one of deeplab, kraehenbuehl"),
    ],
)
def test_a_mistyped_name_is_answered_with_the_one_most_alike(name, end):
    with pytest.raises(InputError) as refused:
        look_up({"deeplab": 1, "kraehenbuehl": 2}, name, "CRF")
    assert str(refused.value) == f"unknown CRF {name!r}: {end}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größer als 日本.params: found 2", "größer als 日本.params: found 2"),
        ("a  b", "a  b"),
        ("two\nlines\r\ttab", r"two\nlines\r\ttab"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("a\u202etxt.params", r"a\u202etxt.params"),
        ("a\xa0b\u2028c", r"a\xa0b\u2028c"),
        ("not UTF-8: \udcff", r"not UTF-8: \udcff"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("", ""),
    ],
)
def test_what_steers_a_terminal_is_escaped(text, shown):
    assert printable(text) == shown
