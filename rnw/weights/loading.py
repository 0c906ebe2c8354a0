"""Networks filled from weights files, and saved to them."""

import logging
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from rnw.errors import InputError
from rnw.files import PathLike
from rnw.networks.layers import Parameter, is_classifier, parameter_kind
from rnw.networks.layout import NetworkConfig, unused_features
from rnw.weights.choices import MODULE
from rnw.weights.fit import channels_of, check_parameters
from rnw.weights.formats import read_parameters, write_parameters
from rnw.weights.meaning import Meaning, differences, find_meaning, meaning_of
from rnw.weights.metadata import network_metadata

if TYPE_CHECKING:
    from rnw.networks.classifier import Network

logger = logging.getLogger(__name__)


def load_params(
    net: "Network",
    path: PathLike,
    ctx: Optional[Any] = None,
    *,
    allow_missing: bool = False,
    ignore_extra: bool = False,
) -> None:
    """Fill `net` from a weights file of any supported format.

    ctx: a context or a list of them, for a network that is not initialized yet; default: the
        current context.
    allow_missing: leave parameters that are not in the file as they are.
    ignore_extra: skip entries that the network does not have (for features, what is above them).

    Names in files are bare, whatever the `prefix` of the network.

    Logs a warning where the pooling or the epsilon of the network is not that of the graph beside
    the file, or of the table of released files.

    Raises InputError, before anything is changed, when the file cannot be read or does not fit.
    """
    found = read_parameters(path)
    notes = _differences(net.config, path, found)
    _fill(net, found, path, ctx, allow_missing, ignore_extra)
    for note in notes:
        logger.warning("%s: %s", path, note)


def _differences(config: NetworkConfig, path: PathLike, found: Dict[str, np.ndarray]) -> List[str]:
    meaning = find_meaning(path, found)
    return differences(meaning, config) if meaning else []


def _fill(
    net: "Network",
    found: Dict[str, np.ndarray],
    path: PathLike,
    ctx: Optional[Any] = None,
    allow_missing: bool = False,
    ignore_extra: bool = False,
) -> None:
    parameters = net.named_parameters
    expected = [Parameter(n, parameter_kind(n), tuple(p.shape)) for n, p in parameters.items()]
    check_parameters(
        net.config,
        expected,
        {name: array.shape for name, array in found.items()},
        path,
        allow_missing=allow_missing,
        ignore_extra=ignore_extra,
    )
    for name, parameter in parameters.items():
        if name not in found:
            continue
        if parameter._data is None:
            parameter.initialize(init="zeros", ctx=ctx, default_init="zeros")
        _set(parameter, found[name])


def _set(parameter: Any, values: np.ndarray) -> None:
    """Set a parameter, whatever layout oneDNN has given it: MXNet copies arrays of its own only."""
    from mxnet.ndarray import array  # rnw.weights itself is of use without MXNet

    parameter.set_data(array(values, dtype=values.dtype))


class Transfer(NamedTuple):
    """What a warm start did with each parameter, by name.

    taken: copied from the file. reinitialized: kept at their initial values. left: entries of the
    file that were not used. notes: differences from the network that the weights were trained for.
    """

    taken: List[str]
    reinitialized: List[str]
    left: List[str]
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        parts = [f"{len(self.taken)} entries taken"]
        parts += [f"re-initialized: {', '.join(self.reinitialized)}"] * bool(self.reinitialized)
        parts += [f"left in the file: {', '.join(self.left)}"] * bool(self.left)
        return "; ".join([*parts, *self.notes])


def warm_start(net: "Network", path: PathLike) -> Transfer:
    """Set an initialized network to the weights of a related network, as far as they fit.

    Model A, A1 and A2 are related, at any stride and with any classifier. A layer of the classifier
    whose weight or bias does not fit keeps its initial values; so does the first convolution where
    only the number of input channels differs. Returns what was transferred.

    Raises InputError, before anything is changed, when features are missing, unexpected or wrongly
    shaped, and for numbers that are not finite.
    """
    found = read_parameters(path)
    transfer = plan_transfer(net.config, found, path)
    for name in transfer.taken:
        _set(net.named_parameters[name], found[name])
    return transfer


def plan_transfer(config: NetworkConfig, found: Dict[str, np.ndarray], path: PathLike) -> Transfer:
    """Return what `warm_start` transfers to a network from the parameters found in a file.

    Raises InputError as that does.
    """
    _check_features(config, found, path)
    shapes = {n: shape for layer in config.layers for n, shape in layer.parameters().items()}
    misfits = {_layer(n) for n, s in shapes.items() if n not in found or found[n].shape != s}
    fits = {name for name in shapes if _layer(name) not in misfits}
    notes = _differences(config, path, found)
    spoilt = [name for name in found if name in fits and not np.isfinite(found[name]).all()]
    if spoilt:  # activations may hide it: ReLU turns NaN into 0
        raise InputError(f"{path}: not all its numbers are finite: {', '.join(spoilt)}")
    return Transfer(
        [name for name in shapes if name in fits],
        [name for name in shapes if name not in fits],
        [name for name in found if name not in fits],
        notes,
    )


def _check_features(config: NetworkConfig, found: Dict[str, np.ndarray], path: PathLike) -> None:
    """Raise InputError unless everything between the input and the classifier fits."""
    shapes = {name: array.shape for name, array in found.items()}
    stem = f"{config.stem.name}_weight"
    left = {name for name in shapes if is_classifier(name)} | unused_features(config)
    if channels_of(shapes) not in (None, config.channels):
        left.add(stem)
    check_parameters(
        config,
        [p for p in config.parameters() if not is_classifier(p.name) and p.name not in left],
        {name: shape for name, shape in shapes.items() if name not in left},
        path,
    )


def _layer(name: str) -> str:
    return name.rpartition("_")[0]


def save_params(net: "Network", path: PathLike, to: str = MODULE) -> None:
    """Write the parameters of `net` in the published format (`to='module'`) or another one.

    to: a format of `rnw.weights.choices`, except ONNX; a safetensors file also says which network
        it is for.

    Moving averages are the mean over the network's devices. The file is written completely or not
    at all.
    """
    metadata = network_metadata(net.config)
    write_parameters(path, parameter_values(net), to, metadata=metadata)


def parameter_values(net: "Network") -> Dict[str, np.ndarray]:
    """Return the parameters of `net` by bare names; moving averages are the mean over devices."""
    wait_for_statistics()
    return {name: _value(name, p.list_data()) for name, p in net.named_parameters.items()}


def wait_for_statistics() -> None:
    """Wait until moving averages can be read.

    MXNet updates them in the backward pass without registering the write with its engine, so that
    reading them does not wait by itself.
    """
    from mxnet.ndarray import waitall  # starts MXNet

    waitall()


def _value(name: str, copies: List[Any]) -> np.ndarray:
    if parameter_kind(name) == "arg" or len(copies) == 1:
        return copies[0].asnumpy()
    return np.mean([copy.asnumpy() for copy in copies], axis=0)


def load_network(
    path: PathLike, ctx: Optional[Any] = None, *, prefix: str = "", **options: Any
) -> "Network":
    """Build the network that a weights file is for and fill it (see `rnw.weights.meaning`).

    ctx: a context or a list of them; default: the current context.
    prefix, options: those of `rnw.get_network`, such as `pooling` and `head`.

    Raises InputError when the file cannot be read, when the network follows neither from its name
    nor from a graph beside it, when these contradict each other, and when the parameters do not
    fit.
    """
    return load_with_meaning(path, ctx, prefix=prefix, **options).net


class Recognized(NamedTuple):
    """The parameters in a weights file, by name, and how their network was recognized."""

    meaning: Meaning
    parameters: Dict[str, np.ndarray]


def read_with_meaning(path: PathLike, **options: Any) -> Recognized:
    """Return what a weights file holds without building the network, which needs MXNet.

    options: those of `rnw.get_network`, such as `pooling` and `head`.

    Raises InputError as `load_network` does.
    """
    found = read_parameters(path)
    return Recognized(meaning_of(path, found, **options), found)


def make_network(
    config: NetworkConfig,
    parameters: Mapping[str, np.ndarray],
    ctx: Optional[Any] = None,
    prefix: str = "",
) -> "Network":
    """Return a network with these parameters, which fit it; default context: the current one."""
    from rnw.networks.classifier import Network  # starts MXNet

    net = Network(config, prefix)
    for name, parameter in net.named_parameters.items():
        parameter.initialize(init="zeros", ctx=ctx, default_init="zeros")
        _set(parameter, parameters[name])
    return net


class Loaded(NamedTuple):
    """A network filled from a file, and how it was recognized."""

    net: "Network"
    meaning: Meaning


def load_with_meaning(
    path: PathLike, ctx: Optional[Any] = None, *, prefix: str = "", **options: Any
) -> Loaded:
    """Return the network as `load_network` does, and how it was recognized."""
    meaning, found = read_with_meaning(path, **options)
    return Loaded(make_network(meaning.config, found, ctx, prefix), meaning)
