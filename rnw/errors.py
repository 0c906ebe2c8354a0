"""The one exception for mistakes that the caller can mend, two ways to raise it, one to show it."""

import contextlib
from typing import Any, Iterator, Mapping, TypeVar

Value = TypeVar("Value")


class InputError(ValueError):
    """Something given to rnw cannot be used: a name, an option, a file, a device.

    The message names what was given, what was expected and what to do. The command line prints it
    as one line and exits with status 2.
    """


def look_up(table: Mapping[str, Value], name: str, kind: str) -> Value:
    """The row called `name` of a table of a `kind`; raises InputError, naming all, for another."""
    if name not in table:
        raise InputError(f"unknown {kind} {name!r}: expected one of {', '.join(table)}")
    return table[name]


@contextlib.contextmanager
def naming(what: Any) -> Iterator[None]:
    """Let an InputError begin with the file that it is about."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{what}: {error}") from None


def printable(text: str) -> str:
    r"""The text on one line: ends of lines and what steers a terminal are escaped (`\n`, `\x1b`).

    Names of files and of arrays may hold both, and letters that no terminal can show.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
