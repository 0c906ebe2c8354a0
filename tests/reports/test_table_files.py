"""Tables as files, and which of them may be replaced."""

import json
from pathlib import Path

import pytest

from rnw.errors import InputError
from rnw.reports.table_files import check_table_files, write_table_files

CONTENT = {"table": 2, "rows": [{"scores": (80.84, None), "title": "Krähenbühl"}]}
MARKDOWN, PLAIN = Path("t/table2.md"), Path("t/table2.json")


@pytest.fixture
def written():
    write_table_files(Path("t"), 2, "| a |\n", CONTENT)


def test_what_was_written_may_be_replaced(written):
    assert MARKDOWN.read_text() == "| a |\n"
    assert json.loads(PLAIN.read_text())["rows"][0]["scores"] == [80.84, None]
    check_table_files(Path("t"), 2)
    write_table_files(Path("t"), 2, "| b |\n", {**CONTENT, "rows": []})
    check_table_files(Path("t"), 2)
    MARKDOWN.unlink()
    check_table_files(Path("t"), 2)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (MARKDOWN, "| a |\nmy remark\n"),
        (PLAIN, "{}"),
        (PLAIN, "[" * 100_000),
        (PLAIN, '{"md5": 3}'),
        (PLAIN, '{"md5": ["", ""]}'),
        (PLAIN, None),
    ],
)
def test_what_was_not_written_by_us_is_left_alone(written, path, content):
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(InputError, match=r"^t/table2\.md: exists already; .* --overwrite$"):
        check_table_files(Path("t"), 2)
    check_table_files(Path("t"), 2, overwrite=True)


def test_a_number_that_was_changed_is_left_alone(written):
    PLAIN.write_text(PLAIN.read_text().replace("80.84", "90.84"))
    with pytest.raises(InputError, match=r"exists already"):
        check_table_files(Path("t"), 2)


def test_a_table_of_another_number_is_not_in_the_way(written):
    check_table_files(Path("t"), 3)
