"""Recognition of the network that a weights file is for.

What the caller asks for comes first; then the graph beside the file, which must agree with the
file's name; then what the file says of itself; then the table of released files; then the name
alone; then the arrays, where one network only has them. Width and classifier are always inferred
from the shapes of the parameters, which must fit.
"""

import contextlib
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional

import numpy as np

from rnw.errors import InputError, naming
from rnw.files import PathLike
from rnw.networks.layers import BN_EPSILON, is_classifier
from rnw.networks.layout import NetworkConfig, configure, fold, unused_features
from rnw.networks.zoo import NetworkSpec, ResNetSpec, find_network, find_trunk, network_names
from rnw.weights.containers import read_metadata
from rnw.weights.fit import (
    channels_of,
    check_parameters,
    classes_of,
    describe,
    is_folded,
    kind_of_classifier,
    label_of,
    structure_of,
    width_of,
)
from rnw.weights.labels import ModelLabel
from rnw.weights.metadata import PRODUCER, Metadata, named_network
from rnw.weights.released import released_row
from rnw.weights.symbol_file import graph_beside, network_of_graph

BY_NAME, BY_TABLE = "the file name", "the table of released files"
BY_METADATA, BY_ARRAYS = "the metadata in the file", "its arrays"


class Meaning(NamedTuple):
    """The network that a weights file is for.

    told_by: by what it was recognized. dataset: the one in the file's metadata or name, whether it
    is in the catalog or not; empty without both.
    """

    config: NetworkConfig
    told_by: str
    dataset: str = ""

    def __str__(self) -> str:
        return f"{self.network}, according to {self.told_by}"

    @property
    def network(self) -> str:
        """A description of the network with all that it computes by."""
        config = self.config
        pooling = f", pooling {config.pooling!r}" if config.pooled else ""
        epsilon = f", epsilon {config.epsilon:g}" if config.epsilon != BN_EPSILON else ""
        return f"{describe(config)}, stride {config.stride}{pooling}{epsilon}"

    def as_dict(self) -> Dict[str, Any]:
        """Return everything in plain types."""
        names = ("name", "classes", "width", "classifier", "stride", "pooling", "epsilon")
        fields = {name: getattr(self.config, name) for name in names}
        return {**fields, "recognized_by": self.told_by}


class Clues(NamedTuple):
    """What indicates the network of a weights file besides its parameters.

    label: in its name, None without one. graph: beside it, None without one. metadata: in it, if
    it is ours.
    """

    label: Optional[ModelLabel]
    graph: Optional[Path]
    metadata: Metadata

    @property
    def dataset(self) -> str:
        """The name of the dataset, empty where nothing tells it."""
        named = self.label.dataset if self.label else ""
        return self.metadata.get("dataset", named)


def find_clues(path: PathLike) -> Clues:
    """Return what a weights file of any format, its name, and what lies beside it tell."""
    label = None
    with contextlib.suppress(InputError):
        label = label_of(path)
    said = read_metadata(path) if Path(path).is_file() else {}
    return Clues(label, graph_beside(path), said if said.get("producer") == PRODUCER else {})


class _Told(NamedTuple):
    """A network, options of `configure` for it, and what indicates both."""

    spec: NetworkSpec
    options: Dict[str, Any]
    by: str


def meaning_of(
    path: PathLike,
    parameters: Mapping[str, np.ndarray],
    *,
    network: Optional[str] = None,
    clues: Optional[Clues] = None,
    **options: Any,
) -> Meaning:
    """Return the network that a weights file with these parameters is for.

    network: the network that they belong to, whatever the name or a graph says.
    clues: those of the file, if they have been found already.
    options: options of `configure`, which override what was recognized.

    Raises InputError when nothing indicates the network, when the graph contradicts the file's
    name, and when the parameters do not fit.
    """
    clues = clues or find_clues(path)
    graph = clues.graph
    if graph is None:
        told = _told_by_file(path, clues, parameters, network)
    else:
        told = _told_by_graph(path, graph, clues.label if network is None else None)
    spec = told.spec if network is None else find_trunk(network)
    with _saying(f" (the network is that of {told.by})" if graph else ""):
        config = _fit(path, spec, {**told.options, **options}, parameters)
    asked = [f"network {network}"] * (network is not None and spec != told.spec)
    asked += [
        f"{name} {value!r}"
        for name, value in options.items()
        if told.options.get(name, value) != value
    ]
    by = told.by + (f" except {', '.join(asked)}" if asked else "")
    return Meaning(config, by, clues.dataset)


def _fit(
    path: PathLike,
    spec: NetworkSpec,
    options: Mapping[str, Any],
    parameters: Mapping[str, np.ndarray],
) -> NetworkConfig:
    """Return the network of these parameters; infer from shapes what the options leave open."""
    shapes = {name: tuple(array.shape) for name, array in parameters.items()}
    usual = {
        "classes": classes_of(shapes),
        "width": width_of(shapes),
        "channels": channels_of(shapes),
        "classifier": kind_of_classifier(shapes),
    }
    with naming(path):
        config = configure(spec, **{**usual, **options})
    config = fold(config) if is_folded(shapes) else config
    if config.head == "features":
        unused = unused_features(config)
        shapes = {n: s for n, s in shapes.items() if not is_classifier(n) and n not in unused}
    check_parameters(config, config.parameters(), shapes, path)
    return config


def find_meaning(path: PathLike, parameters: Mapping[str, np.ndarray]) -> Optional[Meaning]:
    """Return the features according to a graph beside a file or the table of released files.

    Returns None where there is neither. Raises InputError as `meaning_of` does.
    """
    clues = find_clues(path)
    if clues.graph is None and named_network(clues.metadata) is None and released_row(path) is None:
        return None
    return meaning_of(path, parameters, clues=clues, head="features")


def _told_by_file(
    path: PathLike,
    clues: Clues,
    parameters: Mapping[str, np.ndarray],
    network: Optional[str],
) -> _Told:
    """What a file without a graph beside it tells; only where it tells nothing, what is asked."""
    with naming(path):
        said = named_network(clues.metadata)
    if said is not None:
        return _Told(*said, BY_METADATA)
    if clues.label is not None and (network is None or _named_network(clues.label)):
        return _told_by_name(path, clues.label)
    if network is not None:
        return _Told(find_trunk(network), {}, "the requested network")
    return _Told(_network_of_arrays(path, parameters), {}, BY_ARRAYS)


def _network_of_arrays(path: PathLike, parameters: Mapping[str, np.ndarray]) -> NetworkSpec:
    """Return the only network that has these arrays; raise InputError where several may."""
    found = structure_of(path, parameters)
    only = only_network(found)
    if only is not None:
        return only
    fitting = ", ".join(spec.name for spec in _networks_alike(found.spec)) or "a network"
    units = "-".join(map(str, found.spec.units))
    with _saying(
        "; or name it by --network, where the command has that, or in training by "
        f"--set network=NAME: the arrays are those of {fitting} with {units} units on levels 1 to "
        f"7, width {found.width:g}"
    ):
        label_of(path)  # raises
    return found.spec


def only_network(structure: NetworkConfig) -> Optional[NetworkSpec]:
    """Return the only network with the arrays of a structure: a ResNet, or one of Table 1.

    Returns None where several have them. Narrow ones are networks of one's own, whose arrays do not
    tell the size of pictures, on which it depends how they are downsampled.
    """
    if isinstance(structure.spec, ResNetSpec):
        return structure.spec
    same = _networks_alike(structure.spec)
    return same[0] if len(same) == 1 and structure.width == 1 else None


def _networks_alike(spec: NetworkSpec) -> List[NetworkSpec]:
    """Return the networks of the table with these units, whose arrays are the same."""
    return [known for known in map(find_network, network_names()) if known.units == spec.units]


def _told_by_name(path: PathLike, label: ModelLabel) -> _Told:
    with naming(path):
        spec = find_network(label.network)
    row = released_row(path)
    options = {
        "classes": label.classes,
        "stride": spec.stride if label.stride is None else label.stride,
        "pooling": row.pooling if row else "pad",
    }
    return _Told(spec, options, BY_TABLE if row else BY_NAME)


def _told_by_graph(path: PathLike, graph: Path, label: Optional[ModelLabel]) -> _Told:
    with _saying(f"; move it away to use the name of {Path(path).name} instead"):
        config = network_of_graph(graph)
    names = ["width", "stride", "dropout", "frozen_statistics", "epsilon"]
    names += ["pooling"] * config.pooled
    options = {name: getattr(config, name) for name in names}
    if config.head != "features":
        options.update(classes=config.classes, classifier=config.classifier)
    named = _named_network(label)
    if label is not None:
        _check_label(path, graph, label, named, config)
    return _Told(named or config.spec, options, graph.name)


def _named_network(label: Optional[ModelLabel]) -> Optional[NetworkSpec]:
    """Return the network in a label, None for an unknown one."""
    with contextlib.suppress(InputError):
        return find_network(label.network) if label else None
    return None


def _check_label(
    path: PathLike,
    graph: Path,
    label: ModelLabel,
    named: Optional[NetworkSpec],
    config: NetworkConfig,
) -> None:
    """Raise InputError where name and graph contradict each other."""
    problems = []
    spec = config.spec
    if named and (named.units, named.downsampling) != (spec.units, spec.downsampling):
        problems.append(f"network {label.network} and {spec.name}{_entered(spec, named)}")
    if config.head != "features" and label.classes != config.classes:
        problems.append(f"{label.classes} and {config.classes} classes")
    if label.stride not in (None, config.stride):
        problems.append(f"stride {label.stride} and {config.stride}")
    if problems:
        raise InputError(
            f"{path}: its name and the graph beside it, {graph.name}, contradict each other: "
            f"{', '.join(problems)}; rename the file, or move the graph away"
        )


def _entered(spec: NetworkSpec, other: NetworkSpec) -> str:
    """Return how levels 2 to 6 are entered, if two networks differ only in that."""
    if spec.units != other.units:
        return ""
    return f" (levels 2 to 6 entered by {', '.join(str(how) for how in spec.downsampling)})"


@contextlib.contextmanager
def _saying(more: str) -> Iterator[None]:
    """Append `more` to the message of an InputError."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{error}{more}") from None


def differences(meaning: Meaning, config: NetworkConfig) -> List[str]:
    """Return how `config` differs from the network that a file's weights were trained for.

    Differences between related networks do not count: down-sampling, stride, dropout, classifier.
    """
    there = meaning.config
    options = ("epsilon", "pooling") if there.pooled and config.pooled else ("epsilon",)
    return [
        f"{name} is {getattr(config, name)!r} here, {getattr(there, name)!r} in {meaning.told_by}"
        for name in options
        if getattr(there, name) != getattr(config, name)
    ]
