"""The words of conversions that options take, and what they stand for."""

from rnw.weights.choices import FORMAT_TITLES, WRAPS
from rnw.weights.formats import FORMATS, WRAPPINGS


def test_each_format_has_a_title():
    assert list(FORMAT_TITLES) == list(FORMATS)


def test_each_wrapping_is_a_kind_of_file():
    assert tuple(WRAPPINGS) == WRAPS
