"""A common mistake in a loss of one's own: outputs (n, 1) and targets (n,) give (n, n) numbers.

In: a loss and the shapes of one batch. Out: nothing, or a ShapeError that names the line.
"""

from __future__ import annotations

from typing import Any

from deltarule.derive import stage
from deltarule.errors import ShapeError
from deltarule.nn import Loss
from deltarule.program import Node
from deltarule.program.types import ArrayType

ROWS = 7


def check_pairing(loss: Loss, outputs: ArrayType, targets: ArrayType) -> None:
    """Raise where a user's loss combines outputs and targets row by row with every other row."""
    column, line = ((ROWS, 1), (ROWS,))
    shapes = [
        tuple(ROWS if i == 0 else n for i, n in enumerate(t.shape)) for t in (outputs, targets)
    ]
    if loss.named or sorted(shapes, key=len) != [line, column]:
        return
    types = [ArrayType(s, t.dtype) for s, t in zip(shapes, (outputs, targets), strict=True)]
    try:
        graph = stage(lambda y, t: [loss.function(y, t)], types).graph
    except Exception:
        return  # the trace of the step will say what is wrong
    reached: dict[Node, frozenset[int]] = {}
    for i, node in enumerate(graph.inputs):
        reached[node] = frozenset({i} if i < 2 else ())
    for node in graph.nodes[len(graph.inputs) :]:
        reached[node] = frozenset().union(*(reached[arg] for arg in node.args))
        if (
            not isinstance(node.type, tuple)
            and node.type.shape == (ROWS, ROWS)
            and _mixes(node, reached)
        ):
            raise ShapeError(
                f"{loss.name}: outputs of shape {outputs.shape} and targets of shape "
                f"{targets.shape} broadcast: each output meets every target, at {node.origin}. "
                "Give both one shape, "
                f"{'outputs[:, 0]' if len(outputs.shape) > 1 else 'targets[:, 0]'}"
            )


def _mixes(node: Node, reached: dict[Node, Any]) -> bool:
    """Whether arguments of fewer elements, from outputs only and from targets only, meet here."""
    sources = {reached[arg] for arg in node.args if _source(arg).type.shape != (ROWS, ROWS)}
    return {frozenset({0}), frozenset({1})} <= sources


def _source(node: Node) -> Any:
    while node.primitive.name == "broadcast":
        (node,) = node.args
    return node
