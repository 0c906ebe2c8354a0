"""TABLE of the networks that the paper's Table 1 compares with, built and trained by gluoncv."""

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional

from rnw.errors import InputError, look_up
from rnw.evaluation.classification.protocol import Protocol
from rnw.files import PathLike


@dataclass(frozen=True)
class Baseline:
    """A network by gluoncv's name, and how Table 1 tests it.

    `fixed_size`: its fully connected layers take crops of that size only.
    """

    name: str
    title: str
    protocol: Protocol
    fixed_size: bool = False


BASELINES: Dict[str, Baseline] = {
    row.name: row
    for row in (
        Baseline("resnet50_v1", "ResNet-50", Protocol((320,))),
        Baseline("resnet101_v1", "ResNet-101", Protocol((320,))),
        Baseline("resnet152_v1", "ResNet-152", Protocol((320,))),
        Baseline("vgg16", "VGG16", Protocol((224,), crops="ten"), fixed_size=True),
    )
}


def find_baseline(name: str) -> Baseline:
    """Return the baseline called `name`; raise InputError for an unknown one."""
    return look_up(BASELINES, name, "baseline")


def baseline_of(path: PathLike) -> Optional[Baseline]:
    """Return the baseline that a file is named after, as in gluoncv's `vgg16-e660d456.params`."""
    return BASELINES.get(Path(path).stem.partition("-")[0])


def load_baseline(baseline: Baseline, path: PathLike, contexts: List[Any]) -> Any:
    """Return the network of gluoncv, with weights that gluoncv or `save_parameters` wrote.

    Raises InputError for a file that is missing or does not fit.
    """
    from gluoncv.model_zoo import get_model

    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    net = get_model(baseline.name)
    try:
        net.load_parameters(str(path), ctx=contexts)
    except Exception as error:  # MXNet's own, AssertionError, ValueError
        reason = str(error).strip().splitlines()[-1].partition(", which contains")[0]
        raise InputError(f"{path}: no weights of gluoncv's {baseline.name}: {reason}") from error
    return net


def download_weights(baseline: Baseline) -> Path:
    """Return the file of gluoncv's weights, downloaded unless it is there.

    Raises InputError that says so when it cannot be downloaded.
    """
    from gluoncv.model_zoo.model_store import get_model_file

    try:
        with contextlib.redirect_stdout(sys.stderr):  # where gluoncv shows the download
            return Path(get_model_file(baseline.name))
    except Exception as error:  # of requests, of the file system, of a wrong checksum
        raise InputError(
            f"{baseline.name}: gluoncv cannot download its weights ({type(error).__name__}); "
            "connect to the network, or give a file with --weights"
        ) from error
