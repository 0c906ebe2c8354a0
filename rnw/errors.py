"""The one exception for mistakes that the caller can mend."""

import contextlib
from typing import Any, Iterator


class InputError(ValueError):
    """Something given to rnw cannot be used: a name, an option, a file, a device.

    The message names what was given, what was expected and what to do. The command line prints it
    as one line and exits with status 2.
    """


@contextlib.contextmanager
def naming(what: Any) -> Iterator[None]:
    """Let an InputError begin with the file that it is about."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{what}: {error}") from None
