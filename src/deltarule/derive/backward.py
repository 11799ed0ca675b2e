"""Reverse mode: from the cotangents of the results to those of the inputs, by the chain rule.

In: the tape of a trace. Out: one cotangent per input. The rules are written in primitives, so what this
computes is recorded by outer traces, prints, compiles and differentiates again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.derive.trace import Trace, baked, result_node, stage, substitute, tracing
from deltarule.derive.tracer import Tracer
from deltarule.program import Graph, Node, interpret, ops
from deltarule.program.graph import sort
from deltarule.program.interpret import REPLAYED
from deltarule.program.ops.shape import indices, pad
from deltarule.program.primitive import Primitive, lookup
from deltarule.program.transforms import TRANSFORMS
from deltarule.program.types import ArrayType

add: Primitive = lookup("add")


def pull_back(
    trace: Trace, outputs: Sequence[Node], cts: Sequence[Any], inputs: Sequence[Node]
) -> list[Any]:
    """Cotangents of ``inputs``; None where no path leads from an output to an input."""
    found: dict[Node, Any] = {}
    own: set[Node] = (
        set()
    )  # nodes whose cotangent is an array made here, which nobody else has seen
    for node, ct in zip(outputs, cts, strict=True):
        if node in trace.active and ct is not None:
            _accumulate(found, node, ct)
    wanted, active, value = set(inputs), trace.active, trace.values.__getitem__
    outer = REPLAYED.origin
    try:
        with np.errstate(all="ignore"):
            for node in reversed(trace.tape):
                ct = found.get(node) if node in wanted else found.pop(node, None)
                if ct is None:
                    continue
                REPLAYED.origin = node.origin
                primitive, args = node.primitive, node.args
                if primitive.joint or primitive is ops.result:
                    _backward_of_several(trace, node, ct, found)
                    continue
                in_place = _IN_PLACE.get(primitive) if type(ct) is _Array else None
                if in_place is not None and node not in wanted:
                    if in_place(node, ct, found, own, active):
                        continue
                vjp: Any = primitive.vjp
                y, xs = value(node), list(map(value, args))
                for i, arg in enumerate(args):
                    if arg in active:
                        arg_ct = vjp(i, ct, y, *xs, **node.attrs)
                        if arg_ct is not None:
                            _accumulate(found, arg, arg_ct)
    finally:
        REPLAYED.origin = outer
    return [found.get(node) for node in inputs]


def _backward_of_several(trace: Trace, node: Node, ct: Any, found: dict[Node, Any]) -> None:
    """The chain rule at a node of several results, and at each of these, whose cotangents it collects."""
    values, active, primitive = trace.values, trace.active, node.primitive
    if primitive is ops.result:
        several = node.args[0]
        slots = found.setdefault(several, [None] * len(several.type))  # type: ignore[arg-type]
        slots[node.attrs["index"]] = ct
        return
    y, args = values[node], list(map(values.__getitem__, node.args))
    assert primitive.vjp is not None
    needs = [arg in active for arg in node.args]
    for arg, arg_ct in zip(
        node.args, primitive.vjp(needs, ct, y, *args, **node.attrs), strict=True
    ):
        if arg_ct is not None and arg in active:
            _accumulate(found, arg, arg_ct)


def _slice_in_place(
    node: Node, ct: Any, found: dict[Node, Any], own: set[Node], active: set[Node]
) -> bool:
    """Add the cotangent of a slice to that of the whole, without the zeros around it: a loop over the parts
    of an array takes time by the parts, not by the array for each."""
    whole, attrs = node.args[0], node.attrs
    before = found.get(whole)
    if before is None:
        found[whole] = pad.evaluate(ct, whole.type.shape, attrs["start"], attrs["step"])
    elif type(before) is not _Array or before.dtype is not ct.dtype:
        return False
    else:
        if whole not in own:
            found[whole] = before = _copy(before)
        before[indices(**attrs)] += ct
    own.add(whole)
    return True


def _update_in_place(
    node: Node, ct: Any, found: dict[Node, Any], own: set[Node], active: set[Node]
) -> bool:
    """Hand the cotangent of an updated array on to what it was before, with zeros where it was written to."""
    whole, new = node.args
    if node not in own or whole in found or whole is new:
        return False
    part = indices(node.attrs["start"], new.type.shape, node.attrs["step"])
    if new in active:
        _accumulate(found, new, _copy(ct[part]))
    if whole in active:
        ct[part] = 0
        found[whole] = ct
        own.add(whole)
    return True


_Array, _copy = np.ndarray, np.array
_IN_PLACE = {ops.slice: _slice_in_place, ops.update: _update_in_place}


def _accumulate(found: dict[Node, Any], node: Node, ct: Any) -> None:
    before = found.get(node)
    found[node] = ct if before is None else add(before, ct)


def joint(graph: Graph, wanted: Sequence[bool]) -> Callable[..., list[Any]]:
    """The function (inputs, cotangents of float results) -> (results, cotangents of the wanted inputs)."""

    def both(*values: Any) -> list[Any]:
        n = len(graph.inputs)
        with tracing(known=True) as trace:
            pairs = zip(graph.inputs, values[:n], wanted, strict=True)
            xs = [trace.input(node.type, value, active=want) for node, value, want in pairs]
            nodes = [result_node(trace, y) for y in interpret(graph, *xs)]
            ys = [trace.values[node] for node in nodes]
            floats = [node for node in nodes if node.type.is_float]
        inputs = [x.node for x, want in zip(xs, wanted, strict=True) if want]
        cts = pull_back(trace, floats, values[n:], inputs)
        return ys + [
            zeros(node.type) if ct is None else ct for ct, node in zip(cts, inputs, strict=True)
        ]

    return both


def zeros(kind: ArrayType) -> Any:
    """Exact zeros of a type, which take no memory."""
    return np.broadcast_to(kind.dtype.type(0), kind.shape)


def split(graph: Graph, wanted: Sequence[bool]) -> tuple[Graph, Graph]:
    """Cut the joint program of a graph and its derivative in two.

    Returns
    -------
    forward : Graph
        inputs -> results, residuals.
    backward : Graph
        inputs, residuals, cotangents of the float results -> cotangents of the wanted inputs.
    """
    ct_types = [kind for kind in graph.result_types if kind.is_float]
    whole = baked(stage(joint(graph, wanted), [*graph.types, *ct_types]))
    n, m = len(graph.inputs), len(graph.outputs)
    inputs, cts = whole.inputs[:n], whole.inputs[n:]
    results, found = whole.outputs[:m], whole.outputs[m:]
    late: set[Node] = set(cts)
    for node in whole.nodes:
        if any(arg in late for arg in node.args):
            late.add(node)
    needed = {arg for node in sort(whole.inputs, found) if node in late for arg in node.args}
    needed.update(node for node in found if node not in late)
    kept = [
        node
        for node in whole.nodes
        if node in needed and node not in late and not _free(node, inputs)
    ]
    kept = [node for node in kept if not isinstance(node.type, tuple)]
    forward = Graph(inputs, (*results, *kept))
    new = {node: Node(lookup("input"), (), {"type": repr(node.type)}, node.type) for node in kept}
    order = (*inputs, *new.values(), *cts)
    backward = substitute(Graph(whole.inputs, found), order, new, found)
    return forward, backward


def _free(node: Node, inputs: tuple[Node, ...]) -> bool:
    """Whether the backward part can have the value without storing it: an input, or made of literals."""
    return (
        node in inputs
        or node.primitive is ops.literal
        or (bool(node.args) and all(a.primitive is ops.literal for a in node.args))
    )


def _stage(f: Callable[..., Any], types: Sequence[ArrayType]) -> Graph:
    return baked(stage(f, types))


TRANSFORMS["split"] = split
TRANSFORMS["stage"] = _stage

__all__ = ["Tracer", "joint", "pull_back", "split", "zeros"]
