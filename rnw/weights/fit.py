"""Which network a set of parameters is for, and whether it fits that network."""

import contextlib
import re
from pathlib import Path
from typing import Iterable, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from rnw.errors import InputError, naming
from rnw.files import PathLike
from rnw.networks.layers import Parameter, is_classifier
from rnw.networks.layout import LINEAR, SEGMENTATION_CLASSIFIERS, NetworkConfig, configure
from rnw.networks.zoo import (
    ALL_STRIDED,
    LEVEL_SHAPES,
    LEVELS,
    RESNET_CHANNELS,
    RESNETS,
    SMALL_RESNET_CHANNELS,
    SMALL_RESNETS,
    STEM_CHANNELS,
    NetworkSpec,
    find_network,
)
from rnw.weights.labels import ModelLabel, parse_label, plain_name
from rnw.weights.names import common_prefix

Shape = Tuple[int, ...]

LISTED = 6  # the most entries that are named one by one

_OTHER_SUFFIXES = (".safetensors", ".npz", ".pth", ".pt", ".onnx")
_UNIT = re.compile(r"(?:bn|res)([1-7])([ab]\d*)_branch")
_BIAS = re.compile(r"(?:res\w+_branch\w+|conv1a)_bias")
_ANOTHER_NETWORK = " (it is probably for another network)"


def label_of(path: PathLike) -> ModelLabel:
    """Return the label in the name of a weights file of any format.

    Raises InputError when the name does not have that form.
    """
    name = Path(plain_name(path))
    if name.suffix == ".tar":  # .pth.tar, by which name some projects keep PyTorch files
        name = name.with_suffix("")
    if name.suffix in _OTHER_SUFFIXES:
        with contextlib.suppress(InputError):
            return parse_label(name.with_suffix(".params"))
    return parse_label(path)


def structure_of(path: PathLike, parameters: Mapping[str, np.ndarray]) -> NetworkConfig:
    """Return a network with the units, width and classifier inferred from parameters.

    How it down-samples cannot be inferred. Raises InputError for entries that are missing,
    unexpected or wrongly shaped, and for a ResNet of unknown depth.
    """
    shapes = {name: tuple(array.shape) for name, array in parameters.items()}
    with naming(path):
        config = configure(
            _spec_of(shapes),
            classes_of(shapes),
            width=width_of(shapes),
            channels=channels_of(shapes),
            classifier=kind_of_classifier(shapes),
            head="logits" if _linear(shapes) else "features",
        )
    check_parameters(config, config.parameters(), shapes, path)
    return config


def _spec_of(names: Iterable[str]) -> NetworkSpec:
    found = {match.groups() for match in map(_UNIT.match, names) if match}
    units = [len({unit for at, unit in found if at == str(level)}) for level in range(1, 8)]
    if is_resnet(names):
        return resnet_of(units[1:5])
    units[1:] = [max(1, number) for number in units[1:]]
    return NetworkSpec("-".join(map(str, (224, *units))), 224, tuple(units), ALL_STRIDED)


def is_resnet(names: Iterable[str]) -> bool:
    """Return whether parameters are those of a ResNet's units, whose branches have letters."""
    return any("_branch2b_" in name for name in names)


def resnet_of(units: Sequence[int]) -> NetworkSpec:
    """Return the ResNet with these numbers of units on levels 2 to 5.

    Raises InputError for other numbers than those of RESNETS and SMALL_RESNETS.
    """
    found = tuple(number for number in units if number)
    known = {**RESNETS, **SMALL_RESNETS}
    for name, numbers in known.items():
        if numbers == found:
            return find_network(name)
    raise InputError(
        f"has the units of a ResNet, {'-'.join(map(str, units))} on levels 2 to 5, expected those "
        f"of {', '.join(known)}"
    )


def is_folded(names: Iterable[str]) -> bool:
    """Return whether parameters are those of a network whose normalizations are folded."""
    return any(map(_BIAS.fullmatch, names))


def kind_of_classifier(shapes: Mapping[str, Shape]) -> str:
    """Return the kind of classifier, LINEAR or a key of SEGMENTATION_CLASSIFIERS."""
    weights = ("conv6a_weight", *_linear(shapes))
    convolutions = sum(len(shapes.get(name, ())) == 4 for name in weights)
    kinds = {count: kind for kind, count in SEGMENTATION_CLASSIFIERS.items()}
    return kinds.get(convolutions, LINEAR)


def _linear(names: Iterable[str]) -> List[str]:
    return [n for n in names if n.startswith("linear") and n.endswith("_weight")]


def classes_of(shapes: Mapping[str, Shape]) -> Optional[int]:
    """Return the number of classes of the classifier, None without one."""
    return next((shapes[name][0] for name in _linear(shapes) if shapes[name]), None)


def channels_of(shapes: Mapping[str, Shape]) -> Optional[int]:
    """Return the number of input channels, None without the first convolution."""
    stems = (shapes.get(name, ()) for name in ("conv1a_weight", "conv1_weight"))
    return next((shape[1] for shape in stems if len(shape) == 4), None)


# a layer and its channels at width 1, the widest first; two are those of ResNets
_WIDTHS = {
    "bn7_gamma": LEVEL_SHAPES[LEVELS].channels[-1],
    "bn5a_branch2c_gamma": 4 * RESNET_CHANNELS[5],
    "bn4a_branch2b_gamma": SMALL_RESNET_CHANNELS[4],
    **{f"res{n}a_branch1_weight": LEVEL_SHAPES[n].channels[-1] for n in range(LEVELS, 1, -1)},
    "conv1a_weight": STEM_CHANNELS,
}


def width_of(shapes: Mapping[str, Shape]) -> float:
    """Return the width of the network, inferred from its widest layer."""
    for name, channels in _WIDTHS.items():
        if shapes.get(name):
            return shapes[name][0] / channels
    return 1.0


def check_parameters(
    config: NetworkConfig,
    expected: Iterable[Parameter],
    found: Mapping[str, Shape],
    path: PathLike,
    *,
    allow_missing: bool = False,
    ignore_extra: bool = False,
) -> None:
    """Raise one InputError for all entries that are missing, unexpected or wrongly shaped."""
    shapes = {parameter.name: parameter.shape for parameter in expected}
    missing = {n: s for n, s in shapes.items() if n not in found}
    unexpected = {n: s for n, s in found.items() if n not in shapes}
    wrongly_shaped = {n: s for n, s in shapes.items() if n in found and tuple(found[n]) != s}
    cause = _probable_cause(config, missing, unexpected, wrongly_shaped, found)
    problems = []
    if missing and not allow_missing:
        problems += _problem("missing", _with_shapes(missing), len(shapes))
    if unexpected and not ignore_extra:
        problems += _problem("unexpected", _with_shapes(unexpected), len(found))
    problems += _problem(
        "wrongly shaped",
        [f"{n}: expected {s}, found {tuple(found[n])}" for n, s in wrongly_shaped.items()],
        len(shapes),
    )
    if problems:
        raise InputError(f"{path}: does not fit {describe(config)}{cause}: " + "; ".join(problems))


def describe(config: NetworkConfig) -> str:
    """Return a short description of a network, for messages."""
    width = "" if config.width == 1 else f", width {config.width:g}"
    channels = "" if config.channels == 3 else f", {config.channels} input channels"
    kind = "features only" if config.head == "features" else f"{config.classes} classes"
    return f"{config.name} ({kind}{width}{channels})"


def _with_shapes(shapes: Mapping[str, Shape]) -> List[str]:
    return [f"{name} {tuple(shape)}" for name, shape in shapes.items()]


def _problem(what: str, entries: Sequence[str], total: int) -> List[str]:
    """Return a short description of wrong `entries` of a `total`, or an empty list."""
    if len(entries) <= LISTED:
        return [f"{what} {', '.join(entries)}"] * bool(entries)
    if 2 * len(entries) > total:
        return [f"most of the arrays are {what} ({len(entries)} of {total}, first {entries[0]})"]
    return [f"{what} {len(entries)} of {total} arrays, first {entries[0]}"]


def _probable_cause(
    config: NetworkConfig,
    missing: Mapping[str, Shape],
    unexpected: Mapping[str, Shape],
    wrongly_shaped: Mapping[str, Shape],
    found: Mapping[str, Shape],
) -> str:
    """Return the probable cause of the differences as " (...)", or an empty string."""
    if is_folded(unexpected):
        return (
            " (its normalizations are folded into its convolutions, which cannot be undone: take "
            "the file that it was made from)"
        )
    folder = common_prefix(unexpected)
    if folder and len(unexpected) == len(found):
        return f" (all entries lie below `{folder}`)"
    if missing and all(name.startswith("bn7_") for name in missing) and not wrongly_shaped:
        return (
            " (a backbone without its last normalization, bn7, as in segmentation networks, which "
            "put layers of their own in its place: features need it)"
        )
    if not all(is_classifier(n) for n in [*missing, *unexpected, *wrongly_shaped]):
        width = "conv1a_weight" in wrongly_shaped
        return " (it probably has another width)" if width else _ANOTHER_NETWORK
    weights = [found[name] for name in _linear(found) if found[name]]
    if config.head == "features":
        return " (it has a classifier, too: pass ignore_extra=True to skip it)" * bool(unexpected)
    if not weights:
        return " (it probably has features only: use head='features')" * bool(missing)
    causes = []
    if weights[0][0] != config.classes:
        causes.append(f"is for {weights[0][0]} classes")
    if kind_of_classifier(found) != config.classifier:
        causes.append("has another kind of classifier")
    return f" (it {' and '.join(causes)})" if causes else ""
