"""The slow, obvious reference: run a graph node by node.

In: a graph and one value per input. Out: its results. Values may be arrays or traced values, so this also
replays a graph into another trace: batching, forward mode and inlining are walks like this one.
"""

from __future__ import annotations

import threading
from typing import Any

from deltarule.program.graph import Graph, Node, Origin


class _Replayed(threading.local):
    """Where the node that is being computed came from: what it records in other traces came from there,
    too."""

    origin: Origin | None = None


REPLAYED = _Replayed()


def interpret(graph: Graph, *args: Any) -> tuple[Any, ...]:
    """Results of ``graph`` on ``args``."""
    return walk(graph, args)[0]


def walk(
    graph: Graph, args: tuple[Any, ...] | list[Any]
) -> tuple[tuple[Any, ...], dict[Node, Any]]:
    """Results of ``graph`` on ``args``, and the value of every node."""
    values: dict[Node, Any] = dict(zip(graph.inputs, args, strict=True))
    outer = REPLAYED.origin
    try:
        for node in graph.nodes[len(graph.inputs) :]:
            REPLAYED.origin = node.origin or outer
            values[node] = node.primitive(*[values[arg] for arg in node.args], **node.attrs)
    finally:
        REPLAYED.origin = outer
    return tuple(values[node] for node in graph.outputs), values
