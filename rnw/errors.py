"""The one exception for mistakes that the caller can mend, with what raises and shows it."""

import contextlib
import difflib
from typing import Any, Iterable, Iterator, Mapping, TypeVar

Value = TypeVar("Value")


class InputError(ValueError):
    """Something given to rnw cannot be used: a name, an option, a file, a device.

    The message names what was given, what was expected and what to do. The command line prints it
    as one line and exits with status 2.
    """


def look_up(table: Mapping[str, Value], name: str, kind: str) -> Value:
    """Return the row called `name` of a table whose rows are each a `kind`.

    Raises InputError, which names all rows and suggests the one most alike, for another name.
    """
    if name not in table:
        expected = f"expected one of {', '.join(table)}{did_you_mean(name, table)}"
        raise InputError(f"unknown {kind} {name!r}: {expected}")
    return table[name]


def check_fields(given: Iterable[Any], known: Iterable[str], others: Iterable[str] = ()) -> None:
    """Raise InputError, which suggests the nearest, for the first field given that is not known.

    others: fields of another kind, which a mistyped one may be meant to be, too.
    """
    expected = tuple(known)
    for field in given:
        if field not in expected:
            nearest = did_you_mean(str(field), (*expected, *others))
            raise InputError(
                f"unknown field {field!r}, expected one of {', '.join(expected)}{nearest}"
            )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a message that suggests the known name most like `name`; empty if none."""
    nearest = difflib.get_close_matches(name.lower(), known, n=1)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


@contextlib.contextmanager
def naming(what: Any) -> Iterator[None]:
    """Prefix the message of an InputError with the file that it is about."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{what}: {error}") from None


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 picture` or `2 pictures`."""
    return f"{number} {noun}{'s' * (number != 1)}"


def printable(text: str) -> str:
    r"""Return the text on one line, line ends and terminal controls escaped (`\n`, `\x1b`).

    Names of files and of arrays may hold both, and characters that no terminal can show.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
