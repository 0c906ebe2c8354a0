"""A graph in pieces, so that the memory of each is free again before the next one runs.

MXNet plans the memory of a whole graph beforehand, and lets a small map on an early level take a
block that a large one needs on a late level, so that the block is there all the time.
"""

import json
from typing import Any, Dict, Iterator, List, Optional, Tuple

import mxnet as mx

INCOMING = "incoming"  # the name of the map that a piece takes

Graph = Dict[str, Any]
Output = Tuple[int, int]  # the number of a node, and that of its output


def cut_at_waists(symbol: mx.sym.Symbol) -> List[mx.sym.Symbol]:
    """Return a graph in pieces, of which each but the first takes what the one before gives.

    It is cut where a single map goes on, to a single normalization: in front of a unit whose
    shortcut has a projection. Elsewhere a cut would keep operators from being fused, or a sum from
    taking the place of its term.
    """
    graph = json.loads(symbol.tojson())
    waists = list(_find_waists(graph))
    return [_piece(graph, *ends) for ends in zip([None, *waists], [*waists, None])]


def _find_waists(graph: Graph) -> Iterator[int]:
    nodes, readers = graph["nodes"], _readers(graph)
    needed: List[Output] = []
    for place in range(len(nodes)):
        given = [output for output in readers if output[0] == place]
        needed = [output for output in needed + given if readers[output][-1] > place]
        if needed == [(place, 0)] and _is_normalized(nodes, readers[needed[0]]):
            yield place


def _is_normalized(nodes: List[Dict[str, Any]], readers: List[int]) -> bool:
    """Whether what reads a map is a single normalization."""
    if len(readers) > 1 or readers[0] == len(nodes):
        return False
    return "BatchNorm" in nodes[readers[0]]["op"]


def _readers(graph: Graph) -> Dict[Output, List[int]]:
    """Return the nodes that read each output, in order; results are read behind the last."""
    readers: Dict[Output, List[int]] = {}
    for place, node in enumerate([*graph["nodes"], {"inputs": graph["heads"]}]):
        for source, output, *_ in node["inputs"]:
            readers.setdefault((source, output), []).append(place)
    return readers


def _piece(graph: Graph, start: Optional[int], end: Optional[int]) -> mx.sym.Symbol:
    """Return the graph from the output of a node to that of another; None: from or to its own."""
    heads = graph["heads"] if end is None else [[end, 0, 0]]
    first = 0 if start is None else start  # where the incoming map is, in a piece that has one
    nodes = [
        {**node, "inputs": _shifted(node["inputs"], first)}
        for node in graph["nodes"][first : None if end is None else end + 1]
    ]
    if start is not None:
        nodes[0] = {"op": "null", "name": INCOMING, "inputs": []}
    piece = {
        "nodes": nodes,
        "arg_nodes": [place for place, node in enumerate(nodes) if node["op"] == "null"],
        "heads": _shifted(heads, first),
        "attrs": graph["attrs"],
    }
    return mx.sym.load_json(json.dumps(piece))


def _shifted(outputs: List[List[int]], by: int) -> List[List[int]]:
    return [[source - by, *rest] for source, *rest in outputs]
