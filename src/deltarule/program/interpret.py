"""The slow, obvious reference: run a graph node by node.

In: a graph and one value per input. Out: its results. Values may be arrays or traced values, so this also replays a graph
into another trace: batching, forward mode and inlining are walks like this one.
"""

from __future__ import annotations

from typing import Any

from deltarule.program.graph import Graph, Node


def interpret(graph: Graph, *args: Any) -> tuple[Any, ...]:
    """Results of ``graph`` on ``args``."""
    return walk(graph, args)[0]


def walk(graph: Graph, args: tuple[Any, ...] | list[Any]) -> tuple[tuple[Any, ...], dict[Node, Any]]:
    """Results of ``graph`` on ``args``, and the value of every node."""
    values: dict[Node, Any] = dict(zip(graph.inputs, args, strict=True))
    for node in graph.nodes[len(graph.inputs) :]:
        values[node] = node.primitive(*[values[arg] for arg in node.args], **node.attrs)
    return tuple(values[node] for node in graph.outputs), values
