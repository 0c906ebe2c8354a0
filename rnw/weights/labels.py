"""Model labels, by which the names of weights files describe the network inside.

`<dataset>_<net>_cls<K>[_s<stride>][_<suffix>]_ep-NNNN.params`, for example
`cityscapes_rna-a1_cls19_s8_x1-140_ep-0064.params`.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from rnw.errors import InputError
from rnw.files import PathLike
from rnw.networks.zoo import RESNETS, SMALL_RESNETS

_EPOCH = re.compile(r"(_ep-\d{4,})?(\.pth\.tar|\.[a-z]+)?$")
EXAMPLE = "ilsvrc-cls_rna-a1_cls1000_ep-0001.params"
_NETWORK_FAMILY = "rna-"
_FILE_NAME = re.compile(
    r"(?P<dataset>[^_]+)_(rna-(?P<network>[^_]+)|(?P<resnet>resnet\d+))_cls(?P<classes>\d+)"
    r"(_s(?P<stride>\d+))?"
    r"(_(?P<suffix>.+?))?_ep-(?P<epoch>\d{4,})\.params"
)


@dataclass(frozen=True)
class ModelLabel:
    """Dataset, network, number of classes, output stride and suffix in the name of a model."""

    dataset: str
    network: str  # as `find_network` takes it: 'a1', '28-1-1-1-1-1-1-1', 'resnet101'
    classes: int
    stride: Optional[int] = None  # None: nothing removed, the original's default of 32
    suffix: str = ""

    def __str__(self) -> str:
        is_resnet = self.network in RESNETS or self.network in SMALL_RESNETS
        family = "" if is_resnet else _NETWORK_FAMILY
        parts = [self.dataset, family + self.network, f"cls{self.classes}"]
        if self.stride is not None:
            parts.append(f"s{self.stride}")
        return "_".join(parts + [self.suffix] * bool(self.suffix))

    def params_file(self, epoch: int) -> str:
        """Return the file name of the weights after `epoch` epochs."""
        return params_file(str(self), epoch)

    @property
    def symbol_file(self) -> str:
        """The file name of the graph, which `mx.model.load_checkpoint` looks for."""
        return symbol_file(str(self))


def dataset_file(label: str) -> str:
    """Return the name of the description of a dataset of one's own, beside the weights."""
    return f"{label}.dataset.yaml"


def params_file(label: str, epoch: int) -> str:
    """Return the file name of the weights of a label after `epoch` epochs."""
    return f"{label}_ep-{epoch:04d}.params"


def symbol_file(label: str) -> str:
    """Return the file name of the graph of a label, where `mx.model.load_checkpoint` looks."""
    return f"{label}_ep-symbol.json"


def label_text(path: PathLike) -> str:
    """Return the name of a weights file of any format without epoch and suffix, a label or not."""
    return _EPOCH.sub("", plain_name(path))


def plain_name(path: PathLike) -> str:
    """Return the name of a file without what a download may append (`?dl=0`)."""
    return Path(path).name.partition("?")[0]


def parse_label(path: PathLike) -> ModelLabel:
    """Return the label in the name of a weights file.

    Raises InputError when the name does not have that form.
    """
    match = _FILE_NAME.fullmatch(plain_name(path))
    if match is None:
        raise InputError(
            f"{path}: the file name does not indicate the network; expected "
            f"<dataset>_rna-<net>_cls<K>[_s<stride>][_<suffix>]_ep-NNNN.params, as {EXAMPLE}"
        )
    stride = match["stride"]
    return ModelLabel(
        match["dataset"],
        match["network"] or match["resnet"],
        int(match["classes"]),
        None if stride is None else int(stride),
        match["suffix"] or "",
    )
