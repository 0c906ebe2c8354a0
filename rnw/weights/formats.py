"""TABLE of the formats of `choices.py`: how each names its entries, is read and written.

Published files and those of Module have entries `arg:<name>` and `aux:<name>`; Gluon's
`save_parameters` writes `<block>.<name>`, `ParameterDict.save` just `<name>`, as do the other
formats here. `<name>` is the original's in all. PyTorch projects have their own names (`names.py`).
"""

import logging
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from rnw.errors import InputError, look_up, naming
from rnw.files import PathLike
from rnw.networks.layers import parameter_kind
from rnw.networks.zoo import ALL_POOLED, ALL_STRIDED, TOP_STRIDED
from rnw.weights.choices import GLUON, MODULE, ONNX_GRAPH, PLAIN, STATE_DICT
from rnw.weights.containers import (
    NPZ,
    ONNX,
    PARAMS,
    SAFETENSORS,
    TORCH,
    TORCH_CHECKPOINT,
    Container,
    container_of,
    read_weights,
)
from rnw.weights.metadata import Metadata
from rnw.weights.module_names import module_key, rename_modules
from rnw.weights.names import (
    COUNTER,
    DATA_PARALLEL,
    RESNET38D,
    WIDER_RESNET,
    WRN38,
    Naming,
    common_prefix,
    find_naming,
    find_prefix,
    is_ours,
    rename_to_ours,
    rename_to_theirs,
)
from rnw.weights.resnet_names import rename_resnet

logger = logging.getLogger(__name__)

WRAPPINGS: Dict[str, Container] = {PLAIN: TORCH, STATE_DICT: TORCH_CHECKPOINT}

_IN_UNIT = re.compile(r"(?:bn|res)(\d[ab]\d*)_branch")
_IN_PLAIN_BLOCK = re.compile(r"(conv1a?|bn7|bn_conv1)_")


def _module_key(name: str) -> str:
    return f"{parameter_kind(name)}:{name}"


def _gluon_key(name: str) -> str:
    """Return the structural name in our networks: child block, dot, parameter."""
    unit = _IN_UNIT.match(name)
    if unit:
        return f"res{unit[1]}.{name}"
    plain = _IN_PLAIN_BLOCK.match(name)
    return f"{plain[1] if plain else 'classifier'}.{name}"


@dataclass(frozen=True)
class Packing:
    """Where in a file the scripts of PyTorch look for weights; None: as the format's project does.

    wrap: one of WRAPS, 'state_dict' for a dictionary of that name around the weights, 'plain' for
    none. key_prefix: what all names of entries begin with, such as 'module.', or nothing.
    """

    wrap: Optional[str] = None
    key_prefix: Optional[str] = None


AS_USUAL = Packing()


@dataclass(frozen=True)
class Format:
    """A format of weights: names of entries, and file formats, of which the suffix selects one.

    key: from a parameter's name to that of its entry. naming: the names of a PyTorch project.
    downsampling, units: how that project's network down-samples, and its units on each level if
    they are fixed.
    """

    containers: Tuple[Container, ...]
    key: Callable[[str], str] = str
    naming: Optional[Naming] = None
    downsampling: Tuple[Optional[str], ...] = ()
    units: Optional[Tuple[int, ...]] = None

    @property
    def folds(self) -> bool:
        """Whether convolutions may have the biases that normalizations are folded into."""
        return self.naming is None and self.containers != (PARAMS,)

    def container(self, path: PathLike, wrap: Optional[str] = None) -> Container:
        """Return the file format for `path`.

        wrap: one of WRAPS, in place of what the format does.

        Raises InputError if its suffix selects none, and for `wrap` if that is no PyTorch file.
        """
        found = self._container(path)
        if wrap is None:
            return found
        if found.title != TORCH.title:
            raise InputError(
                f"{path}: only PyTorch files (.pth, .pt, .pth.tar) may have a dictionary around "
                "the weights: leave out --wrap"
            )
        return look_up(WRAPPINGS, wrap, "wrapping")

    def with_prefix(self, prefix: Optional[str]) -> "Format":
        """Return the format with names that begin with `prefix`; as they are for None.

        Raises InputError for a prefix that is none, and where names are fixed.
        """
        if prefix is None:
            return self
        if self.containers in ((PARAMS,), (ONNX,)):
            raise InputError(
                "the names in .params files and in graphs have no prefix: leave out --key-prefix"
            )
        if prefix and not prefix.endswith("."):
            raise InputError(f"key prefix {prefix!r}: expected it to end in a dot, as 'module.'")
        naming = self.naming and replace(self.naming, prefix=prefix)
        return replace(self, naming=naming, key=lambda name: f"{prefix}{self.key(name)}")

    def _container(self, path: PathLike) -> Container:
        if len(self.containers) == 1:
            return self.containers[0]
        for container in self.containers:
            if container.names(path):
                return container
        known = ", ".join(suffix for c in self.containers for suffix in c.suffixes)
        raise InputError(f"{path}: expected a file name that ends in one of {known}")


FORMATS: Dict[str, Format] = {
    MODULE: Format((PARAMS,), _module_key),
    GLUON: Format((PARAMS,), _gluon_key),
    "safetensors": Format((SAFETENSORS,)),
    "npz": Format((NPZ,)),
    ONNX_GRAPH: Format((ONNX,)),
    "rnw_torch": Format((SAFETENSORS, TORCH, NPZ), key=module_key),
    "resnet38d": Format(
        (SAFETENSORS, TORCH, NPZ),
        naming=RESNET38D,
        downsampling=ALL_STRIDED,
        units=(0, 3, 3, 6, 3, 1, 1),
    ),
    "wider_resnet": Format((SAFETENSORS, TORCH, NPZ), naming=WIDER_RESNET, downsampling=ALL_POOLED),
    "wider_resnet_a2": Format(
        (SAFETENSORS, TORCH, NPZ), naming=WIDER_RESNET, downsampling=TOP_STRIDED
    ),
    "wrn38": Format((SAFETENSORS, TORCH_CHECKPOINT, NPZ), naming=WRN38, downsampling=TOP_STRIDED),
}


def find_format(name: str) -> Format:
    """Return the row of FORMATS called `name`; raise InputError for an unknown one."""
    return look_up(FORMATS, name, "format")


def read_parameters(path: PathLike) -> Dict[str, np.ndarray]:
    """Return the parameters in a weights file of any format, by our names, in file order.

    Entries of a PyTorch file that have no such name keep theirs. Logs a warning about properties of
    the network that such a file leaves open.

    Raises InputError for a file that cannot be read or names one parameter twice.
    """
    source = read_source(path)
    if source.untold:
        logger.warning("%s: %s", path, source.untold)
    return {**source.parameters, **source.unknown}


class Source(NamedTuple):
    """The content of a weights file.

    unknown: entries that are not parameters of ours. foreign: not a file of MXNet, so that its
    content may be anything. untold: a warning about what the file leaves open.
    """

    parameters: Dict[str, np.ndarray]
    unknown: Dict[str, np.ndarray]
    foreign: bool
    notes: Sequence[str] = ()
    untold: str = ""


def read_source(path: PathLike) -> Source:
    """Return the content of a weights file of any format, by our names; as `read_parameters`."""
    arrays = read_weights(path)
    with naming(path):
        prefix = find_prefix(arrays)
        below = {key[len(prefix) :]: a for key, a in arrays.items() if key.startswith(prefix)}
        below = rename_modules(below)
        beside = {key: array for key, array in arrays.items() if not key.startswith(prefix)}
        folder = common_prefix(key.split(":", 1)[-1] for key in arrays)
        notes = [f"all entries lie below `{folder}`"] * (folder not in ("", DATA_PARALLEL))
        scheme = find_naming(below)
        if scheme is None:
            foreign = container_of(path) is not PARAMS
            return Source(_by_plain_names(below), beside, foreign, notes)
        renamed = rename_to_ours(below, scheme)
    left = {prefix + key: below[key] for key in renamed.left}
    untold = _untold_activation(renamed.entries) if scheme.inplace_abn else ""
    return Source(renamed.entries, {**left, **beside}, True, notes, untold)


def _untold_activation(parameters: Mapping[str, np.ndarray]) -> str:
    return (
        "the file does not say whether InPlaceABN wrote it, which uses |gamma| for gamma "
        f"({negative_gammas(parameters)} are negative here) and by default a leaky ReLU of slope "
        "0.01, where the networks of the paper have a ReLU"
    )


def negative_gammas(parameters: Mapping[str, np.ndarray]) -> int:
    """Return how many factors of normalizations are negative, which InPlaceABN does not take."""
    gammas = (array for name, array in parameters.items() if name.endswith("_gamma"))
    return sum(int((gamma < 0).sum()) for gamma in gammas)


def _by_plain_names(arrays: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """Return entries of MXNet and of ResNets by our names; others too, where these are unique."""
    arrays = rename_resnet({k: array for k, array in arrays.items() if not k.endswith(COUNTER)})
    uses = Counter(map(_plain_name, arrays))
    parameters: Dict[str, np.ndarray] = {}
    for key, array in arrays.items():
        name = _plain_name(key)
        name = name if uses[name] == 1 or is_ours(name) else key
        if name in parameters:
            raise InputError(f"two entries stand for the same parameter, {name}; one is {key!r}")
        parameters[name] = array
    return parameters


def _plain_name(key: str) -> str:
    return re.split("[./]", key.split(":", 1)[-1])[-1]


def write_parameters(
    path: PathLike,
    parameters: Mapping[str, np.ndarray],
    to: str,
    packing: Packing = AS_USUAL,
    metadata: Optional[Metadata] = None,
) -> List[str]:
    """Write parameters, given by the original's names, in any format but an ONNX graph.

    metadata: what the file says of itself, where its format has room for that.

    Returns the names of those that the format cannot store.

    Raises InputError for an unknown format, for features that the format cannot store, and for a
    packing that its files cannot have.
    """
    form = find_format(to).with_prefix(packing.key_prefix)
    container = form.container(path, packing.wrap)
    write = container.write
    if write is None:
        raise InputError(
            f"{path}: a graph needs more than parameters: write a {MODULE} file, then convert it"
        )
    if container.read_metadata is not None:
        write = partial(write, metadata=metadata)
    ordered = {name: parameters[name] for name in module_order(parameters)}
    if form.naming is None:
        write(path, {form.key(name): array for name, array in ordered.items()})
        return []
    renamed = rename_to_theirs(ordered, form.naming)
    write(path, renamed.entries)
    return renamed.left


def module_order(names: Iterable[str]) -> List[str]:
    """Return the names of learned parameters, then of moving averages, each in the given order."""
    return sorted(names, key=lambda name: parameter_kind(name) == "aux")
