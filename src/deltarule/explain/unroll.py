"""Loops written out: each step of a scan as nodes of its own, so that its arithmetic can be read.

In: the nodes of a trace. Out: the same nodes in another trace, with the same values, the short loops among
them unrolled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.derive.trace import Trace
from deltarule.program import Node, interpret, ops
from deltarule.program.interpret import REPLAYED

MOST = 2000  # nodes that an unrolled loop may have


def loops(order: Sequence[Node]) -> bool:
    """Whether there is a loop short enough to be written out."""
    return any(_short(node) for node in order)


def _short(node: Node) -> bool:
    if node.primitive is not ops.scan:
        return False
    return len(node.attrs["body"].nodes) * int(node.attrs["length"]) <= MOST


def unrolled(order: Sequence[Node], old: Trace, new: Trace) -> dict[Node, Any]:
    """Replay nodes into a new trace; what each has become."""
    found: dict[Node, Any] = {}
    for node in order:
        REPLAYED.origin = node.origin
        args = [found[arg] for arg in node.args]
        if not node.args:
            active = node in old.active
            found[node] = new.input(node.type, old.values[node], active, not node.type.shape)
        elif node.primitive is ops.result:
            found[node] = args[0][node.attrs["index"]]
        elif _short(node):
            found[node] = _steps(node, args)
        else:
            found[node] = node.primitive(*args, **node.attrs)
    REPLAYED.origin = None
    return found


def _steps(node: Node, args: Sequence[Any]) -> tuple[Any, ...]:
    """The results of a loop, step by step."""
    body, length = node.attrs["body"], node.attrs["length"]
    consts, carries = node.attrs["consts"], node.attrs["carries"]
    fixed, rows = list(args[:consts]), args[consts + carries :]
    carry = list(args[consts : consts + carries])
    outs: list[list[Any]] = [[] for _ in body.outputs[carries:]]
    steps = range(length)
    for step in reversed(steps) if node.attrs["reverse"] else steps:
        results = interpret(body, *fixed, *carry, *(x[step] for x in rows))
        carry = list(results[:carries])
        for out, y in zip(outs, results[carries:], strict=True):
            out.append(y)
    if node.attrs["reverse"]:
        outs = [out[::-1] for out in outs]
    return (*carry, *(np.stack(out) for out in outs))
