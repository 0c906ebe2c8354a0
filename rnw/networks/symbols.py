"""Export to the Symbol graphs of MXNet's Module API, the form of the paper's released networks."""

import json
import logging
import os
from pathlib import Path
from typing import Any, Dict, List

import mxnet as mx

from rnw.files import write_text
from rnw.networks.classifier import Network, get_network
from rnw.networks.layers import ResidualUnit
from rnw.networks.layout import NetworkConfig

logger = logging.getLogger(__name__)

_FUSION, _OFF = "MXNET_SUBGRAPH_BACKEND", "NONE"  # a variable of the environment
_FUSION_NOTE = (
    "{name} has residual units on level 1, which MXNet's fusion for oneDNN cannot handle: set "
    f"{_FUSION}={_OFF} in the environment before mx.mod.Module binds this graph for inference"
)
_MULTIPLIERS = ("__lr_mult__", "__wd_mult__")
_MAKERS = ("BatchNorm", "SoftmaxOutput")  # of variables
# variables that an operator makes, and what they say besides its attributes
_MADE: Dict[str, Dict[str, str]] = {
    "_moving_mean": {"__init__": '["zero", {}]'},
    "_moving_var": {"__init__": '["one", {}]'},
    "_label": {},
}


def to_symbol(net: Network) -> mx.sym.Symbol:
    """Return the graph of `net` with the original's node names, parameter order and attributes.

    Inputs are `data` and, with a head that takes labels, `softmax_label`; the outputs are those of
    `net`.
    """
    inputs = [mx.sym.var("data")]
    if net.config.takes_label:
        inputs.append(mx.sym.var("softmax_label"))
    outputs = net(*inputs)
    graph = json.loads((mx.sym.Group(outputs) if net.config.levels else outputs).tojson())
    _restore_variables(graph["nodes"])
    return mx.sym.load_json(json.dumps(graph))


def export_symbol(name: str, folder: Path, *, head: str = "softmax", **options: Any) -> Path:
    """Write the graph of network `name` to `<folder>/<name>-symbol.json`; return that path.

    options: of `get_network`. Raises InputError as that does. Warns where Module needs a setting to
    run the graph.
    """
    net = get_network(name, head=head, **options)
    if breaks_fusion(net.config):
        logger.warning("%s", _FUSION_NOTE.format(name=net.config.name))
    path = folder / f"{net.config.name}-symbol.json"
    write_text(path, to_json(net))
    return path


def breaks_fusion(config: NetworkConfig) -> bool:
    """Tell whether MXNet's fusion for oneDNN, unless it is off, makes a graph that cannot be bound.

    It works the first normalization into the stem, though the first shortcut of level 1 reads the
    stem, too. Module fuses where it binds for inference; Gluon blocks do not.
    """
    follower = config.layers[1]
    identity = isinstance(follower, ResidualUnit) and follower.projection is None
    return identity and os.environ.get(_FUSION) != _OFF


def to_json(net: Network) -> str:
    """Return the text of a `-symbol.json` file."""
    return to_symbol(net).tojson() + "\n"


def _restore_variables(nodes: List[Dict[str, Any]]) -> None:
    """Give variables the attributes they have in a graph written with `mx.sym` by hand.

    Gluon notes shapes, types and initializers on them. By hand, a variable says at most how fast it
    learns, and one that an operator makes itself (moving averages, labels) repeats its attributes.
    Moving averages also say what they begin with, which Module's initializers ask of them.
    """
    for node in nodes:
        if node["op"] == "null":
            attributes = {k: node.get("attrs", {}).get(k) for k in _MULTIPLIERS}
            node["attrs"] = {
                k: v.rstrip("0") for k, v in attributes.items() if v is not None and float(v) != 1
            }
    for node in nodes:
        for source, *_ in node["inputs"] if node["op"] in _MAKERS else ():
            for suffix, more in _MADE.items():
                if nodes[source]["op"] == "null" and nodes[source]["name"].endswith(suffix):
                    nodes[source]["attrs"] = {**node["attrs"], **more}
    for node in nodes:
        if not node.get("attrs"):
            node.pop("attrs", None)
