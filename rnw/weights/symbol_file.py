"""Recognition of the network in the graph beside a weights file, `-symbol.json`.

Only the JSON text is read, without MXNet. The formats of all MXNet versions are understood:
attributes are in `param` (up to 0.8), `attr` (0.9 to 0.12) or `attrs`.
"""

import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from rnw.errors import InputError, naming
from rnw.files import PathLike, read_json
from rnw.networks.layers import BN_EPSILON, NORMALIZATION_PARAMETERS
from rnw.networks.layout import LINEAR, NetworkConfig, configure
from rnw.networks.operators import Operator, operators
from rnw.networks.zoo import (
    DOWNSAMPLED_LEVELS,
    LEVEL_SHAPES,
    LEVELS,
    POOL,
    STRIDE,
    NetworkSpec,
    ResNetSpec,
    find_network,
    network_names,
)
from rnw.weights.fit import is_resnet, resnet_of
from rnw.weights.labels import plain_name

ENDING = "-symbol.json"

_EPOCH = re.compile(r"-\d{4,}$")
_EP = re.compile(r"_ep$")
_UNIT = re.compile(r"res([1-7])(?:a|b\d+)_branch2a")
_TOP = re.compile(r"(?:res|bn)(\d(?:a|b\d+))_branch2")
_CLASSIFIER = re.compile(r"linear([1-9]\d{0,8})")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
_WORDS = {"true": True, "false": False, "none": None}

_SIZES = {5: 224, 4: 112}  # training crops by the number of down-samplings
_SMALLEST = 56  # with fewer of them
_CONVENTIONS = {((1, 1), "valid"): "pad", ((0, 0), "valid"): "caffe", ((0, 0), "full"): "full"}
_SUMS = (  # the first is the current name
    "elemwise_add",
    "_Plus",
    "_plus",
    "_add",
    "ElementWiseSum",
    "add_n",
    "broadcast_add",
    "broadcast_plus",
)
_PAIRS = ("kernel", "stride", "dilate", "pad")
_NUMBERS = ("num_filter", "num_hidden", "eps", "p")
_DEFAULTS: Dict[str, Dict[str, Any]] = {  # MXNet's
    "Convolution": {
        "stride": (1, 1),
        "dilate": (1, 1),
        "pad": (0, 0),
        "num_group": 1,
        "no_bias": False,
    },
    "BatchNorm": {"eps": 1e-3, "fix_gamma": True, "use_global_stats": False, "axis": 1},
    "Pooling": {
        "stride": (1, 1),
        "pad": (0, 0),
        "pool_type": "max",
        "global_pool": False,
        "pooling_convention": "valid",
    },
    "FullyConnected": {"no_bias": False},
    "Dropout": {"p": 0.5, "mode": "training"},
}


Operators = Dict[str, Operator]


class Graph(NamedTuple):
    """The operators of a graph by name, sums as `res<unit>`, without dropout.

    dropout: the rates, by the names of the operators that read the dropped maps.
    """

    operators: Operators
    dropout: Dict[str, float]


def graph_beside(path: PathLike) -> Optional[Path]:
    """Return the graph beside a weights file, as MXNet names it, or None.

    Beside `X_ep-0001.params` that is `X_ep-symbol.json` (of `save_checkpoint`) or `X-symbol.json`.
    """
    prefix = _EPOCH.sub("", Path(plain_name(path)).stem)
    for name in (prefix, _EP.sub("", prefix)):
        found = Path(path).with_name(name + ENDING)
        if found.is_file():
            return found
    return None


def network_of_graph(path: PathLike) -> NetworkConfig:
    """Return the network of the paper that a graph computes, whatever its loss.

    Raises InputError for a file that cannot be read and for another graph, with the first operator
    that differs.
    """
    nodes = read_json(path).get("nodes")
    with naming(path):
        return _network(_parse(nodes))


def _network(graph: Graph) -> NetworkConfig:
    found = graph.operators
    spec = _spec(found)
    classifier, classes = _classifier(found)
    normalizations = [o.attributes for o in found.values() if o.kind == "BatchNorm"]
    config = configure(
        spec,
        classes,
        width=_width(spec, found),
        stride=_stride(found),
        pooling=_pooling(found),
        dropout=_dropout(spec, graph.dropout),
        frozen_statistics=any(a["use_global_stats"] for a in normalizations),
        head="logits" if classes else "features",
        classifier=classifier,
        epsilon=normalizations[-1]["eps"] if normalizations else BN_EPSILON,
    )
    for expected in operators(config):
        _compare(_operator(found, expected.name), expected, config)
    return config


def _spec(found: Operators) -> NetworkSpec:
    """Return the network with these units and entries of levels, that of the table if possible."""
    units_of = [match[1] for match in map(_UNIT.fullmatch, found) if match]
    units = tuple(units_of.count(str(level)) for level in range(1, LEVELS + 1))
    if is_resnet(f"{name}_" for name in found):
        return resnet_of(units[1:5])
    if not all(units[1:]):
        raise InputError(
            f"is no network of the paper: its levels 1 to 7 have {'-'.join(map(str, units))} "
            "residual units, expected one at least on each of levels 2 to 7"
        )
    entries = tuple(_entries(found))
    for spec in map(find_network, network_names()):
        if (spec.units, spec.downsampling) == (units, entries):
            return spec
    size = _SIZES.get(sum(entry is not None for entry in entries), _SMALLEST)
    return NetworkSpec("-".join(map(str, (size, *units))), size, units, entries)


def _entries(found: Operators) -> Iterator[Optional[str]]:
    """Yield how each of levels 2 to 6 is entered; a dilation stands for a removed stride."""
    reached = 1.0
    for level in DOWNSAMPLED_LEVELS:
        first = [o for o in _convolutions(found) if o.name.startswith(f"res{level}a_branch2")]
        dilation = max([reached, *(o.attributes["dilate"][0] for o in first)])
        strided = any(o.attributes["stride"] != (1, 1) for o in first)
        if f"pool{level - 1}" in found:
            yield POOL
        else:
            yield STRIDE if strided or dilation > reached else None
        reached = dilation


def _convolutions(found: Operators) -> List[Operator]:
    return [operator for operator in found.values() if operator.kind == "Convolution"]


def _poolings(found: Operators) -> List[Operator]:
    """Return the max poolings that down-sample."""
    poolings = [operator for operator in found.values() if operator.kind == "Pooling"]
    return [operator for operator in poolings if operator.attributes["stride"] == (2, 2)]


def _classifier(found: Operators) -> Tuple[str, Optional[int]]:
    """Return the kind of classifier and its number of classes, None without one."""
    for name, operator in found.items():
        match = _CLASSIFIER.fullmatch(name)
        if match and operator.kind == "Convolution":
            return "2 conv" if "conv6a" in found else "1 conv", int(match[1])
        if match:
            return LINEAR, int(match[1])
    return LINEAR, None


def _width(spec: NetworkSpec, found: Operators) -> float:
    """Return the width, inferred from the widest layer."""
    name, full = ("res7a_branch2b2", LEVEL_SHAPES[LEVELS].channels[-1])
    if isinstance(spec, ResNetSpec):
        name, full = spec.widest
    return _operator(found, name).attributes.get("num_filter", 0) / full


def _stride(found: Operators) -> int:
    convolutions = [o for o in _convolutions(found) if not o.name.endswith("_branch1")]
    halving = [o for o in convolutions if o.attributes["stride"] == (2, 2)]
    return 2 ** min(len(halving) + len(_poolings(found)), LEVELS)


def _pooling(found: Operators) -> str:
    """Return the convention of the first pooling; the others are compared later."""
    for operator in _poolings(found):
        key = (operator.attributes["pad"], operator.attributes["pooling_convention"])
        return _CONVENTIONS.get(key, "pad")
    return "pad"


def _dropout(spec: NetworkSpec, rates: Dict[str, float]) -> Tuple[float, float]:
    levels = ("res5", "res7") if isinstance(spec, ResNetSpec) else ("res6", "res7")
    first, second = (
        next((rate for name, rate in rates.items() if name.startswith(level)), 0.0)
        for level in levels
    )
    return first, second


def _operator(found: Operators, name: str) -> Operator:
    if name not in found:
        raise InputError(f"is no network of the paper: it has no operator {name}")
    return found[name]


def _compare(found: Operator, expected: Operator, config: NetworkConfig) -> None:
    """Raise InputError for an operator that computes something else."""
    pairs = {
        "operator": (found.kind, expected.kind),
        "inputs": (sorted(found.inputs), sorted(expected.inputs)),
        **{
            name: (found.attributes.get(name), value) for name, value in expected.attributes.items()
        },
    }
    for what, (there, here) in pairs.items():
        if there != here:
            raise InputError(
                f"is no network of the paper: {what} of {expected.name} is {_text(there)}, "
                f"expected {_text(here)} as in {config.name}"
            )


def _text(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(_text, value))})"
    return f"{value:g}" if type(value) in (int, float) else str(value)


def _parse(nodes: Any) -> Graph:
    """Return the operators among the nodes of a file; raise InputError for malformed nodes."""
    names: List[str] = []
    rates: Dict[int, float] = {}  # by the number of the dropout
    found: Operators = {}
    dropout: Dict[str, float] = {}
    for number, node in enumerate(nodes if isinstance(nodes, list) else ()):
        operator, sources = _parse_node(number, node, names)
        names.append(operator.name)
        if operator.kind == "Dropout":
            rates[number] = operator.attributes["p"]
        elif operator.kind != "null":
            found[operator.name] = operator
            dropout.update((operator.name, rates[s]) for s in sources if s in rates)
    return Graph(found, dropout)


def _parse_node(number: int, node: Any, names: List[str]) -> Tuple[Operator, List[int]]:
    """Return a node as an operator, a dropout named after its input, and its inputs' numbers."""
    try:
        kind, name = str(node["op"]), str(node["name"])
        sources = [range(number)[source[0]] for source in node["inputs"]]
        inputs = tuple(names[source] for source in sources)
        raw: Dict[str, str] = {}
        for dialect in ("attr", "attrs", "param"):
            raw.update(node.get(dialect) or {})
        attributes = _attributes(kind, raw)
        if kind == "Dropout":
            return Operator(kind, inputs[0], inputs, attributes), sources
    except (LookupError, TypeError, ValueError, AttributeError):
        raise InputError(f"is not a graph as MXNet writes it: node {number} is damaged") from None
    if kind in _SUMS:
        tops = [match[1] for match in map(_TOP.match, inputs) if match]
        return Operator(_SUMS[0], f"res{tops[0]}" if tops else name, inputs, {}), sources
    if kind == "BatchNorm" and len(inputs) == 3:  # old graphs do not list the moving averages
        inputs += tuple(f"{name}_{suffix}" for suffix in NORMALIZATION_PARAMETERS[2:])
    return Operator(kind, name, inputs, attributes), sources


def _attributes(kind: str, raw: Dict[str, str]) -> Dict[str, Any]:
    """Return attributes as values, with MXNet's defaults; raise ValueError for another type."""
    defaults = _DEFAULTS.get(kind)
    given = {name: _value(text) for name, text in raw.items()}
    if defaults is None:
        return given
    found = {**defaults, **{name: value for name, value in given.items() if value != ()}}
    for name in _PAIRS:
        if name in found and not (isinstance(found[name], tuple) and len(found[name]) == 2):
            raise ValueError(name)
    for name in _NUMBERS:
        if name in found and not isinstance(found[name], float):
            raise ValueError(name)
    if found.get("mode", "training") != "training":  # dropout that also drops in inference
        raise ValueError("mode")
    return found


def _value(text: str) -> Any:
    """Parse an attribute: '(3, 3)', '(3L,3L)' or '[3,3]', '1.001e-05', 'True', 'max'."""
    if text[:1] in ("(", "["):
        return tuple(map(float, _NUMBER.findall(text)))
    if _NUMBER.fullmatch(text):
        return float(text)
    return _WORDS.get(text.lower(), text)
