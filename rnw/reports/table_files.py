"""Tables as files, Markdown beside JSON, which the next run of the same command may replace."""

import hashlib
import json
from pathlib import Path
from typing import Any, Mapping, Tuple

from rnw.errors import InputError
from rnw.files import check_free, md5, read_json, write_json, write_text

CHECKSUMS = "md5"  # in the JSON file: of the Markdown file, and of all else in it


def table_files(folder: Path, number: int) -> Tuple[Path, Path]:
    """Return where table `number` is written: as Markdown, and as JSON."""
    return folder / f"table{number}.md", folder / f"table{number}.json"


def check_table_files(folder: Path, number: int, *, overwrite: bool = False) -> None:
    """Raise InputError where the files of a table are not as `write_table_files` left them.

    With `overwrite` they may be anything, but in the place of a folder.
    """
    paths = table_files(folder, number)
    check_free(*paths, overwrite=overwrite or _are_own(*paths))


def write_table_files(folder: Path, number: int, text: str, content: Mapping[str, Any]) -> None:
    """Write table<N>.md and table<N>.json, in place of earlier ones."""
    markdown, plain = table_files(folder, number)
    write_text(markdown, text)
    write_json(plain, {**content, CHECKSUMS: [md5(markdown), _digest(content)]})


def _are_own(markdown: Path, plain: Path) -> bool:
    """Return whether both are as they were written, but that the Markdown may be gone."""
    try:
        content = read_json(plain)
        text, rest = content.pop(CHECKSUMS)
        return rest == _digest(content) and (not markdown.exists() or text == md5(markdown))
    except (InputError, LookupError, TypeError, ValueError):
        return False


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.md5(json.dumps(content).encode()).hexdigest()
