"""TABLE of the names that PyTorch projects give to the parameters of the paper's networks.

A row maps each layer of ours to the project's, so that one pair of functions translates any
parameter of any depth both ways. Our names are the original's, such as `res2b1_branch2a_weight`.
"""

import re
from dataclasses import dataclass
from typing import Collection, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from rnw.errors import InputError
from rnw.networks.layers import is_classifier

_OURS = re.compile(r"(?P<layer>.+?)_(?P<what>weight|bias|gamma|beta|moving_mean|moving_var)")
_IN_UNIT = re.compile(r"(?P<kind>bn|res)(?P<level>[2-7])(?P<unit>a|b\d+)_(?P<branch>branch\w+)")
_NORMALIZATION = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_var": "running_var",
}
DATA_PARALLEL = "module."
COUNTER = "num_batches_tracked"  # training steps; PyTorch adds it where it is missing


@dataclass(frozen=True)
class Naming:
    """The names in one project's network, which has no units on level 1.

    units: the names of a level's first unit and of its others; second: the `{number}` of the second
    unit. layers: from our names of layers to theirs, in a unit without its name; layers that are
    not there do not exist in the project's network. prefix: the beginning of every name.
    inplace_abn: the class may be built with InPlaceABN, which uses |gamma| and another activation.
    """

    units: Tuple[str, str]
    second: int
    layers: Mapping[str, str]
    prefix: str = ""
    inplace_abn: bool = False

    def theirs(self, name: str) -> Optional[str]:
        """Return the project's name of a parameter of ours, None if it does not have it."""
        parsed = _OURS.fullmatch(name)
        if parsed is None:
            return None
        unit, layer = self._place(parsed["layer"])
        if layer not in self.layers:
            return None
        what = _NORMALIZATION.get(parsed["what"], parsed["what"])
        return f"{self.prefix}{unit}{self.layers[layer]}.{what}"

    def _place(self, layer: str) -> Tuple[str, str]:
        """Return the project's name of a layer's unit, and the layer's key in `layers`."""
        inside = _IN_UNIT.fullmatch(layer)
        if inside is None:
            return "", "linear" if layer.startswith("linear") else layer
        index = 0 if inside["unit"] == "a" else int(inside["unit"][1:])
        unit = self.units[min(index, 1)].format(
            level=inside["level"], number=index - 1 + self.second
        )
        return f"{unit}.", f"{inside['kind']}_{inside['branch']}"

    def ours(self, key: str, shape: Tuple[int, ...]) -> Optional[str]:
        """Return our name of an entry of a project's file, None for an unknown one."""
        rest, _, what = key[len(DATA_PARALLEL) * key.startswith(DATA_PARALLEL) :].rpartition(".")
        layers = {theirs: ours for ours, theirs in self.layers.items()}
        unit = ""
        for index, template in enumerate(self.units):
            match = re.fullmatch(_pattern(template) + r"\.(?P<layer>.+)", rest)
            if match:
                number = int(match["number"]) - self.second + 1 if index else 0
                unit, rest = match["level"] + (f"b{number}" if index else "a"), match["layer"]
                break
        layer = layers.get(rest)
        if layer is None or ("_branch" in layer) != bool(unit):
            return None
        ours = {theirs: ours for ours, theirs in _NORMALIZATION.items()}
        if not layer.startswith("bn"):
            ours = {"weight": "weight", "bias": "bias"}
        if what not in ours:
            return None
        if layer == "linear":
            layer += str(shape[0])
        return f"{layer.replace('_', f'{unit}_')}_{ours[what]}"


def _pattern(template: str) -> str:
    escaped = re.escape(template).replace(r"\{level\}", "(?P<level>[2-7])")
    return escaped.replace(r"\{number\}", r"(?P<number>[1-9]\d*)")


RESNET38D = Naming(
    units=("b{level}", "b{level}_{number}"),
    second=1,
    layers={
        "conv1a": "conv1a",
        "bn_branch2a": "bn_branch2a",
        "res_branch1": "conv_branch1",
        "res_branch2a": "conv_branch2a",
        "bn_branch2b1": "bn_branch2b1",
        "res_branch2b1": "conv_branch2b1",
        "bn_branch2b2": "bn_branch2b2",
        "res_branch2b2": "conv_branch2b2",
        "bn7": "bn7",
    },
)


def _wider_resnet(norm: str = "", prefix: str = "") -> Naming:
    """Return the names of WiderResNet(A2); `norm` follows the names of batch normalizations."""
    return Naming(
        units=("mod{level}.block1", "mod{level}.block{number}"),
        second=2,
        layers={
            "conv1a": "mod1.conv1",
            "bn_branch2a": f"bn1{norm}",
            "res_branch1": "proj_conv",
            "res_branch2a": "convs.conv1",
            "bn_branch2b1": f"convs.bn2{norm}",
            "res_branch2b1": "convs.conv2",
            "bn_branch2b2": f"convs.bn3{norm}",
            "res_branch2b2": "convs.conv3",
            "bn7": f"bn_out{norm}",
            "linear": "classifier.fc",
        },
        prefix=prefix,
        inplace_abn=True,
    )


WIDER_RESNET = _wider_resnet()
WRN38 = _wider_resnet(norm=".0", prefix=DATA_PARALLEL)
NAMINGS = (RESNET38D, WIDER_RESNET, WRN38)


# entries by which the prefix of a network's names is found
_FIRST_LAYERS = ("conv1a.weight", "mod1.conv1.weight", "conv1.weight")
_MOST_PREFIXES = 8  # that are tried; each unit of a ResNet gives a longer one


def find_prefix(keys: Collection[str]) -> str:
    """Return the prefix of a network's names among entries, such as 'module.backbone.'.

    It is empty if no name is known. Raises InputError if there are two networks.
    """
    for first in _FIRST_LAYERS:
        prefixes = dict.fromkeys(key[: -len(first)] for key in keys if key.endswith(first))
        own = sorted((p for p in prefixes if p[-1:] in ("", ".", "/")), key=len)[:_MOST_PREFIXES]
        below = {prefix: sum(key.startswith(prefix) for key in keys) for prefix in own}
        best = [prefix for prefix in own if below[prefix] == max(below.values())]
        if len(best) > 1:
            raise InputError(
                f"contains two networks, below `{best[0]}` and `{best[1]}`: save one of them alone"
            )
        if best:
            return best[0]
    return ""


def common_prefix(keys: Iterable[str]) -> str:
    """Return the common prefix of all names up to a dot or slash, such as 'my/'; may be empty."""
    shared = ""
    for parts in zip(*(re.findall(r"[^./]*[./]", key) for key in keys)):
        if len(set(parts)) > 1:
            break
        shared += parts[0]
    return shared


class Renamed(NamedTuple):
    """Entries by their new names, and the old names of those that have no new one."""

    entries: Dict[str, np.ndarray]
    left: List[str]


def is_ours(name: str) -> bool:
    """Return whether a name has the form of the original's."""
    return _OURS.fullmatch(name) is not None


def rename_to_theirs(parameters: Mapping[str, np.ndarray], naming: Naming) -> Renamed:
    """Rename parameters to a project's names; leave a classifier that its network cannot have.

    Raises InputError for features that the project has no name for.
    """
    linear = all(a.ndim <= 2 for name, a in parameters.items() if is_classifier(name))
    entries, left = {}, []
    for name, array in parameters.items():
        theirs = naming.theirs(name) if linear or not is_classifier(name) else None
        if theirs is not None:
            entries[theirs] = array
        elif is_classifier(name):
            left.append(name)
        else:
            raise InputError(f"{name}: the PyTorch network has no such layer (it has no level 1)")
    return Renamed(entries, left)


def find_naming(arrays: Mapping[str, np.ndarray]) -> Optional[Naming]:
    """Return the row of NAMINGS that knows most entries, None if no row knows any."""
    naming = max(NAMINGS, key=lambda naming: _known(arrays, naming))
    return naming if _known(arrays, naming) else None


def _known(arrays: Mapping[str, np.ndarray], naming: Naming) -> int:
    return sum(naming.ours(key, array.shape) is not None for key, array in arrays.items())


def rename_to_ours(arrays: Mapping[str, np.ndarray], naming: Naming) -> Renamed:
    """Rename a project's entries to our names; leave unknown ones, drop counters of steps.

    Raises InputError when two entries stand for the same parameter.
    """
    entries, left = {}, []
    for key, array in arrays.items():
        name = naming.ours(key, array.shape)
        if name in entries:
            raise InputError(f"two entries stand for {name}")
        if name is not None:
            entries[name] = array
        elif not key.endswith(COUNTER):
            left.append(key)
    return Renamed(entries, left)
