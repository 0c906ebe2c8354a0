"""Precisions of inference: the numbers in which an optimized network computes its convolutions."""

from typing import Dict, Optional, Sequence

from rnw.errors import InputError, look_up
from rnw.instructions import LIMIT, emulates_bfloat16, multiplies_bfloat16
from rnw.networks.layers import FLOAT32

BFLOAT16, FLOAT16 = "bfloat16", "float16"
# the kind of device, as MXNet calls it, on which convolutions are computed in each
PRECISIONS: Dict[str, Optional[str]] = {FLOAT32: None, BFLOAT16: "cpu", FLOAT16: "gpu"}


def check_precision(
    precision: str, devices: Sequence[str], *, force: bool = False, newer: bool = False
) -> None:
    """Raise InputError for a precision that is unknown or that the devices do not compute in.

    devices: the kind of each, 'cpu' or 'gpu'. force: accept bfloat16 also on a CPU that has no
        instructions for it but can emulate it, several times slower than float32. newer: by a
        oneDNN later than MXNet's (see `multiplies_bfloat16`).
    """
    needed = look_up(PRECISIONS, precision, "precision")
    if needed is not None and any(device != needed for device in devices):
        other = BFLOAT16 if precision == FLOAT16 else FLOAT16
        raise InputError(
            f"precision {precision}: is for {needed.upper()}s; expected {FLOAT32} or {other} here"
        )
    if precision != BFLOAT16 or multiplies_bfloat16(newer=newer):
        return
    remedy = f"leave it out, for {FLOAT32}"
    if not emulates_bfloat16():
        raise InputError(f"precision {BFLOAT16}: this CPU cannot compute in it; {remedy}")
    if not force:
        late = "" if newer else ", or mxnet was imported before rnw"
        raise InputError(
            f"precision {BFLOAT16}: would be slower than {FLOAT32}: this CPU does not multiply "
            f"in it (amx_bf16 or avx512_bf16), or {LIMIT} forbids that{late}; {remedy}, or force "
            "it with --force-precision (force=True)"
        )
