"""What `rnw weights` prints of a file's content, and of the difference between two."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterator, List

from rnw.errors import printable
from rnw.networks.layout import NetworkConfig
from rnw.weights.containers import PARAMS
from rnw.weights.fit import describe
from rnw.weights.inspection import Comparison, Inspection, Statistics, statistics, type_name
from rnw.weights.ndarray_file import Entry


def inspection_lines(found: Inspection, stats: bool) -> Iterator[str]:
    """Return what is found in a file as lines: its format, what it fits, and its arrays."""
    yield (
        f"{found.path}: {found.size / 1e6:.1f} MB, {len(found.entries)} arrays, "
        f"{found.values:,} values"
    )
    yield _format_text(found)
    yield f"fits {_fits_text(found.fits)}"
    yield f"is for {found.meaning}" if found.meaning else found.problem
    names = [printable(entry.name) for entry in found.entries]
    width = max(map(len, names), default=0)
    for name, entry in zip(names, found.entries):
        shape = "x".join(map(str, entry.array.shape)) or "scalar"
        numbers = _statistics_text(statistics(entry.array)) if stats else ""
        line = f"{name:{width}}  {type_name(entry.array.dtype):8}  {shape:16}  {numbers}"
        yield line.rstrip()


def _format_text(found: Inspection) -> str:
    if found.kind != PARAMS.title:
        return found.kind
    devices = f", saved from {', '.join(found.devices)}" * bool(found.devices)
    return f"format of MXNet {', '.join(found.versions) or 'any version'}{devices}"


def _fits_text(fits: List[NetworkConfig]) -> str:
    if not fits:
        return "no network of the paper"
    return describe(replace(fits[0], name=", ".join(config.name for config in fits)))


def _statistics_text(found: Statistics) -> str:
    parts = []
    if found.mean is not None:
        parts.append(f"{found.minimum:11.4g} to {found.maximum:11.4g}, mean {found.mean:11.4g}")
    parts += [f"{found.nans} NaN"] * bool(found.nans)
    parts += [f"{found.infinities} infinite"] * bool(found.infinities)
    return ", ".join(parts)


def inspection_as_dict(found: Inspection, stats: bool) -> Dict[str, Any]:
    """Return what is found in a file in types that JSON has."""
    return {
        "file": str(found.path),
        "format": found.kind,
        "size": found.size,
        "values": found.values,
        "versions": found.versions,
        "devices": found.devices,
        "fits": [_network_json(config) for config in found.fits],
        "network": found.meaning and found.meaning.as_dict(),
        "problem": found.problem or None,
        "arrays": [_entry_json(entry, stats) for entry in found.entries],
    }


def _network_json(config: NetworkConfig) -> Dict[str, Any]:
    names = ("name", "classes", "width", "classifier", "stride")
    return {name: getattr(config, name) for name in names}


def _entry_json(entry: Entry, stats: bool) -> Dict[str, Any]:
    return {
        "name": entry.name,
        "dtype": type_name(entry.array.dtype),
        "shape": entry.array.shape,
        "offset": entry.offset if entry.version else None,
        "device": entry.device,
        "version": entry.version or None,
        **(statistics(entry.array)._asdict() if stats else {}),
    }


def comparison_lines(found: Comparison, first: Path, second: Path) -> Iterator[str]:
    """Return as lines what differs between two files, and how many arrays do."""
    for path, names in ((first, found.only_first), (second, found.only_second)):
        yield from (f"{name}: only in {path}" for name in names)
    for what, differences in (("shape", found.shapes), ("type", found.types)):
        yield from (f"{name}: {what} {a} and {b}" for name, (a, b) in differences.items())
    for value in found.values:
        yield (
            f"{value.name}: up to {value.largest:.4g} apart ({value.relative:.2g} of the largest), "
            f"{value.count} of {value.size} values"
        )
    differing = {*found.shapes, *found.types, *(value.name for value in found.values)}
    yield f"{len(differing)} of {found.arrays} arrays in both files differ"


def comparison_as_dict(found: Comparison) -> Dict[str, Any]:
    """Return what differs between two files in types that JSON has, None for what is infinite."""
    values = [value._asdict() for value in found.values]
    for value in values:
        value.update({k: None for k in ("largest", "relative") if math.isinf(value[k])})
    return {**vars(found), "values": values, "equal": found.equal}
