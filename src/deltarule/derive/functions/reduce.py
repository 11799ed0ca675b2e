"""Reductions and running totals.

In: an array and axes. Out: sums, means, extremes, products, norms, differences along axes.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import Axis, as_array, as_float, axes_of, axis_of, part
from deltarule.derive.functions.shape import diagonal
from deltarule.derive.table import UFUNCS, no_rule, rule
from deltarule.derive.ufuncs import safe_sqrt, truth
from deltarule.program import ops
from deltarule.program.ops.reduce import count, keep


def reduced(primitive: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """Reduce along an axis argument as NumPy gives it."""
    axes = axes_of(axis, x.ndim)
    out = primitive(x, axes=axes)
    return ops.reshape(out, shape=keep(x.shape, axes)) if keepdims else out


def _chosen(x: Any, where: Any, other: float) -> Any:
    """``x``, with ``other`` in the places that do not count."""
    return x if where is True else ops.select(truth(where), x, x.dtype.type(other))


def squared_size(x: Any) -> Any:
    """|x|^2."""
    if x.dtype.kind != "c":
        return x * x
    return ops.real(x) ** 2 + ops.imag(x) ** 2


def _with_initial(ufunc: Any, y: Any, initial: Any) -> Any:
    return (
        y
        if initial is None
        else UFUNCS[ufunc](y, y.dtype.type(initial) if np.isscalar(initial) else initial)
    )


def _accumulator(x: Any, dtype: Any) -> Any:
    """``x`` in the dtype in which NumPy adds it up: small integers and bools become int64."""
    wide = np.dtype(dtype) if dtype is not None else np.sum(np.zeros(0, x.dtype)).dtype
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
    x = _accumulator(_chosen(as_array(a), where, 0), dtype)
    return _with_initial(np.add, reduced(ops.sum, x, axis, keepdims), initial)


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
    x = _accumulator(_chosen(as_array(a), where, 1), dtype)
    axes = axes_of(axis, x.ndim)
    y = x
    for i in reversed(axes):
        y = _product(y, i)
    y = ops.reshape(y, shape=keep(x.shape, axes)) if keepdims else y
    return _with_initial(np.multiply, y, initial)


def _product(x: Any, axis: int) -> Any:
    """Product along an axis, halving it: exact derivatives where factors are zero, too."""
    rest = (*x.shape[:axis], *x.shape[axis + 1 :])
    if not x.shape[axis]:
        return np.ones(rest, x.dtype)
    while (n := x.shape[axis]) > 1:
        half = n // 2
        pairs = part(x, axis, 0, half) * part(x, axis, half, 2 * half)
        last = part(x, axis, 2 * half)
        x = ops.concatenate(pairs, last, axis=axis) if n % 2 else pairs
    return ops.reshape(x, shape=rest)


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
    number = _sum(
        ops.cast(truth(where), dtype=x.dtype) * np.ones(x.shape, x.dtype), axis, keepdims=keepdims
    )
    return _sum(x, axis, keepdims=keepdims, where=where) / number


@rule(np.average)
def _average(
    a: Any,
    axis: Axis = None,
    weights: Any = None,
    returned: bool = False,
    *,
    keepdims: bool = False,
) -> Any:
    x = as_float(a)
    if returned:
        raise no_rule(np.average, "with returned=True; np.sum(weights) is the second result")
    if weights is None:
        return _mean(x, axis, keepdims=keepdims)
    w = as_array(weights)
    if w.shape != x.shape:
        shape = [1] * x.ndim
        shape[axis_of(axis, x.ndim)] = w.size
        w = ops.reshape(w, shape=tuple(shape))
    shares = w * np.ones(x.shape, w.dtype)
    return _sum(x * w, axis, keepdims=keepdims) / _sum(shares, axis, keepdims=keepdims)


@rule(np.max, np.amax)
def _max(
    a: Any,
    axis: Axis = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    x = (
        _chosen(as_array(a), where, -np.inf)
        if initial is None
        else _chosen(as_array(a), where, initial)
    )
    return _with_initial(np.maximum, reduced(ops.max, x, axis, keepdims), initial)


@rule(np.min, np.amin)
def _min(
    a: Any,
    axis: Axis = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    x = (
        _chosen(as_array(a), where, np.inf)
        if initial is None
        else _chosen(as_array(a), where, initial)
    )
    return _with_initial(np.minimum, reduced(ops.min, x, axis, keepdims), initial)


@rule(np.ptp)
def _ptp(a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False) -> Any:
    return _max(a, axis, None, keepdims) - _min(a, axis, None, keepdims)


def _without_nan(f: Callable[..., Any], other: float) -> Callable[..., Any]:
    def without_nan(
        a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> Any:
        x = as_float(a)
        return f(ops.select(ops.ne(x, x), x.dtype.type(other), x), axis, keepdims=keepdims)

    return without_nan


rule(np.nansum)(_without_nan(_sum, 0))
rule(np.nanprod)(_without_nan(_prod, 1))
rule(np.nanmax)(_without_nan(_max, -np.inf))
rule(np.nanmin)(_without_nan(_min, np.inf))


@rule(np.nanmean)
def _nanmean(
    a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: bool = False
) -> Any:
    x = as_float(a)
    return _mean(
        ops.select(ops.ne(x, x), x.dtype.type(0), x),
        axis,
        dtype,
        None,
        keepdims,
        where=ops.eq(x, x),
    )


def _truths(primitive: Any, of_none: bool, a: Any, axis: Axis, keepdims: bool) -> Any:
    """All or any, which have a value for no elements, too."""
    x = truth(as_array(a))
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
def _all(a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False) -> Any:
    return _truths(ops.min, True, a, axis, keepdims)


@rule(np.any)
def _any(a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False) -> Any:
    return _truths(ops.max, False, a, axis, keepdims)


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
    mean: Any = None,
    correction: float | None = None,
) -> Any:
    x = as_float(a) if dtype is None else ops.cast(as_array(a), dtype=np.dtype(dtype))
    n = count(x.shape, axes_of(axis, x.ndim))
    deviation = x - (_mean(x, axis, keepdims=True) if mean is None else mean)
    free = float(n - (ddof if correction is None else correction))
    return reduced(ops.sum, squared_size(deviation), axis, keepdims) / free


@rule(np.std)
def _std(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    mean: Any = None,
    correction: float | None = None,
) -> Any:
    return safe_sqrt(_var(a, axis, dtype, None, ddof, keepdims, mean, correction))


@rule(np.cov)
def _cov(m: Any, *, rowvar: bool = True, bias: bool = False, ddof: int | None = None) -> Any:
    x = as_float(m)
    x = ops.reshape(x, shape=(1, *x.shape)) if x.ndim == 1 else x
    x = x if rowvar or x.shape[0] == 1 else x.T
    centred = x - _mean(x, 1, keepdims=True)
    free = x.shape[1] - (int(not bias) if ddof is None else ddof)
    found = (centred @ UFUNCS[np.conjugate](centred).T) / float(free)
    return ops.reshape(found, shape=()) if found.shape == (1, 1) else found


@rule(np.corrcoef)
def _corrcoef(x: Any, *, rowvar: bool = True) -> Any:
    found = as_array(_cov(x, rowvar=rowvar))
    deviation = ops.sqrt(diagonal(found))
    return found / deviation[:, None] / deviation[None, :]


# --- running totals and differences ---


@rule(np.cumsum)
def _cumsum(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    return _running(_accumulator(as_array(a), dtype), axis, operator.add, 0)


@rule(np.cumprod)
def _cumprod(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    return _running(_accumulator(as_array(a), dtype), axis, operator.mul, 1)


def _running(x: Any, axis: int | None, combine: Callable[[Any, Any], Any], neutral: int) -> Any:
    """Totals of all elements up to each, in about log2(n) steps that reach twice as far each."""
    if axis is None:
        x, axis = ops.reshape(x, shape=(x.size,)), 0
    axis = axis_of(axis, x.ndim)
    n, reach = x.shape[axis], 1
    while reach < n:
        shape = (*x.shape[:axis], reach, *x.shape[axis + 1 :])
        ground = np.full(shape, neutral, x.dtype)
        earlier = ops.concatenate(ground, part(x, axis, 0, n - reach), axis=axis)
        x = combine(x, earlier)
        reach *= 2
    return x


@rule(np.diff)
def _diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    x = as_array(a)
    along = axis_of(axis, x.ndim)
    for _ in range(n):
        later, earlier = part(x, along, 1), part(x, along, 0, -1)
        x = later - earlier if x.dtype != np.bool_ else ops.ne(later, earlier)
    return x


@rule(np.ediff1d)
def _ediff1d(ary: Any) -> Any:
    return _diff(ops.reshape(as_array(ary), shape=(ary.size,)))


@rule(np.trapezoid)
def _trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    y = as_array(y)
    along = axis_of(axis, y.ndim)
    width: Any = dx
    if x is not None:
        shape = [1] * y.ndim
        shape[along] = -1
        width = _diff(x, axis=axis) if np.ndim(x) > 1 else _diff(x).reshape(shape)
    middle = (part(y, along, 1) + part(y, along, 0, -1)) / 2.0
    return _sum(width * middle, axis)


@rule(np.gradient)
def _gradient(f: Any, *spacing: float, axis: Axis = None) -> Any:
    x = as_float(f)
    axes = axes_of(axis, x.ndim)
    if any(np.ndim(h) for h in spacing):
        raise no_rule(np.gradient, "with coordinates; traced is a spacing, one number an axis")
    steps = spacing or (1.0,)
    steps = steps * len(axes) if len(steps) == 1 else steps
    found = tuple(_slope(x, h, i) for h, i in zip(steps, axes, strict=True))
    return found[0] if len(found) == 1 else found


def _slope(x: Any, h: float, axis: int) -> Any:
    """Central differences along an axis, one-sided ones at its ends."""
    inner = (part(x, axis, 2) - part(x, axis, 0, -2)) / (2.0 * h)
    first = (part(x, axis, 1, 2) - part(x, axis, 0, 1)) / h
    last = (part(x, axis, -1) - part(x, axis, -2, -1)) / h
    return ops.concatenate(first, inner, last, axis=axis)
