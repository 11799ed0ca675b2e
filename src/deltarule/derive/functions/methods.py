"""The methods of universal functions: ``reduce``, ``accumulate``, ``reduceat`` and ``at``.

In: a ufunc of two operands, and the method's arguments. Out: what pairing neighbours gives where the order
does not matter, and a fold from the left where it does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import Axis, as_array, at, axes_of, axis_of, part
from deltarule.derive.functions.order import plain
from deltarule.derive.functions.running import running
from deltarule.derive.indexing import add_at
from deltarule.derive.table import FUNCTIONS, UFUNC_METHODS, UFUNCS, no_rule
from deltarule.derive.ufuncs import truth
from deltarule.derive.views import fitted
from deltarule.program import ops
from deltarule.program.families import broadcast_to
from deltarule.program.ops.reduce import keep

Combine = Callable[[Any, Any], Any]
_REDUCTIONS = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
    np.logical_and: np.all,
    np.logical_or: np.any,
}
_RUNNING = {np.add: np.cumsum, np.multiply: np.cumprod}
_ASSOCIATIVE = (
    np.add,
    np.multiply,
    np.maximum,
    np.minimum,
    np.fmax,
    np.fmin,
    np.logaddexp,
    np.logaddexp2,
    np.hypot,
    np.bitwise_and,
    np.bitwise_or,
    np.bitwise_xor,
    np.logical_and,
    np.logical_or,
    np.logical_xor,
)
_NEUTRAL: dict[Any, Any] = {np.logaddexp: -np.inf, np.logaddexp2: -np.inf, np.hypot: 0}


def method(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the rule of a method of ufuncs, ``(ufunc, place, *args)``."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        UFUNC_METHODS[name] = f
        return f

    return declare


def _written(y: Any, out: Any) -> Any:
    """The result, in ``out`` where one is given."""
    out = out[0] if isinstance(out, tuple) else out
    if out is None:
        return y
    out.assign(fitted(y, out, "copyto"))
    return out


def _combine(ufunc: np.ufunc, place: str, use: str) -> Combine:
    if ufunc not in UFUNCS or ufunc.nin != 2 or ufunc.nout != 1:
        raise no_rule(ufunc, f"{place}, in the form .{use}")
    return UFUNCS[ufunc]


@method("reduce")
def _reduce(
    ufunc: np.ufunc,
    place: str,
    array: Any,
    axis: Axis = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    if ufunc in _REDUCTIONS:
        settings = {"keepdims": keepdims, "where": where}
        settings |= {"dtype": dtype} if dtype is not None else {}
        settings |= {"initial": initial} if initial is not None else {}
        return _written(FUNCTIONS[_REDUCTIONS[ufunc]](array, axis, **settings), out)
    combine = _combine(ufunc, place, "reduce")
    x = as_array(array)
    x = x if dtype is None else ops.cast(x, dtype=np.dtype(dtype))
    axes = axes_of(axis, x.ndim)
    neutral = _NEUTRAL.get(ufunc, ufunc.identity)
    if where is not True:
        if initial is None and neutral is None:
            raise ValueError(f"np.{ufunc.__name__}.reduce(where=...) needs initial")
        x = ops.select(truth(where), x, x.dtype.type(neutral if neutral is not None else initial))
    y = x
    for i in reversed(axes):
        if not y.shape[i] and neutral is None and initial is None:
            raise ValueError(f"np.{ufunc.__name__}.reduce of no elements has no value")
        y = _folded(ufunc, combine, y, i, neutral)
    y = ops.reshape(y, shape=keep(x.shape, axes)) if keepdims else y
    return _written(y if initial is None else combine(initial, y), out)


def _folded(ufunc: np.ufunc, combine: Combine, x: Any, axis: int, neutral: Any) -> Any:
    """One axis taken away."""
    rest = (*x.shape[:axis], *x.shape[axis + 1 :])
    if not x.shape[axis]:
        return np.full(rest, neutral, x.dtype)[()]
    if ufunc in _ASSOCIATIVE:
        while (n := x.shape[axis]) > 1:
            pairs = combine(part(x, axis, 0, n - n % 2)[_every(axis, 0)], _odd(x, axis, n))
            x = ops.concatenate(pairs, part(x, axis, n - 1), axis=axis) if n % 2 else pairs
        return ops.reshape(x, shape=rest)
    y = at(x, axis, 0)
    for i in range(1, x.shape[axis]):
        y = combine(y, at(x, axis, i))
    return y


def _every(axis: int, start: int) -> tuple[Any, ...]:
    """Every second element along an axis."""
    return (*(slice(None),) * axis, slice(start, None, 2))


def _odd(x: Any, axis: int, n: int) -> Any:
    return part(x, axis, 0, n - n % 2)[_every(axis, 1)]


@method("accumulate")
def _accumulate(
    ufunc: np.ufunc, place: str, array: Any, axis: int = 0, dtype: Any = None, out: Any = None
) -> Any:
    if ufunc in _RUNNING:
        return _written(FUNCTIONS[_RUNNING[ufunc]](array, axis, dtype), out)
    combine = _combine(ufunc, place, "accumulate")
    x = as_array(array)
    x = x if dtype is None else ops.cast(x, dtype=np.dtype(dtype))
    along = axis_of(axis, x.ndim)
    if ufunc in _ASSOCIATIVE:
        return _written(running(x, along, combine), out)
    found = [part(x, along, 0, 1)]
    for i in range(1, x.shape[along]):
        found.append(combine(found[-1], part(x, along, i, i + 1)))
    return _written(ops.concatenate(*found, axis=along), out)


@method("reduceat")
def _reduceat(
    ufunc: np.ufunc,
    place: str,
    array: Any,
    indices: Any,
    axis: int = 0,
    dtype: Any = None,
    out: Any = None,
) -> Any:
    x = as_array(array)
    along = axis_of(axis, x.ndim)
    starts = plain(as_array(indices), f"np.{ufunc.__name__}.reduceat").tolist()
    found = []
    for start, end in zip(starts, [*starts[1:], x.shape[along]], strict=True):
        piece = part(x, along, start, end if end > start else start + 1)
        found.append(_reduce(ufunc, place, piece, along, dtype, keepdims=True))
    return _written(ops.concatenate(*found, axis=along), out)


@method("at")
def _at(ufunc: np.ufunc, place: str, target: Any, index: Any, *values: Any) -> None:
    if ufunc in (np.add, np.subtract):
        add_at(target, index, values[0] if ufunc is np.add else UFUNCS[np.negative](values[0]))
        return
    if ufunc not in UFUNCS or ufunc.nin != len(values) + 1:
        raise no_rule(ufunc, f"{place}, in the form .at")
    change = partial(_changed, ufunc, target)
    places = np.arange(target.size).reshape(target.shape)[_key(index)]
    given = [broadcast_to(as_array(v), places.shape).reshape(-1) for v in values]
    for turn in _turns(places.ravel()):
        change(places.ravel()[turn], [v[turn] for v in given])


def _key(index: Any) -> Any:
    """A key of plain numbers."""
    if isinstance(index, tuple):
        return tuple(map(_key, index))
    if index is None or index is Ellipsis or isinstance(index, (slice, int)):
        return index
    return plain(as_array(index), "ufunc.at")


def _turns(places: Any) -> list[Any]:
    """Positions of the first, second, ... occurrence of each place: within one turn none comes twice."""
    order = np.argsort(places, kind="stable")
    first = np.searchsorted(places[order], places[order])
    occurrence = np.empty(len(places), int)
    occurrence[order] = np.arange(len(places)) - first
    return [np.flatnonzero(occurrence == k) for k in range(int(occurrence.max(initial=-1)) + 1)]


def _changed(ufunc: np.ufunc, target: Any, places: Any, values: list[Any]) -> None:
    key = np.unravel_index(places, target.shape)
    target[key] = UFUNCS[ufunc](target[key], *values)
