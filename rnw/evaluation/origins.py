"""The origin of kept predictions: a record beside them, with which evaluations must agree."""

from typing import Any, Dict, Mapping

from rnw.errors import InputError
from rnw.evaluation.engines.table import MXNET
from rnw.files import PathLike
from rnw.weights.precision import FLOAT32

REFERENCE = {"engine": MXNET, "precision": FLOAT32}  # what a record means that does not say it


def computing_origin(engine: str, precision: str) -> Dict[str, str]:
    """Return what a record says of them: nothing of MXNet and float32, as before there were others.

    precision: what the engine computed in, one of `rnw.weights.precision.PRECISIONS`.
    """
    found = {"engine": engine, "precision": precision}
    return {key: name for key, name in found.items() if name != REFERENCE[key]}


def computing_of(record: Mapping[str, Any]) -> Dict[str, str]:
    """Return the `engine` and the `precision` that a record tells."""
    return {key: str(record.get(key, name)) for key, name in REFERENCE.items()}


def computing_note(engine: str, precision: str) -> str:
    """Return a line that names them; empty for MXNet and float32, the reference."""
    in_precision = "" if precision == FLOAT32 else f" in {precision}"
    return "" if engine == MXNET and not in_precision else f"computed by {engine}{in_precision}"


def check_origin(
    path: PathLike, found: Mapping[str, Any], expected: Mapping[str, Any], advice: str
) -> None:
    """Raise InputError, with each difference and `advice`, for predictions of another origin."""
    found, expected = ({**record, **computing_of(record)} for record in (found, expected))
    other = [key for key in expected if found.get(key) != expected[key]]
    if other:
        differences = "; ".join(f"{key} {found.get(key)}, now {expected[key]}" for key in other)
        raise InputError(
            f"{path}: has predictions of another evaluation: {differences}; {advice}, or "
            "--overwrite replaces them"
        )
