"""Time of converting and listing a weights file, beside a plain copy of it in the same run."""

import os
import shutil
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Optional

import numpy as np

from rnw.bench.worker import check_counts, run_python
from rnw.errors import InputError
from rnw.files import PathLike
from rnw.memory import peak_memory_mb
from rnw.networks.layout import NetworkConfig, configure
from rnw.networks.zoo import CLASSIFICATION_PREFIX
from rnw.weights.formats import find_format
from rnw.weights.labels import ModelLabel
from rnw.weights.ndarray_file import write_arrays

_TARGET = "converted.safetensors"  # a name that every format with a choice of containers takes
_CONVERT = """
import sys, time
from rnw.weights.convert import convert
start = time.perf_counter()
convert(*sys.argv[1:])
print(time.perf_counter() - start)
"""


class ConversionSpeed(NamedTuple):
    """Times and memory of a conversion: medians over the rounds, in seconds and 10^6 bytes.

    `copy` and `convert` end when the file is on the disk; `ratio` is the median of convert over
    copy in each round. `show` is the time of a whole `rnw weights show` process, with the start of
    Python. `peak_memory_mb` is the largest resident memory of a conversion, mapped parts of the
    file and Python itself included; where the system counts the memory of the parent for a new
    process, it is at least the peak of the calling process.
    """

    network: str
    classes: int
    to: str
    file_mb: float
    copy: float
    convert: float
    ratio: float
    show: float
    peak_memory_mb: float


def bench_conversion(
    name: str, to: str, *, repetitions: int = 5, folder: Optional[PathLike] = None, **options: Any
) -> ConversionSpeed:
    """Time converting a file of network `name` to format `to`, in turn with copying and listing it.

    folder: where temporary files are written (default: the system's temporary folder).
    options: those of the network, as `rnw.get_network` takes them.

    Raises InputError for an unknown network or format, for a folder that cannot be written, and
    when a conversion fails.
    """
    check_counts(repetitions=repetitions)
    find_format(to)
    config = configure(name, **options)
    try:
        with TemporaryDirectory(dir=folder) as made:
            short = config.spec.name.replace(CLASSIFICATION_PREFIX, "")
            source = Path(made, ModelLabel("bench", short, config.classes).params_file(1))
            _write_source(source, config)
            rounds = [_Round.measure(source, Path(made), to) for _ in range(1 + repetitions)]
            size = source.stat().st_size
    except OSError as error:
        where = folder or "the temporary folder"
        raise InputError(f"{where}: cannot be written: {error.strerror}") from error
    del rounds[0]  # warm-up
    return ConversionSpeed(
        network=name,
        classes=config.classes,
        to=to,
        file_mb=size / 1e6,
        copy=statistics.median(r.copy for r in rounds),
        convert=statistics.median(r.convert for r in rounds),
        ratio=statistics.median(r.convert / r.copy for r in rounds),
        show=statistics.median(r.show for r in rounds),
        peak_memory_mb=max(r.peak_memory_mb for r in rounds),
    )


def _write_source(path: Path, config: NetworkConfig) -> None:
    """Write a Module file of one random filter repeated, so that no large array is ever held."""
    stream = np.random.RandomState(0)
    arrays = {}
    for parameter in config.parameters():
        values = stream.standard_normal(parameter.shape[1:]).astype(np.float32)
        arrays[f"{parameter.kind}:{parameter.name}"] = np.broadcast_to(values, parameter.shape)
    write_arrays(path, arrays)


class _Round(NamedTuple):
    copy: float
    convert: float
    show: float
    peak_memory_mb: float

    @classmethod
    def measure(cls, source: Path, folder: Path, to: str) -> "_Round":
        copied, converted = folder / "copy", folder / _TARGET
        start = time.perf_counter()
        _copy(source, copied)
        copy = time.perf_counter() - start
        seconds, usage = run_python("-c", _CONVERT, str(source), str(converted), to)
        start = time.perf_counter()
        run_python("-m", "rnw", "weights", "show", str(source))
        show = time.perf_counter() - start
        copied.unlink()
        converted.unlink()
        return cls(copy, float(seconds), show, peak_memory_mb(usage))


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with target.open("rb+") as file:
        os.fsync(file.fileno())
