"""The origin of kept predictions: a record beside them, with which evaluations must agree."""

from typing import Any, Dict, List, Mapping

from rnw.errors import InputError
from rnw.evaluation.computing import Computing
from rnw.files import PathLike


def check_origin(
    path: PathLike, found: Mapping[str, Any], expected: Mapping[str, Any], advice: str
) -> None:
    """Raise InputError, with each difference and `advice`, for predictions of another origin."""
    differences = "; ".join(find_differences(found, expected))
    if differences:
        raise InputError(
            f"{path}: has predictions of another evaluation: {differences}; {advice}, or "
            "--overwrite replaces them"
        )


def find_differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> List[str]:
    """Return what a record says otherwise than is expected, in words.

    One that does not tell the provider of its engine, as older ones do not, fits any.
    """
    found, expected = _complete(found), _complete(expected)
    if None in (found["provider"], expected["provider"]):
        del expected["provider"]
    other = [key for key in expected if found.get(key) != expected[key]]
    return [f"{key} {found.get(key)}, now {expected[key]}" for key in other]


def _complete(record: Mapping[str, Any]) -> Dict[str, Any]:
    """Return a record that names the reference, too."""
    return {**record, **Computing.of_record(record).as_dict()}
