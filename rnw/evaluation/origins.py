"""The origin of kept predictions: a record beside them, with which evaluations must agree."""

from typing import Any, Mapping

from rnw.errors import InputError
from rnw.files import PathLike


def check_origin(
    path: PathLike, found: Mapping[str, Any], expected: Mapping[str, Any], advice: str
) -> None:
    """Raise InputError, with each difference and `advice`, for predictions of another origin."""
    other = [key for key in expected if found.get(key) != expected[key]]
    if other:
        differences = "; ".join(f"{key} {found.get(key)}, now {expected[key]}" for key in other)
        raise InputError(
            f"{path}: has predictions of another evaluation: {differences}; {advice}, or "
            "--overwrite replaces them"
        )
