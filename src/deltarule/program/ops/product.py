"""Products along axes, with derivatives that divide by nothing: factors may be zero.

In: an array and ``axes``, a sorted tuple. Out: an array without those axes; its derivative is the product of
all other factors, computed from both sides by NumPy and by halves where it is compiled.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from deltarule.errors import TypeRuleError
from deltarule.program.graph import Graph
from deltarule.program.interpret import interpret
from deltarule.program.lowering import Expand
from deltarule.program.ops.reduce import errors, expand, reduce_batch, reduce_type, samples, sum_
from deltarule.program.ops.shape import broadcast, concatenate, reshape, slice_
from deltarule.program.primitive import ErrorSample, Primitive, Sample
from deltarule.program.samples import each, normal
from deltarule.program.transforms import TRANSFORMS
from deltarule.program.types import ArrayType, type_of


def _part(x: Any, axis: int, start: int, stop: int) -> Any:
    """``x[:, :, start:stop]`` along one axis."""
    first = tuple(start if i == axis else 0 for i in range(len(x.shape)))
    size = tuple(stop - start if i == axis else n for i, n in enumerate(x.shape))
    return slice_(x, start=first, size=size, step=(1,) * len(size))


def _paired(x: Any, axis: int) -> tuple[Any, Any, Any]:
    """The halves along an axis, and their products; with these an element that has no partner."""
    n, half = x.shape[axis], x.shape[axis] // 2
    first, second = _part(x, axis, 0, half), _part(x, axis, half, 2 * half)
    fewer = first * second
    if n % 2:
        fewer = concatenate(fewer, _part(x, axis, n - 1, n), axis=axis)
    return first, second, fewer


def _prod_steps(x: Any, axes: tuple[int, ...]) -> Any:
    """Halved along each axis until one element is left."""
    for axis in reversed(axes):
        while x.shape[axis] > 1:
            x = _paired(x, axis)[2]
        rest = (*x.shape[:axis], *x.shape[axis + 1 :])
        x = reshape(x, shape=rest) if x.shape[axis] else sum_(x, axes=(axis,)) + x.dtype.type(1)
    return x


# --- all factors but one ---

_ones = np.ones  # itself, also while a trace is open


def _others_type(x: ArrayType, axis: int) -> ArrayType:
    if x.dtype.kind not in "fc":
        raise TypeRuleError(f"others takes no {x!r}; cast it first, x.astype(float)")
    if not 0 <= axis < len(x.shape):
        raise TypeRuleError(f"others: {axis} is no axis of {x!r}")
    return x


def _others(x: Any, axis: int) -> Any:
    """The products of those before, times the products of those behind."""
    x = x.swapaxes(axis, 0)
    before, behind = _ones((2, *x.shape), x.dtype)
    np.multiply.accumulate(x[:-1], 0, out=before[1:])
    np.multiply.accumulate(x[:0:-1], 0, out=behind[-2::-1])
    return (before * behind).swapaxes(axis, 0)


def _others_steps(x: Any, axis: int) -> Any:
    """By halves: the others of an element are its partner and the others of both."""
    n = x.shape[axis]
    if n < 2:
        return broadcast(x.dtype.type(1), shape=x.shape)
    first, second, fewer = _paired(x, axis)
    found = _others_steps(fewer, axis)
    rest = _part(found, axis, 0, n // 2)
    last = [_part(found, axis, n // 2, n // 2 + 1)] if n % 2 else []
    return concatenate(rest * second, rest * first, *last, axis=axis)


@lru_cache(maxsize=256)
def _halves(kind: ArrayType, axis: int) -> tuple[Graph, Graph]:
    """The steps, and their derivative."""
    graph = TRANSFORMS["stage"](lambda x: [_others_steps(x, axis)], [kind])
    forward, backward = TRANSFORMS["split"](graph, [True])
    return forward, backward


def _others_moved(t: Any, x: Any, axis: int) -> Any:
    """sum_i t_i times the product of all but i and k: the map is its own transpose."""
    forward, backward = _halves(type_of(x), axis)
    _, *kept = interpret(forward, x)
    return interpret(backward, x, *kept, t)[0]


others: Primitive = Primitive(
    "others",
    "For each element the product of all others along an axis.",
    type_rule=_others_type,
    evaluate=_others,
    vjp=lambda i, ct, y, x, axis: _others_moved(ct, x, axis),
    jvp=lambda tangents, y, x, axis: _others_moved(tangents[0], x, axis),
    batch=lambda size, batched, x, axis: others(x, axis=axis + 1),
    lowering=Expand(_others_steps),
    notation=r"\prod_{{j \ne i}} {0}",
    samples=each(
        normal((5,), axis=0),
        normal((2, 3), axis=1),
        normal((2, 3, 4), axis=1),
        normal((1,), axis=0),
        normal((0, 2), axis=0),
    ),
    errors=(
        ErrorSample((np.ones((2, 3)),), {"axis": 2}, "is no axis"),
        ErrorSample((np.ones(3, int),), {"axis": 0}, "takes no i64"),
    ),
    special=lambda: [
        Sample((np.array([2.0, 0.0, 3.0]),), {"axis": 0}, derivative=(np.array([3.0, 5.0, 2.0]),))
    ],
)


# --- the product ---


def _slopes(x: Any, axes: tuple[int, ...]) -> Any:
    """The product of all others along several axes: those in the row, times the other rows."""
    if not axes:
        return broadcast(x.dtype.type(1), shape=x.shape)
    *rest, last = axes
    found = others(x, axis=last)
    if not rest:
        return found
    rows = prod(x, axes=(last,))
    return found * expand(_slopes(rows, tuple(rest)), x.shape, (last,))


prod: Primitive = Primitive(
    "prod",
    "Product along axes, y = prod_i x_i.",
    type_rule=reduce_type("prod", "iufc", empty=True),
    evaluate=lambda x, axes: np.multiply.reduce(x, axes, x.dtype),
    vjp=lambda i, ct, y, x, axes: expand(ct, x.shape, axes) * _slopes(x, axes),
    jvp=lambda tangents, y, x, axes: sum_(tangents[0] * _slopes(x, axes), axes=axes),
    batch=reduce_batch("prod"),
    lowering=Expand(_prod_steps),
    notation=r"\prod {0}",
    samples=lambda rng: (
        samples(rng) + each(normal((0, 3), axes=(0,)), normal((0, 3), axes=(1,)))(rng)
    ),
    errors=errors(True),
    special=lambda: [
        Sample(
            (np.array([2.0, 0.0, 3.0]),), {"axes": (0,)}, derivative=(np.array([0.0, 6.0, 0.0]),)
        ),
        Sample((np.array([0.0, 0.0, 3.0]),), {"axes": (0,)}, derivative=(np.zeros(3),)),
    ],
)
