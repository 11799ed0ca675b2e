"""Reductions.

In: an array and axes. Out: sums, means, extremes, products, deviations along axes.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import Axis, as_array, as_float, axes_of, axis_of
from deltarule.derive.table import UFUNCS, rule
from deltarule.derive.ufuncs import truth
from deltarule.program import ops
from deltarule.program.families import broadcast_to
from deltarule.program.ops.reduce import count, keep


def reduced(primitive: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """Reduce along an axis argument as NumPy gives it."""
    axes = axes_of(axis, len(x.shape))
    out = primitive(x, axes=axes)
    return ops.reshape(out, shape=keep(x.shape, axes)) if keepdims else out


def _chosen(x: Any, where: Any, other: float) -> Any:
    """``x``, with ``other`` in the places that do not count."""
    return x if where is True else ops.select(truth(where), x, x.dtype.type(other))


def squared_size(x: Any) -> Any:
    """|x|^2."""
    if x.dtype.kind != "c":
        return ops.square(x)
    return ops.square(ops.real(x)) + ops.square(ops.imag(x))


def _with_initial(ufunc: Any, y: Any, initial: Any) -> Any:
    return y if initial is None else UFUNCS[ufunc](y, ops.cast(as_array(initial), dtype=y.dtype))


@cache
def _sum_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.add.reduce(np.zeros(1, dtype)).dtype  # type: ignore[no-any-return]


def accumulator(x: Any, dtype: Any) -> Any:
    """``x`` in the dtype in which NumPy adds it up: small integers and bools become int64."""
    if dtype is None and x.dtype.kind in "fc":
        return x
    wide = _sum_dtype(x.dtype) if dtype is None else np.dtype(dtype)
    return ops.cast(x, dtype=wide) if wide != x.dtype else x


@rule(np.sum)
def _sum(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    x = as_array(a)
    x = accumulator(x if where is True else _chosen(x, where, 0), dtype)
    y = reduced(ops.sum, x, axis, keepdims)
    return y if initial is None else _with_initial(np.add, y, initial)


@rule(np.prod)
def _prod(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    x = accumulator(_chosen(as_array(a), where, 1), dtype)
    return _with_initial(np.multiply, reduced(ops.prod, x, axis, keepdims), initial)


@rule(np.mean)
def _mean(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    *,
    where: Any = True,
) -> Any:
    x = as_float(a) if dtype is None else ops.cast(as_array(a), dtype=np.dtype(dtype))
    if where is True:
        return reduced(ops.mean, x, axis, keepdims)
    return _sum(x, axis, keepdims=keepdims, where=where) / _number(x, where, axis, keepdims)


def _number(x: Any, where: Any, axis: Axis, keepdims: bool) -> Any:
    """How many elements of ``x`` count, in its dtype."""
    flags = ops.cast(broadcast_to(truth(where), x.shape), dtype=x.dtype)
    return _sum(flags, axis, keepdims=keepdims)


def _extreme(
    primitive: Any, ufunc: Any, a: Any, axis: Axis, keepdims: bool, initial: Any, where: Any
) -> Any:
    x = as_array(a)
    if where is not True:
        worst = -np.inf if ufunc is np.maximum else np.inf
        x = _chosen(x, where, worst if initial is None or x.dtype.kind == "f" else initial)
    axes = axes_of(axis, x.ndim)
    if initial is not None and not all(x.shape[i] for i in axes):
        kept = keep(x.shape, axes)
        shape = kept if keepdims else tuple(n for i, n in enumerate(kept) if i not in axes)
        return broadcast_to(ops.cast(as_array(initial), dtype=x.dtype), shape)
    return _with_initial(ufunc, reduced(primitive, x, axis, keepdims), initial)


@rule(np.max, np.amax)
def _max(
    a: Any,
    axis: Axis = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    return _extreme(ops.max, np.maximum, a, axis, keepdims, initial, where)


@rule(np.min, np.amin)
def _min(
    a: Any,
    axis: Axis = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    return _extreme(ops.min, np.minimum, a, axis, keepdims, initial, where)


@rule(np.ptp)
def _ptp(a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False) -> Any:
    return _max(a, axis, None, keepdims) - _min(a, axis, None, keepdims)


def _truths(primitive: Any, of_none: bool, a: Any, axis: Axis, keepdims: bool, where: Any) -> Any:
    """All or any, which have a value for no elements, too."""
    x = truth(as_array(a))
    x = x if where is True else ops.select(truth(where), x, np.bool_(of_none))
    if not count(x.shape, axes_of(axis, x.ndim)):
        x = ops.pad(
            x,
            shape=tuple(max(n, 1) for n in x.shape),
            start=(0,) * x.ndim,
            step=(1,) * x.ndim,
        )
        x = ops.or_(x, np.bool_(of_none))
    return reduced(primitive, x, axis, keepdims)


@rule(np.all)
def _all(
    a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, *, where: Any = True
) -> Any:
    return _truths(ops.min, True, a, axis, keepdims, where)


@rule(np.any)
def _any(
    a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, *, where: Any = True
) -> Any:
    return _truths(ops.max, False, a, axis, keepdims, where)


@rule(np.count_nonzero)
def _count_nonzero(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    return _sum(truth(as_array(a)), axis, keepdims=keepdims)


@rule(np.argmax)
def _argmax(a: Any, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Any:
    x = as_array(a)
    if axis is None:
        index = ops.argmax(ops.reshape(x, shape=(x.size,)), axes=(0,))
        return ops.reshape(index, shape=(1,) * x.ndim) if keepdims else index
    return reduced(ops.argmax, x, axis_of(axis, x.ndim), keepdims)


@rule(np.argmin)
def _argmin(a: Any, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Any:
    x = as_array(a)
    turned = (
        ops.not_(x) if x.dtype.kind == "b" else -x if x.dtype.kind in "fi" else UFUNCS[np.invert](x)
    )
    return _argmax(turned, axis, keepdims=keepdims)


@rule(np.var)
def _var(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: float | None = None,
) -> Any:
    x = as_float(a) if dtype is None else ops.cast(as_array(a), dtype=np.dtype(dtype))
    less = ddof if correction is None else correction
    number = ops.real(x) if x.dtype.kind == "c" else x
    if where is True:
        free: Any = number.dtype.type(max(count(x.shape, axes_of(axis, x.ndim)) - less, 0))
    else:
        free = ops.maximum(_number(number, where, axis, keepdims) - less, number.dtype.type(0))
    middle = _mean(x, axis, keepdims=True, where=where) if mean is None else mean
    deviation = _chosen(x - middle, where, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return reduced(ops.sum, squared_size(deviation), axis, keepdims) / free


@rule(np.std)
def _std(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: float | None = None,
) -> Any:
    return ops.root(
        _var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction)
    )
