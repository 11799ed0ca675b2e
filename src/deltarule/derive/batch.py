"""Batching: the same function over a new leading axis of its arguments, one operation for all of them.

In: a function of single examples. Out: ``vmap(f)``, a function of stacked examples, through each
primitive's batch rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from deltarule.derive.trace import baked, stage
from deltarule.derive.tracer import Tracer, is_python
from deltarule.derive.tree import flatten, paths, unflatten
from deltarule.derive.ufuncs import operand
from deltarule.derive.views import layout, pattern, pattern_of
from deltarule.errors import DataError, TypeRuleError
from deltarule.program import Graph, Node, ops
from deltarule.program.families import broadcast_to
from deltarule.program.interpret import REPLAYED
from deltarule.program.transforms import TRANSFORMS
from deltarule.program.types import ArrayType


def batch_walk(
    graph: Graph, size: int, args: Sequence[Any], batched: Sequence[bool]
) -> list[tuple[Any, bool]]:
    """Values of the outputs, each with whether it has the batch axis."""
    values: dict[Node, Any] = dict(zip(graph.inputs, args, strict=True))
    marked = {node for node, flag in zip(graph.inputs, batched, strict=True) if flag}
    outer = REPLAYED.origin
    try:
        for node in graph.nodes[len(graph.inputs) :]:
            given = [values[arg] for arg in node.args]
            flags = [arg in marked for arg in node.args]
            REPLAYED.origin = node.origin
            if any(flags):
                values[node] = node.primitive.batch(size, flags, *given, **node.attrs)
                marked.add(node)
            else:
                values[node] = node.primitive(*given, **node.attrs)
    finally:
        REPLAYED.origin = outer
    return [(values[node], node in marked) for node in graph.outputs]


def batch(graph: Graph, size: int, batched: Sequence[bool]) -> Graph:
    """The graph over batched inputs; every result has the batch axis."""

    def run(*args: Any) -> list[Any]:
        found = batch_walk(graph, size, args, batched)
        return [y if flag else broadcast_to(y, (size, *y.shape)) for y, flag in found]

    pairs = zip(graph.types, batched, strict=True)
    return baked(
        stage(run, [ArrayType((size, *t.shape), t.dtype) if flag else t for t, flag in pairs])
    )


TRANSFORMS["batch"] = batch


def move_axis(x: Any, source: int, destination: int) -> Any:
    """``x`` with one axis moved."""
    if source == destination:
        return x
    order = [i for i in range(len(x.shape)) if i != source]
    order.insert(destination, source)
    return ops.transpose(x, order=tuple(order))


def owned(values: Sequence[Any], kept: Sequence[Any] = ()) -> list[Any]:
    """Results as arrays that the caller owns: no views, writable, none twice, and none of those that
    somebody else keeps."""
    seen = {id(x) for x in kept}
    out = []
    for x in values:
        if isinstance(x, np.ndarray) and (
            x.base is not None or not x.flags.writeable or id(x) in seen
        ):
            x = x.copy()
        seen.add(id(x))
        out.append(x)
    return out


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: int = 0) -> Callable[..., Any]:
    """The function ``f`` of single examples, over stacked examples.

    y[i] = f(x[i]) for every i, computed with one operation per operation of f.

    Parameters
    ----------
    f : callable
        A function of trees of arrays. It is traced on types: it may not branch on values.
    in_axes : int, None, or a tuple with one of these per argument
        The axis of each argument that counts the examples; None for an argument that all share.
    out_axes : int
        Where the axis of the examples stands in the results.

    Raises
    ------
    DataError
        Where the arguments disagree on the number of examples.
    BranchError
        Where ``f`` branches on a value.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> dr.vmap(np.dot)(np.eye(2), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([1., 4.])
    """

    @wraps(f)
    def over_examples(*args: Any) -> Any:
        leaves, spec = flatten(args)
        axes = _axes(args, in_axes)
        weak = [is_python(x) for x in leaves]
        leaves = [x if hasattr(x, "dtype") else np.asarray(operand(x))[()] for x in leaves]
        size, moved, flags = _examples(leaves, axes, spec)
        types = [
            ArrayType(x.shape[1:] if flag else x.shape, x.dtype)
            for x, flag in zip(moved, flags, strict=True)
        ]
        out_spec: list[Any] = []

        def flat(*values: Any) -> list[Any]:
            ys, s = flatten(f(*unflatten(spec, values)))
            out_spec.append(s)
            return ys

        strides = [_strides(x, axis) for x, axis in zip(leaves, axes, strict=True)]
        staged = stage(flat, types, weak, strides)
        none = [False] * len(staged.captured)
        found = batch_walk(staged.graph, size, [*moved, *staged.captured], [*flags, *none])
        results = [y if flag else broadcast_to(y, (size, *y.shape)) for y, flag in found]
        return unflatten(
            out_spec[0], owned([move_axis(y, 0, out_axes % len(y.shape)) for y in results], leaves)
        )

    return over_examples


def _axes(args: tuple[Any, ...], in_axes: Any) -> list[int | None]:
    """One axis per leaf."""
    given = in_axes if isinstance(in_axes, (tuple, list)) else (in_axes,) * len(args)
    if len(given) != len(args):
        raise TypeRuleError(
            f"vmap: in_axes {in_axes} has {len(given)} entries, the function is given "
            f"{len(args)} arguments"
        )
    out: list[int | None] = []
    for axis, arg in zip(given, args, strict=True):
        leaves, spec = flatten(arg)
        out += (
            [axis] * len(leaves)
            if axis is None or isinstance(axis, int)
            else spec.flatten_up_to(axis)
        )
    return out


def _strides(x: Any, axis: int | None) -> tuple[int, ...] | None:
    """How one example lies in memory."""
    if axis is None or not isinstance(x, (Tracer, np.ndarray)):
        return pattern_of(x)
    left = [i for i in range(x.ndim) if i != axis % x.ndim]
    strides = layout(x)
    return pattern(tuple(x.shape[i] for i in left), tuple(strides[i] for i in left))


def _examples(
    leaves: list[Any], axes: list[int | None], spec: Any
) -> tuple[int, list[Any], list[bool]]:
    """Number of examples, leaves with that axis first, and which leaves have it."""
    sizes: dict[int, str] = {}
    moved = []
    for x, axis, path in zip(leaves, axes, paths(spec), strict=True):
        if axis is not None:
            if not -len(x.shape) <= axis < len(x.shape):
                raise DataError(
                    f"vmap: argument {path} of shape {x.shape} has no axis {axis}; give "
                    "None for a shared argument"
                )
            axis %= len(x.shape)
            sizes.setdefault(x.shape[axis], path)
            x = move_axis(x, axis, 0)
        moved.append(x)
    if len(sizes) != 1:
        found = (
            ", ".join(f"{n} at argument {path}" for n, path in sizes.items())
            or "no argument has an axis"
        )
        raise DataError(f"vmap: the number of examples must be one: {found}")
    return next(iter(sizes)), moved, [axis is not None for axis in axes]
