"""Forward mode: tangents go along with the values.

In: the tape of a trace, or a graph, and tangents of the inputs. Out: tangents of the results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.derive.backward import zeros
from deltarule.derive.trace import Trace, baked, result_node, stage, tracing
from deltarule.program import Graph, Node, interpret, ops
from deltarule.program.interpret import REPLAYED
from deltarule.program.transforms import TRANSFORMS


def push_forward(
    trace: Trace, inputs: Sequence[Node], tangents: Sequence[Any], outputs: Sequence[Node]
) -> list[Any]:
    """Tangents of ``outputs``; None where they are zero."""
    found: dict[Node, Any] = {
        node: t for node, t in zip(inputs, tangents, strict=True) if t is not None
    }
    values = trace.values
    outer = REPLAYED.origin
    try:
        with np.errstate(all="ignore"):
            for node in trace.tape:
                given = [found.get(arg) for arg in node.args]
                if all(t is None for t in given):
                    continue
                REPLAYED.origin = node.origin
                found[node] = _forward_of(node, given, values)
    finally:
        REPLAYED.origin = outer
    return [found.get(node) for node in outputs]


def _forward_of(node: Node, given: list[Any], values: dict[Node, Any]) -> Any:
    if node.primitive is ops.result:
        return given[0][node.attrs["index"]]
    assert node.primitive.jvp is not None
    return node.primitive.jvp(
        given, values[node], *(values[arg] for arg in node.args), **node.attrs
    )


def forward(graph: Graph, moving: Sequence[bool]) -> Graph:
    """The graph (inputs, tangents of the moving ones) -> (results, tangents of the float results)."""

    def both(*args: Any) -> list[Any]:
        n = len(graph.inputs)
        with tracing(known=True) as trace:
            pairs = zip(graph.inputs, args[:n], moving, strict=True)
            xs = [trace.input(node.type, value, active=move) for node, value, move in pairs]
            nodes = [result_node(trace, y) for y in interpret(graph, *xs)]
        inputs = [x.node for x, move in zip(xs, moving, strict=True) if move]
        floats = [node for node in nodes if node.type.is_float]
        tangents = push_forward(trace, inputs, args[n:], floats)
        filled = [
            zeros(node.type) if t is None else t for t, node in zip(tangents, floats, strict=True)
        ]
        return [trace.values[node] for node in nodes] + filled

    types = [*graph.types, *(kind for kind, move in zip(graph.types, moving, strict=True) if move)]
    return baked(stage(both, types))


TRANSFORMS["forward"] = forward
