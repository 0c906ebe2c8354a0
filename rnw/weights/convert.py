"""Names of parameters in the files that MXNet users keep, and from one kind of file to another.

The published files and Module's have `arg:<name>` and `aux:<name>`; Gluon's `save_parameters`
writes `<block>.<name>`, `ParameterDict.save` just `<name>`. `<name>` is the original's in all.
"""

import re
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Tuple

import numpy as np

from rnw.errors import InputError
from rnw.files import PathLike
from rnw.networks.layout import (
    LINEAR,
    SEGMENTATION_CLASSIFIERS,
    NetworkConfig,
    Parameter,
    configure,
    parameter_kind,
)
from rnw.networks.zoo import find_network
from rnw.weights.labels import ModelLabel, parse_label
from rnw.weights.ndarray_file import read_arrays, write_arrays

MODULE = "module"  # the published files
GLUON = "gluon"
FORMATS = (MODULE, GLUON)

Shape = Tuple[int, ...]

_ANOTHER_NETWORK = " (it is probably for another network)"
_IN_UNIT = re.compile(r"(?:bn|res)(\d[ab]\d*)_branch")
_IN_PLAIN_BLOCK = re.compile(r"(conv1a|bn7)_")


def read_parameters(path: PathLike) -> Dict[str, np.ndarray]:
    """Parameters of a file of any of the three kinds, by the original's names, in file order.

    Raises InputError for a file that cannot be read or names one parameter twice.
    """
    arrays = read_arrays(path)
    named = {_plain_name(key): array for key, array in arrays.items()}
    if len(named) != len(arrays):
        raise InputError(f"{path}: two entries stand for the same parameter")
    return named


def write_parameters(path: PathLike, parameters: Mapping[str, np.ndarray], to: str) -> None:
    """Write parameters under the original's names as a MODULE or a GLUON file.

    Raises InputError for another format.
    """
    if to not in FORMATS:
        raise InputError(f"unknown format {to!r}: expected one of {', '.join(FORMATS)}")
    key = _module_key if to == MODULE else _gluon_key
    write_arrays(path, {key(name): parameters[name] for name in module_order(parameters)})


def convert(source: PathLike, target: PathLike, to: str, *, overwrite: bool = False) -> None:
    """Turn a weights file of either kind into a MODULE or a GLUON one.

    Raises InputError for a file that cannot be read, an unknown format, and a target that exists
    when `overwrite` is not set.
    """
    if Path(target).exists() and not overwrite:
        raise InputError(f"{target}: exists already; choose another name, or pass --overwrite")
    write_parameters(target, read_parameters(source), to)


def module_order(names: Iterable[str]) -> List[str]:
    """Everything that is learnt, then the moving averages, each in the order given."""
    return sorted(names, key=lambda name: parameter_kind(name) == "aux")


def _plain_name(key: str) -> str:
    return key.split(":", 1)[-1].rsplit(".", 1)[-1]


def _module_key(name: str) -> str:
    return f"{parameter_kind(name)}:{name}"


def _gluon_key(name: str) -> str:
    """The structural name in our networks: the child block's name, a dot, the parameter's own."""
    unit = _IN_UNIT.match(name)
    if unit:
        return f"res{unit[1]}.{name}"
    plain = _IN_PLAIN_BLOCK.match(name)
    return f"{plain[1] if plain else 'classifier'}.{name}"


def network_of(path: PathLike, parameters: Mapping[str, np.ndarray], **options) -> NetworkConfig:
    """The network that a weights file is for, from its name and the shapes in it.

    The label gives network, classes and stride; the shapes the width and the kind of classifier.
    `options` are further ones of `configure`.

    Raises InputError when the name is no label or the label does not fit what is in the file.
    """
    label = parse_label(path)
    shapes = {name: tuple(array.shape) for name, array in parameters.items()}
    try:
        config = _configure(label, shapes, options)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if config.head == "features":
        shapes = {name: shape for name, shape in shapes.items() if not is_classifier(name)}
    check_parameters(config, config.parameters(), shapes, path)
    return config


def _configure(label: ModelLabel, shapes: Mapping[str, Shape], options: dict) -> NetworkConfig:
    spec = find_network(label.network)
    return configure(
        spec,
        label.classes,
        width=_width(shapes),
        stride=spec.stride if label.stride is None else label.stride,
        classifier=_kind_of_classifier(shapes),
        **options,
    )


def _kind_of_classifier(shapes: Mapping[str, Shape]) -> str:
    weights = ("conv6a_weight", *_linear(shapes))
    convolutions = sum(len(shapes.get(name, ())) == 4 for name in weights)
    kinds = {count: kind for kind, count in SEGMENTATION_CLASSIFIERS.items()}
    return kinds.get(convolutions, LINEAR)


def is_classifier(name: str) -> bool:
    """Whether a parameter lies above the features."""
    return name.startswith(("linear", "conv6"))


def _linear(names: Iterable[str]) -> List[str]:
    return [n for n in names if n.startswith("linear") and n.endswith("_weight")]


def _width(shapes: Mapping[str, Shape]) -> float:
    """Width of the network, from the widest layer: exact for widths that divide its channels."""
    channels = shapes.get("bn7_gamma") or (4096,)
    return channels[0] / 4096


def check_parameters(
    config: NetworkConfig,
    expected: Iterable[Parameter],
    found: Mapping[str, Shape],
    path: PathLike,
    *,
    allow_missing: bool = False,
    ignore_extra: bool = False,
) -> None:
    """Raise one InputError that lists all entries that are missing, surplus or misshaped."""
    shapes = {parameter.name: parameter.shape for parameter in expected}
    missing = {n: s for n, s in shapes.items() if n not in found}
    surplus = {n: s for n, s in found.items() if n not in shapes}
    misshaped = {n: s for n, s in shapes.items() if n in found and tuple(found[n]) != s}
    cause = _probable_cause(config, missing, surplus, misshaped, found)
    problems = []
    if missing and not allow_missing:
        problems.append("missing " + _listing(missing))
    if surplus and not ignore_extra:
        problems.append("surplus " + _listing(surplus))
    if misshaped:
        problems.append(
            "misshaped "
            + ", ".join(f"{n}: expected {s}, found {tuple(found[n])}" for n, s in misshaped.items())
        )
    if problems:
        raise InputError(f"{path}: does not fit {describe(config)}{cause}: " + "; ".join(problems))


def describe(config: NetworkConfig) -> str:
    """A network in a few words, for messages."""
    width = "" if config.width == 1 else f", width {config.width:g}"
    kind = "features only" if config.head == "features" else f"{config.classes} classes"
    return f"{config.name} ({kind}{width})"


def _listing(shapes: Mapping[str, Shape]) -> str:
    return ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())


def _probable_cause(config, missing, surplus, misshaped, found) -> str:
    """What the differences most likely mean, as ' (...)', or nothing."""
    if not all(is_classifier(n) for n in [*missing, *surplus, *misshaped]):
        width = "conv1a_weight" in misshaped
        return " (it is probably of another width)" if width else _ANOTHER_NETWORK
    weights = [found[name] for name in _linear(found) if found[name]]
    if config.head == "features":
        return " (it holds a classifier too: pass ignore_extra=True to leave it)" * bool(surplus)
    if not weights:
        return " (it probably holds features only: use head='features')" * bool(missing)
    causes = []
    if weights[0][0] != config.classes:
        causes.append(f"is for {weights[0][0]} classes")
    if _kind_of_classifier(found) != config.classifier:
        causes.append("has another kind of classifier")
    return f" (it {' and '.join(causes)})" if causes else ""
