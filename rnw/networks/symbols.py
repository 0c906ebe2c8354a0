"""Export to the Symbol graphs of MXNet's Module API, the form of the paper's released networks."""

import json
from pathlib import Path
from typing import Any, Dict, List

import mxnet as mx

from rnw.files import write_text
from rnw.networks.classifier import Network, get_network

_MULTIPLIERS = ("__lr_mult__", "__wd_mult__")
_MAKERS = ("BatchNorm", "SoftmaxOutput")  # of variables


def to_symbol(net: Network) -> mx.sym.Symbol:
    """The graph of `net` with the original's node names, parameter order and attributes.

    Inputs are `data` and, with a head that takes labels, `softmax_label`.
    """
    inputs = [mx.sym.var("data")]
    if net.config.takes_label:
        inputs.append(mx.sym.var("softmax_label"))
    graph = json.loads(net(*inputs).tojson())
    _restore_variables(graph["nodes"])
    return mx.sym.load_json(json.dumps(graph))


def export_symbol(name: str, folder: Path, *, head: str = "softmax", **options: Any) -> Path:
    """Write the graph of network `name` to `<folder>/<name>-symbol.json`; the path of that file.

    options: of `get_network`. Raises InputError as that does.
    """
    net = get_network(name, head=head, **options)
    path = folder / f"{net.config.name}-symbol.json"
    write_text(path, to_json(net))
    return path


def to_json(net: Network) -> str:
    """The text of a `-symbol.json` file."""
    return to_symbol(net).tojson() + "\n"


def _restore_variables(nodes: List[Dict[str, Any]]) -> None:
    """Give variables the attributes they have in a graph written with `mx.sym` by hand.

    Gluon notes shapes, types and initializers on them. By hand, a variable says at most how fast it
    learns, and one that an operator makes itself (moving averages, labels) repeats its attributes.
    """
    for node in nodes:
        if node["op"] == "null":
            attributes = {k: node.get("attrs", {}).get(k) for k in _MULTIPLIERS}
            node["attrs"] = {
                k: v.rstrip("0") for k, v in attributes.items() if v is not None and float(v) != 1
            }
    for node in nodes:
        for source, *_ in node["inputs"] if node["op"] in _MAKERS else ():
            if nodes[source]["op"] == "null" and nodes[source]["name"].endswith(
                ("_moving_mean", "_moving_var", "_label")
            ):
                nodes[source]["attrs"] = dict(node["attrs"])
    for node in nodes:
        if not node.get("attrs"):
            node.pop("attrs", None)
