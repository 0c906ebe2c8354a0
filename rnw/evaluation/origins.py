"""The origin of kept predictions: a record beside them, with which evaluations must agree."""

from typing import Any, Dict, Mapping

from rnw.errors import InputError
from rnw.evaluation.engines.table import MXNET
from rnw.files import PathLike

ENGINE = "engine"


def engine_origin(engine: str) -> Dict[str, str]:
    """Return what a record says of the engine: nothing of MXNet, as before there were others."""
    return {} if engine == MXNET else {ENGINE: engine}


def engine_of(record: Mapping[str, Any]) -> str:
    """Return the engine that a record tells."""
    return record.get(ENGINE, MXNET)


def check_origin(
    path: PathLike, found: Mapping[str, Any], expected: Mapping[str, Any], advice: str
) -> None:
    """Raise InputError, with each difference and `advice`, for predictions of another origin."""
    found, expected = ({**record, ENGINE: engine_of(record)} for record in (found, expected))
    other = [key for key in expected if found.get(key) != expected[key]]
    if other:
        differences = "; ".join(f"{key} {found.get(key)}, now {expected[key]}" for key in other)
        raise InputError(
            f"{path}: has predictions of another evaluation: {differences}; {advice}, or "
            "--overwrite replaces them"
        )
