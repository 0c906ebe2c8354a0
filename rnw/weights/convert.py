"""Conversion of weights files from one of the formats in `formats.py` to another."""

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union

import numpy as np

from rnw.errors import InputError, look_up, naming
from rnw.files import PathLike, check_free
from rnw.networks.inputs import Normalization
from rnw.networks.layers import BN_EPSILON
from rnw.networks.layout import NetworkConfig, configure, fold, foldable
from rnw.networks.zoo import ResNetSpec
from rnw.weights.choices import BYTES, FLOATS, INPUTS, ONNX_GRAPH, OPSET
from rnw.weights.fit import structure_of
from rnw.weights.formats import (
    AS_USUAL,
    FORMATS,
    Packing,
    find_format,
    negative_gammas,
    read_source,
    write_parameters,
)
from rnw.weights.meaning import (
    Meaning,
    differences,
    find_clues,
    find_meaning,
    meaning_of,
    only_network,
)
from rnw.weights.metadata import Metadata, describe_file, named_network, read_normalization
from rnw.weights.onnx_file import require_onnx
from rnw.weights.onnx_graph import write_onnx
from rnw.weights.onnx_nodes import GraphForm, Size
from rnw.weights.released import released_row
from rnw.weights.surgery import UNCHANGED, Surgery, fold_batch_norms, halve, listed
from rnw.weights.symbol_file import graph_beside


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
    dataset: Optional[Metadata] = None,
) -> Conversion:
    """Convert a weights file of any format to one of FORMATS.

    to: a key of FORMATS.
    network: the network that the weights belong to, whatever the file's name says: A, A1 and A2
        have the same parameters, but each must be trained to be accurate.
    surgery: changes to the parameters.
    graph: options of an ONNX graph.
    packing: where scripts of PyTorch look for the weights in a file.
    dataset: that of the weights, as `rnw.evaluation.summaries.dataset_of_weights` tells it, for
        formats that have room for it, and graphs that take bytes; default: unknown, normalized as
        ImageNet is.

    Raises InputError for a file that cannot be read, that lacks parameters or does not fit the
    format, for an unknown format, for options that it does not have, and for a target that exists
    when `overwrite` is not set.
    """
    container = find_format(to).with_prefix(packing.key_prefix).container(target, packing.wrap)
    _check_options(to, graph)
    check_free(target, overwrite=overwrite)
    weights = _read(source, to, network, surgery, graph)
    parameters, said = weights.parameters, dataset or {}
    described = _network_of(source, parameters, network, surgery)
    if to == ONNX_GRAPH or graph.fold_bn:
        described = config = _whole_network(source, weights, surgery, graph)
    metadata = describe_file(source, described, said) if container.read_metadata else {}
    if graph.fold_bn:
        parameters = _folded(source, config, parameters)
    parameters = halve(parameters) if surgery.half else parameters
    if to == ONNX_GRAPH:
        form = graph.form(read_normalization(said))
        _write_graph(source, target, config, parameters, form, metadata)
        notes = _remarks(weights.meaning, config)
    else:
        notes = listed("left out", write_parameters(target, parameters, to, packing, metadata))
        notes += _misfits(to, weights) if FORMATS[to].naming else _untold(target, weights.meaning)
    return Conversion(Path(target), [*weights.notes, *notes])


class _Weights(NamedTuple):
    """Weights after surgery, the network that they are for (None: unknown), and remarks."""

    parameters: Mapping[str, np.ndarray]
    meaning: Optional[Meaning]
    notes: List[str]


def _read(
    source: PathLike, to: str, network: Optional[str], surgery: Surgery, graph: GraphOptions
) -> _Weights:
    """Return the weights to write; those that only change their form need not be a network's."""
    found = read_source(source)
    notes = [*listed("left out", found.unknown), *found.notes, *[found.untold] * bool(found.untold)]
    changed = (network, surgery, graph) != (None, UNCHANGED, AS_NAMED)
    if not (found.foreign or FORMATS[to].naming or to == ONNX_GRAPH or changed):
        return _Weights(found.parameters, find_meaning(source, found.parameters), notes)
    structure = structure_of(source, found.parameters)
    _check_class(source, to, structure)
    meaning = _find_meaning(source, found.parameters, structure, network, graph)
    parameters, done = _operate(source, structure, found.parameters, surgery)
    return _Weights(parameters, meaning, [*notes, *done])


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
) -> Tuple[Dict[str, np.ndarray], List[str]]:
    """Return the parameters, in the graph's order, after surgery, and what was done."""
    changed, done = surgery.replace_classifier(structure, parameters)
    if done:
        structure = structure_of(source, changed)
    return {p.name: changed[p.name] for p in structure.parameters()}, done


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


def _misfits(to: str, weights: _Weights) -> List[str]:
    """Return how the network of a PyTorch class differs from that of the weights."""
    form, meaning = FORMATS[to], weights.meaning
    negative = negative_gammas(weights.parameters) if form.naming and form.naming.inplace_abn else 0
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
    source: PathLike, weights: _Weights, surgery: Surgery, graph: GraphOptions
) -> NetworkConfig:
    """Return the network to write: that of the weights as recognized, after surgery."""
    if weights.meaning is None:
        raise InputError(f"{source}: the file name does not indicate the network: pass --network")
    told, structure = weights.meaning.config, structure_of(source, weights.parameters)
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
    config: NetworkConfig,
    parameters: Mapping[str, np.ndarray],
    form: GraphForm,
    metadata: Metadata,
) -> None:
    require_onnx("to write an ONNX graph")  # which no file is to blame for
    with naming(source):
        write_onnx(target, config, parameters, form, metadata)


def _remarks(meaning: Optional[Meaning], config: NetworkConfig) -> List[str]:
    """Return what users of a graph need to know."""
    least = config.least_size
    small = [f"takes pictures of at least {least}x{least} pixels"] * (least > 1)
    told = [] if meaning is None else [str(meaning._replace(config=config))]
    return [*told, *small]
