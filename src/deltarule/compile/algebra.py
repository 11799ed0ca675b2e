"""Algebra on one node that is exact for every number: signed zeros, infinities and NaN included.

In: a node whose arguments are simplified already. Out: an equal node, mostly the same. Powers with
small exponents become products, within 2 ulp.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.program import ArrayType, Graph, Node, ops
from deltarule.program.lowering import Map

Rule = Callable[[Node], Node]


def node_of(primitive: Any, *args: Node, like: Node, **attrs: Any) -> Node:
    """A new node that stands for ``like``."""
    kind = primitive.type_rule(*(arg.type for arg in args), **attrs)
    return Node(primitive, args, attrs, kind, like.origin)


def put_in(
    graph: Graph, args: Sequence[Node], like: Node, written: bool = False
) -> tuple[Node, ...]:
    """The results of a graph on arguments. Its steps stand for ``like``, but those ``written`` by the user,
    which know where."""
    new: dict[Node, Node] = dict(zip(graph.inputs, args, strict=True))
    for old in graph.nodes[len(graph.inputs) :]:
        inner = tuple(new[arg] for arg in old.args)
        origin = (written and old.origin) or like.origin
        new[old] = Node(old.primitive, inner, old.attrs, old.type, origin)
    return tuple(new[old] for old in graph.outputs)


def literal(value: Any, dtype: np.dtype[Any], like: Node) -> Node:
    """A number."""
    plain = dtype.type(value).item()
    return Node(
        ops.literal, (), {"value": plain, "dtype": dtype}, ArrayType((), dtype), like.origin
    )


def uniform(node: Node) -> Any:
    """The number that all elements of a node are, or None."""
    while node.primitive in MOVES and node.type.size:
        (node,) = node.args
    if node.primitive is ops.literal and not node.type.shape:
        return node.type.dtype.type(node.attrs["value"])
    return None


MOVES = (ops.broadcast, ops.reshape, ops.transpose, ops.slice)


def simplified(node: Node) -> Node:
    """The node, or a simpler one."""
    if isinstance(node.primitive.lowering, Map) and (number := _computed(node)) is not None:
        return number
    rule = RULES.get(node.primitive)
    return node if rule is None else rule(node)


def _computed(node: Node) -> Node | None:
    """The result of an elementwise operation on numbers."""
    values = [uniform(arg) for arg in node.args]
    if any(value is None for value in values):
        return None
    with np.errstate(all="ignore"):
        try:
            found = node.primitive.evaluate(*values, **node.attrs)
        except ValueError:  # integers to negative powers: said when it is run
            return None
    number = literal(found, node.type.dtype, node)
    return spread(number, node) if node.type.shape else number


def spread(x: Node, like: Node) -> Node:
    """``x`` in the shape of a node."""
    return (
        x
        if x.type.shape == like.type.shape
        else node_of(ops.broadcast, x, shape=like.type.shape, like=like)
    )


def is_number(node: Node, value: float) -> bool:
    """Whether all elements of a node are ``value``, with its sign where it is zero."""
    found = uniform(node)
    if found is None or found != value:
        return False
    return (
        value != 0
        or found.dtype.kind not in "fc"
        or math.copysign(1, found.real) == math.copysign(1, value)
    )


def _add(node: Node) -> Node:
    for x, zero in (node.args, node.args[::-1]):
        if is_number(zero, -0.0) and x.type.dtype.kind != "b":
            return spread(x, node)
    return node


def _sub(node: Node) -> Node:
    x, zero = node.args
    return spread(x, node) if is_number(zero, 0.0) else node


def _mul(node: Node) -> Node:
    for x, one in (node.args, node.args[::-1]):
        if is_number(one, 1) and x.type.dtype.kind != "b":
            return spread(x, node)
        if is_number(one, -1) and x.type.dtype.kind in "if":
            return spread(node_of(ops.neg, x, like=node), node)
    return node


def _div(node: Node) -> Node:
    x, one = node.args
    return spread(x, node) if is_number(one, 1) else node


def _zmul(node: Node) -> Node:
    ct, p = node.args
    value = uniform(ct)
    if value is None or value == 0 or np.isnan(value):
        return node
    return _mul(node_of(ops.mul, ct, p, like=node))


def _neg(node: Node) -> Node:
    (x,) = node.args
    return x.args[0] if x.primitive is ops.neg else node


def _power(node: Node) -> Node:
    x, n = node.args
    value = uniform(n)
    if value == 1:
        return spread(x, node)
    if value == 2 or value == 3:
        square = node_of(ops.mul, x, x, like=node)
        return spread(square if value == 2 else node_of(ops.mul, square, x, like=node), node)
    if value == 0.5 and n.type.shape == ():  # as NumPy does it, where the exponent is one number
        return node_of(ops.sqrt, x, like=node)
    if value == -1 and x.type.dtype.kind == "f":
        return spread(node_of(ops.div, literal(1, x.type.dtype, node), x, like=node), node)
    return node


def _select(node: Node) -> Node:
    c, a, b = node.args
    chosen = uniform(c)
    if chosen is not None:
        return spread(a if chosen else b, node)
    return spread(a, node) if a is b else node


def _same_type(node: Node) -> Node:
    return node.args[0] if node.args[0].type == node.type else node


def _reshape(node: Node) -> Node:
    (x,) = node.args
    if x.primitive is ops.reshape:
        return _same_type(node_of(ops.reshape, x.args[0], shape=node.type.shape, like=node))
    return _same_type(node)


def _transpose(node: Node) -> Node:
    (x,) = node.args
    order = tuple(node.attrs["order"])
    if order == tuple(range(len(order))):
        return x
    if x.primitive is ops.transpose:
        inner = x.attrs["order"]
        return _transpose(
            node_of(ops.transpose, x.args[0], order=tuple(inner[i] for i in order), like=node)
        )
    return node


def _broadcast(node: Node) -> Node:
    (x,) = node.args
    if x.primitive is ops.broadcast:
        return _same_type(node_of(ops.broadcast, x.args[0], shape=node.type.shape, like=node))
    return _same_type(node)


def _slice(node: Node) -> Node:
    (x,) = node.args
    whole = x.type == node.type and all(step == 1 for step in node.attrs["step"])
    return x if whole else node


def _reduce(node: Node) -> Node:
    """Of one element each. Not sums of floats: that of -0.0 is 0.0."""
    (x,) = node.args
    exact = node.primitive in (ops.max, ops.min) or x.type.dtype.kind in "iu"
    if exact and all(x.type.shape[axis] == 1 for axis in node.attrs["axes"]):
        return _reshape(node_of(ops.reshape, x, shape=node.type.shape, like=node))
    return node


RULES: dict[Any, Rule] = {
    ops.add: _add,
    ops.sub: _sub,
    ops.mul: _mul,
    ops.div: _div,
    ops.zmul: _zmul,
    ops.neg: _neg,
    ops.power: _power,
    ops.select: _select,
    ops.cast: _same_type,
    ops.reshape: _reshape,
    ops.transpose: _transpose,
    ops.broadcast: _broadcast,
    ops.slice: _slice,
    ops.sum: _reduce,
    ops.max: _reduce,
    ops.min: _reduce,
}
