"""TABLE of the formats of weights, and conversion from one to another.

Published files and those of Module have entries `arg:<name>` and `aux:<name>`; Gluon's
`save_parameters` writes `<block>.<name>`, `ParameterDict.save` just `<name>`, as do the other
formats here. `<name>` is the original's in all. PyTorch projects have their own names (`names.py`).
"""

import contextlib
import logging
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
)

import numpy as np

from rnw.errors import InputError, look_up, naming
from rnw.files import PathLike, check_free
from rnw.networks.inputs import IMAGENET, Normalization
from rnw.networks.layers import BN_EPSILON, parameter_kind
from rnw.networks.layout import NetworkConfig, configure, fold, foldable
from rnw.networks.zoo import ALL_POOLED, ALL_STRIDED, TOP_STRIDED, ResNetSpec
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
from rnw.weights.fit import structure_of
from rnw.weights.meaning import (
    Meaning,
    differences,
    find_clues,
    find_meaning,
    meaning_of,
    only_network,
)
from rnw.weights.metadata import Metadata, describe_file, named_network
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
from rnw.weights.onnx_file import require
from rnw.weights.onnx_graph import write_onnx
from rnw.weights.onnx_nodes import OPSET, GraphForm, Size
from rnw.weights.released import released_row
from rnw.weights.resnet_names import rename_resnet
from rnw.weights.surgery import UNCHANGED, Surgery, fold_batch_norms, halve, listed
from rnw.weights.symbol_file import graph_beside
from rnw.weights.torch_file import STATE_DICT

logger = logging.getLogger(__name__)

MODULE = "module"  # the published files
GLUON = "gluon"
ONNX_GRAPH = "onnx"
PLAIN = "plain"
WRAPS: Dict[str, Container] = {PLAIN: TORCH, STATE_DICT: TORCH_CHECKPOINT}
FLOATS, BYTES = "float32", "uint8"
INPUTS = (FLOATS, BYTES)

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

    wrap: a key of WRAPS, 'state_dict' for a dictionary of that name around the weights, 'plain' for
    none. key_prefix: what all names of entries begin with, such as 'module.', or nothing.
    """

    wrap: Optional[str] = None
    key_prefix: Optional[str] = None


AS_USUAL = Packing()


@dataclass(frozen=True)
class Format:
    """A format of weights: names of entries, and file formats, of which the suffix selects one.

    help: a description. key: from a parameter's name to that of its entry. naming: the names of a
    PyTorch project. downsampling, units: how that project's network down-samples, and its units on
    each level if they are fixed.
    """

    help: str
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

        wrap: a key of WRAPS, in place of what the format does.

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
        return look_up(WRAPS, wrap, "wrapping")

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
    MODULE: Format(
        "MXNet's Module (arg: and aux: names, as the released files)", (PARAMS,), _module_key
    ),
    GLUON: Format("Gluon's load_parameters", (PARAMS,), _gluon_key),
    "safetensors": Format("safetensors file with the names of the released files", (SAFETENSORS,)),
    "npz": Format("NumPy file with the names of the released files", (NPZ,)),
    ONNX_GRAPH: Format("ONNX graph, for ONNX Runtime and others", (ONNX,)),
    "resnet38d": Format(
        "PyTorch: ResNet38 of PSA, SEAM and their family",
        (SAFETENSORS, TORCH, NPZ),
        naming=RESNET38D,
        downsampling=ALL_STRIDED,
        units=(0, 3, 3, 6, 3, 1, 1),
    ),
    "wider_resnet": Format(
        "PyTorch: WiderResNet of inplace_abn",
        (SAFETENSORS, TORCH, NPZ),
        naming=WIDER_RESNET,
        downsampling=ALL_POOLED,
    ),
    "wider_resnet_a2": Format(
        "PyTorch: WiderResNetA2 of inplace_abn",
        (SAFETENSORS, TORCH, NPZ),
        naming=WIDER_RESNET,
        downsampling=TOP_STRIDED,
    ),
    "wrn38": Format(
        "PyTorch: WiderResNetA2 of NVIDIA's semantic-segmentation",
        (SAFETENSORS, TORCH_CHECKPOINT, NPZ),
        naming=WRN38,
        downsampling=TOP_STRIDED,
    ),
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
    source = _read(path)
    if source.untold:
        logger.warning("%s: %s", path, source.untold)
    return {**source.parameters, **source.unknown}


class _Source(NamedTuple):
    """The content of a weights file.

    unknown: entries that are not parameters of ours. foreign: not a file of MXNet, so that its
    content may be anything. untold: a warning about what the file leaves open.
    """

    parameters: Dict[str, np.ndarray]
    unknown: Dict[str, np.ndarray]
    foreign: bool
    notes: Sequence[str] = ()
    untold: str = ""


def _read(path: PathLike) -> _Source:
    arrays = read_weights(path)
    with naming(path):
        prefix = find_prefix(arrays)
        below = {key[len(prefix) :]: a for key, a in arrays.items() if key.startswith(prefix)}
        beside = {key: array for key, array in arrays.items() if not key.startswith(prefix)}
        folder = common_prefix(key.split(":", 1)[-1] for key in arrays)
        notes = [f"all entries lie below `{folder}`"] * (folder not in ("", DATA_PARALLEL))
        scheme = find_naming(below)
        if scheme is None:
            foreign = container_of(path) is not PARAMS
            return _Source(_by_plain_names(below), beside, foreign, notes)
        renamed = rename_to_ours(below, scheme)
    left = {prefix + key: below[key] for key in renamed.left}
    untold = _untold_activation(renamed.entries) if scheme.inplace_abn else ""
    return _Source(renamed.entries, {**left, **beside}, True, notes, untold)


def _untold_activation(parameters: Mapping[str, np.ndarray]) -> str:
    return (
        "the file does not say whether InPlaceABN wrote it, which uses |gamma| for gamma "
        f"({_negative_gammas(parameters)} are negative here) and by default a leaky ReLU of slope "
        "0.01, where the networks of the paper have a ReLU"
    )


def _negative_gammas(parameters: Mapping[str, np.ndarray]) -> int:
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


@dataclass(frozen=True)
class GraphOptions:
    """Changes to the network when it is written as an ONNX graph; see `rnw.get_network`.

    softmax: give probabilities.
    fold_bn: fold normalizations into the convolutions before them; other formats take that too,
        where convolutions may have biases.
    input_type: one of INPUTS: BYTES for RGB pictures (batch, height, width, 3), which the graph
        normalizes; FLOATS for pictures that are normalized already.
    upsample, argmax, opset: see `rnw.weights.onnx_nodes.GraphForm`.
    """

    stride: Optional[int] = None
    pooling: Optional[str] = None
    softmax: bool = False
    fold_bn: bool = False
    input_type: str = FLOATS
    upsample: Union[str, Size, None] = None
    argmax: bool = False
    opset: int = OPSET

    def form(self, normalization: Normalization) -> GraphForm:
        """Return what the graph does besides its network, which takes pictures so normalized."""
        taken = normalization if self.input_type == BYTES else None
        return GraphForm(taken, self.upsample, self.argmax, self.opset)


AS_NAMED = GraphOptions()


class Conversion(NamedTuple):
    """The file that was written, and remarks about how it was made."""

    target: Path
    notes: List[str]


def convert(
    source: PathLike,
    target: PathLike,
    to: str,
    *,
    overwrite: bool = False,
    network: Optional[str] = None,
    surgery: Surgery = UNCHANGED,
    graph: GraphOptions = AS_NAMED,
    packing: Packing = AS_USUAL,
    normalization: Normalization = IMAGENET,
    dataset: Optional[Metadata] = None,
) -> Conversion:
    """Convert a weights file of any format to one of FORMATS.

    to: a key of FORMATS.
    network: the network that the weights belong to, whatever the file's name says: A, A1 and A2
        have the same parameters, but each must be trained to be accurate.
    surgery: changes to the parameters.
    graph: options of an ONNX graph.
    packing: where scripts of PyTorch look for the weights in a file.
    normalization: that of the weights' dataset, for a graph that takes bytes.
    dataset: what the new file says of its dataset, where its format has room for that, as
        `rnw.evaluation.summaries.dataset_of_weights` tells it.

    Raises InputError for a file that cannot be read, that lacks parameters or does not fit the
    format, for an unknown format, for options that it does not have, and for a target that exists
    when `overwrite` is not set.
    """
    form = find_format(to).with_prefix(packing.key_prefix)
    form.container(target, packing.wrap)  # refuses a name whose suffix selects no file format
    _check_options(to, graph)
    check_free(target, overwrite=overwrite)
    found = _read(source)
    parameters, notes = found.parameters, [*listed("left out", found.unknown), *found.notes]
    notes += [found.untold] * bool(found.untold)
    changed = (network, surgery, graph) != (None, UNCHANGED, AS_NAMED)
    if found.foreign or form.naming or to == ONNX_GRAPH or changed:
        structure = structure_of(source, parameters)
        _check_class(source, to, structure)
        meaning = _find_meaning(source, parameters, structure, network, graph)
        structure, parameters, done = _operate(source, structure, parameters, surgery)
        notes += done
    else:
        meaning = find_meaning(source, parameters)
    described = _network_of(source, parameters, network, surgery)
    if to == ONNX_GRAPH or graph.fold_bn:
        described = config = _whole_network(source, meaning, structure, surgery, graph)
    metadata = None
    if form.container(target, packing.wrap).read_metadata is not None:
        metadata = describe_file(source, described, dataset or {})
    if graph.fold_bn:
        parameters = _folded(source, config, parameters)
    parameters = halve(parameters) if surgery.half else parameters
    if to == ONNX_GRAPH:
        around = graph.form(normalization)
        notes += _write_graph(source, target, meaning, config, parameters, around, metadata or {})
    else:
        left = write_parameters(target, parameters, to, packing, metadata)
        notes += listed("left out", left)
        notes += _misfits(to, meaning, parameters) if form.naming else _untold(target, meaning)
    return Conversion(Path(target), notes)


def _network_of(
    source: PathLike,
    parameters: Mapping[str, np.ndarray],
    network: Optional[str],
    surgery: Surgery,
) -> Optional[NetworkConfig]:
    """Return the network that parameters are for after surgery, None where nothing tells it."""
    with contextlib.suppress(InputError):
        found = structure_of(source, parameters)
        options: Dict[str, Any] = {"stride": None} if surgery.fcn else {}
        options.update(classes=found.classes, head=found.head)
        return meaning_of(source, parameters, network=network, **options).config
    return None


def _check_options(to: str, graph: GraphOptions) -> None:
    """Raise InputError for options of a graph where another format is written."""
    look_up(dict.fromkeys(INPUTS), graph.input_type, "type of input")
    form = FORMATS[to]
    folded_alone = replace(graph, fold_bn=False) == AS_NAMED
    if to == ONNX_GRAPH or graph == AS_NAMED or (form.folds and folded_alone):
        return
    if form.naming and folded_alone:
        others = ", ".join(name for name, row in FORMATS.items() if row.folds)
        raise InputError(
            f"the convolutions of {to} have no biases, into which normalizations are folded: "
            f"--fold-bn takes --to {others}"
        )
    raise InputError(
        "stride, pooling, softmax, fold_bn, input, upsample, argmax and opset are options of a "
        f"graph: --to {ONNX_GRAPH}"
    )


def _operate(
    source: PathLike,
    structure: NetworkConfig,
    parameters: Mapping[str, np.ndarray],
    surgery: Surgery,
) -> Tuple[NetworkConfig, Dict[str, np.ndarray], List[str]]:
    """Return network and parameters, in the graph's order, after surgery, and what was done."""
    changed, done = surgery.replace_classifier(structure, parameters)
    if done:
        structure = structure_of(source, changed)
    return structure, {p.name: changed[p.name] for p in structure.parameters()}, done


def _find_meaning(
    source: PathLike,
    parameters: Mapping[str, np.ndarray],
    structure: NetworkConfig,
    network: Optional[str],
    graph: GraphOptions,
) -> Optional[Meaning]:
    """Return the network that the weights are for, or None if nothing indicates it.

    Without a graph their own number of classes counts, whatever the file's name says.
    """
    clues = find_clues(source)
    told = network or clues.label or clues.graph or named_network(clues.metadata)
    if told is None and only_network(structure) is None:
        return None
    asked = {"pooling": graph.pooling, "stride": graph.stride}
    options = {name: value for name, value in asked.items() if value is not None}
    if clues.graph is None:
        options["classes"] = structure.classes
    options["head"] = structure.head
    return meaning_of(source, parameters, network=network, clues=clues, **options)


def _check_class(source: PathLike, to: str, structure: NetworkConfig) -> None:
    """Raise InputError where the class of a PyTorch project cannot take the weights."""
    form = FORMATS[to]
    if form.naming and isinstance(structure.spec, ResNetSpec):
        raise InputError(
            f"{source}: contains a ResNet ({structure.name}), expected a network of the paper for "
            f"--to {to}"
        )
    if form.units and structure.spec.units != form.units:
        raise InputError(
            f"{source}: has {_joined(structure.spec.units)} units on levels 1 to 7, expected the "
            f"{_joined(form.units)} of {to}"
        )


def _misfits(
    to: str, meaning: Optional[Meaning], parameters: Mapping[str, np.ndarray]
) -> List[str]:
    """Return how the network of a PyTorch class differs from that of the weights."""
    form = FORMATS[to]
    negative = _negative_gammas(parameters) if form.naming and form.naming.inplace_abn else 0
    notes = [
        f"{negative} gammas are negative: build the class with ABN, since InPlaceABN uses |gamma|"
    ] * bool(negative)
    if meaning is None:
        return notes
    spec = meaning.config.spec
    if spec.downsampling != form.downsampling:
        notes.append(
            f"{to} down-samples in another way than {spec.name}, whose weights these are: they are "
            "a start for training there, not a finished network"
        )
    elif meaning.config.pooled and meaning.config.pooling != "pad":
        notes.append(f"{to} pads its poolings: {meaning}")
    return notes


def _untold(target: PathLike, meaning: Optional[Meaning]) -> List[str]:
    """Return what a reader of the new file would get wrong, going by its name and no graph."""
    if meaning is None or graph_beside(target) is not None:
        return []
    row = released_row(target)
    config = replace(meaning.config, pooling=row.pooling if row else "pad", epsilon=BN_EPSILON)
    apart = differences(meaning, config)
    return [f"read back without a graph beside it: {'; '.join(apart)}"] * bool(apart)


def _joined(units: Tuple[int, ...]) -> str:
    return "-".join(map(str, units))


def _whole_network(
    source: PathLike,
    meaning: Optional[Meaning],
    structure: NetworkConfig,
    surgery: Surgery,
    graph: GraphOptions,
) -> NetworkConfig:
    """Return the network to write: that of the weights as recognized, after surgery."""
    if meaning is None:
        raise InputError(f"{source}: the file name does not indicate the network: pass --network")
    told = meaning.config
    with naming(source):
        return configure(
            told.spec,
            structure.classes,
            width=structure.width,
            channels=structure.channels,
            stride=graph.stride if surgery.fcn else told.stride,
            pooling=told.pooling,
            head="softmax" if graph.softmax and structure.head == "logits" else structure.head,
            classifier=structure.classifier,
            epsilon=told.epsilon,
        )


def _folded(
    source: PathLike, config: NetworkConfig, parameters: Mapping[str, np.ndarray]
) -> Dict[str, np.ndarray]:
    """Return the parameters of the folded network, in its order."""
    if not foldable(config):
        raise InputError(f"{source}: {config.name} cannot be folded: leave out --fold-bn")
    folded = fold_batch_norms(config, parameters)
    return {parameter.name: folded[parameter.name] for parameter in fold(config).parameters()}


def _write_graph(
    source: PathLike,
    target: PathLike,
    meaning: Optional[Meaning],
    config: NetworkConfig,
    parameters: Mapping[str, np.ndarray],
    form: GraphForm,
    metadata: Metadata,
) -> List[str]:
    """Write an ONNX graph; return remarks for its users."""
    if form.normalization is not None:  # it is part of the graph
        metadata = {k: text for k, text in metadata.items() if k not in ("mean", "deviation")}
    require("onnx", "to write an ONNX graph")  # which no file is to blame for
    with naming(source):
        write_onnx(target, config, parameters, form, metadata)
    least = config.least_size
    small = [f"takes pictures of at least {least}x{least} pixels"] * (least > 1)
    told = [] if meaning is None else [str(meaning._replace(config=config))]
    return [*told, *small]
