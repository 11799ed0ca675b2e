"""Running totals and differences along an axis.

In: an array and an axis. Out: sums of all elements up to each, differences of neighbours, slopes.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import (
    Axis,
    as_array,
    as_float,
    axis_of,
    part,
    same_dtype,
)
from deltarule.derive.functions.reduce import _sum, accumulator
from deltarule.derive.table import UFUNCS, rule
from deltarule.program import ops
from deltarule.program.families import broadcast_to

Combine = Callable[[Any, Any], Any]


@rule(np.cumsum)
def _cumsum(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    x, along = _lined_up(accumulator(as_array(a), dtype), axis)
    return ops.cumsum(x, axis=along, reverse=False)


@rule(np.cumprod)
def _cumprod(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    return running(*_lined_up(accumulator(as_array(a), dtype), axis), operator.mul)


def _lined_up(x: Any, axis: int | None) -> tuple[Any, int]:
    if axis is None:
        return ops.reshape(x, shape=(x.size,)), 0
    return x, axis_of(axis, x.ndim)


def running(x: Any, axis: int, combine: Combine) -> Any:
    """Totals of all elements up to each, in about log2(n) steps that reach twice as far each."""
    n, reach = x.shape[axis], 1
    while reach < n:
        later = combine(part(x, axis, 0, n - reach), part(x, axis, reach))
        x = ops.concatenate(part(x, axis, 0, reach), later, axis=axis)
        reach *= 2
    return x


def _cumulative(total: Any, first: int) -> Any:
    def cumulative(
        x: Any,
        /,
        *,
        axis: int | None = None,
        dtype: Any = None,
        out: Any = None,
        include_initial: bool = False,
    ) -> Any:
        x = as_array(x)
        if axis is None and x.ndim > 1:
            raise ValueError(f"an array of shape {x.shape} needs an axis")
        along = axis_of(axis or 0, x.ndim)
        y = total(x, along, dtype)
        if not include_initial:
            return y
        shape = (*x.shape[:along], 1, *x.shape[along + 1 :])
        return ops.concatenate(np.full(shape, first, y.dtype), y, axis=along)

    return cumulative


rule(np.cumulative_sum)(_cumulative(_cumsum, 0))
rule(np.cumulative_prod)(_cumulative(_cumprod, 1))


def _without_nan(total: Any, neutral: int) -> Any:
    def without_nan(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
        x = as_array(a)
        return total(ops.select(ops.ne(x, x), x.dtype.type(neutral), x), axis, dtype)

    return without_nan


rule(np.nancumsum)(_without_nan(_cumsum, 0))
rule(np.nancumprod)(_without_nan(_cumprod, 1))

# --- differences ---


@rule(np.diff)
def _diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    x = as_array(a)
    if n < 0:
        raise ValueError(f"np.diff: the order n must not be negative, it is {n}")
    if not x.ndim:
        raise ValueError("np.diff takes an array of at least one axis")
    along = axis_of(axis, x.ndim)
    if n and (prepend is not None or append is not None):
        ends = [_end(v, x, along) for v in (prepend, append)]
        parts = [v for v in (ends[0], x, ends[1]) if v is not None]
        x = ops.concatenate(*same_dtype(parts), axis=along)
    for _ in range(n):
        later, earlier = part(x, along, 1), part(x, along, 0, -1)
        x = later - earlier if x.dtype != np.bool_ else ops.ne(later, earlier)
    return x


def _end(value: Any, x: Any, axis: int) -> Any:
    """What is put before or behind ``x``: a number is one slice of it."""
    if value is None or as_array(value).ndim:
        return None if value is None else as_array(value)
    return broadcast_to(as_array(value), (*x.shape[:axis], 1, *x.shape[axis + 1 :]))


@rule(np.ediff1d)
def _ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    x = as_array(ary)
    steps = _diff(ops.reshape(x, shape=(x.size,)))
    parts = [
        ops.cast(as_array(v), dtype=x.dtype).reshape(-1) if v is not steps else v
        for v in (to_begin, steps, to_end)
        if v is not None
    ]
    return ops.concatenate(*parts, axis=0)


@rule(np.trapezoid)
def _trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = as_array(y)
    along = axis_of(axis, y.ndim)
    width: Any = dx
    if x is not None:
        x = as_array(x)
        shape = [1] * y.ndim
        shape[along] = -1
        width = _diff(x, axis=axis) if x.ndim > 1 else _diff(x).reshape(shape)
    middle = (part(y, along, 1) + part(y, along, 0, -1)) / 2.0
    return _sum(UFUNCS[np.multiply](width, middle), axis)


# --- slopes ---


@rule(np.gradient)
def _gradient(f: Any, *varargs: Any, axis: Axis = None, edge_order: int = 1) -> Any:
    x = as_float(f)
    if axis is None:
        axes: tuple[int, ...] = tuple(range(x.ndim))
    else:
        axes = tuple(axis_of(a, x.ndim) for a in (axis if isinstance(axis, tuple) else (axis,)))
    steps = [as_array(h) for h in varargs] or [np.float64(1)]
    steps = steps * len(axes) if len(steps) == 1 and not steps[0].ndim else steps
    if len(steps) != len(axes):
        raise TypeError(f"np.gradient takes one spacing an axis: {len(steps)} for {len(axes)}")
    if edge_order not in (1, 2):
        raise ValueError(f"np.gradient: edge_order is 1 or 2, not {edge_order}")
    for i, h in zip(axes, steps, strict=True):
        if x.shape[i] <= edge_order:
            raise ValueError(
                f"np.gradient: axis {i} of shape {x.shape} needs {edge_order + 1} elements"
            )
        if h.ndim > 1 or (h.ndim and h.shape[0] != x.shape[i]):
            raise ValueError(
                f"np.gradient: coordinates of shape {h.shape} for axis {i} of shape {x.shape}"
            )
    slopes = (_slope(x, h, i, edge_order) for i, h in zip(axes, steps, strict=True))
    found = tuple(ops.cast(slope, dtype=x.dtype) for slope in slopes)
    return found[0] if len(found) == 1 else found


def _slope(x: Any, h: Any, axis: int, edge_order: int) -> Any:
    """Second-order differences inside, one-sided ones at the ends."""
    h = as_float(h)
    wide = _widths(h, x, axis)

    def take(i: int) -> Any:
        return part(x, axis, i, i + 1 if i != -1 else None)

    before, after = part(wide, axis, 0, -1), part(wide, axis, 1)
    steps = part(x, axis, 1) - part(x, axis, 0, -1)
    slopes = steps / wide
    if h.ndim:
        share = before / (before + after)
        inner = part(slopes, axis, 0, -1) * (1 - share) + part(slopes, axis, 1) * share
    else:
        inner = (part(x, axis, 2) - part(x, axis, 0, -2)) / (2.0 * h)
    first, last = part(slopes, axis, 0, 1), part(slopes, axis, -1)
    if edge_order == 2:
        first = _second_order(
            take(0), take(1), take(2), part(wide, axis, 0, 1), part(wide, axis, 1, 2)
        )
        near, far = part(wide, axis, -1), part(wide, axis, -2, -1)
        last = -_second_order(take(-1), take(-2), take(-3), near, far)
    return ops.concatenate(*same_dtype([first, inner, last]), axis=axis)


def _widths(h: Any, x: Any, axis: int) -> Any:
    """Distances of neighbours, in a shape that broadcasts along the axis."""
    n = x.shape[axis]
    shape = tuple(n - 1 if i == axis else 1 for i in range(x.ndim))
    distances = _diff(h) if h.ndim else broadcast_to(h, (n - 1,))
    return ops.reshape(distances, shape=shape)


def _second_order(y0: Any, y1: Any, y2: Any, near: Any, far: Any) -> Any:
    """Slope at y0 of the parabola through three points, ``near`` and ``far`` apart."""
    both = near + far
    return -(near + both) / (near * both) * y0 + both / (near * far) * y1 - near / (far * both) * y2
