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
    for place, node in enumerate(nodes):
        if node["op"] == "null":
            continue
        given = [output for output in readers if output[0] == place]
        needed = [output for output in needed + given if readers[output][-1] > place]
        if len(needed) == 1 and _is_normalized(nodes, readers[needed[0]]):
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
    nodes: List[Dict[str, Any]] = []
    places: Dict[int, int] = {}
    if start is not None:
        nodes.append({"op": "null", "name": INCOMING, "inputs": []})
        places[start] = 0
    for place in _needed(graph, heads, start):
        node = graph["nodes"][place]
        places[place] = len(nodes)
        nodes.append({**node, "inputs": _moved(node["inputs"], places)})
    variables = [place for place, node in enumerate(nodes) if node["op"] == "null"]
    return mx.sym.load_json(
        json.dumps(
            {
                "nodes": nodes,
                "arg_nodes": variables,
                "heads": _moved(heads, places),
                "attrs": graph["attrs"],
            }
        )
    )


def _needed(graph: Graph, heads: List[List[int]], start: Optional[int]) -> List[int]:
    """Return the nodes behind `start` that the heads need, in order."""
    found = set()
    waiting = [head[0] for head in heads]
    while waiting:
        place = waiting.pop()
        if place != start and place not in found:
            found.add(place)
            waiting += [source for source, *_ in graph["nodes"][place]["inputs"]]
    return sorted(found)


def _moved(outputs: List[List[int]], places: Dict[int, int]) -> List[List[int]]:
    return [[places[source], *rest] for source, *rest in outputs]
