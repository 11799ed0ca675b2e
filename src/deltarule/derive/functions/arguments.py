"""The arguments of NumPy's functions, brought to one form.

In: axes, lists, numbers as users give them. Out: non-negative axes; arrays or traced values.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

from deltarule.derive.tracer import Tracer
from deltarule.derive.ufuncs import common, operand, strengthened
from deltarule.program import ops

Axis = int | tuple[int, ...] | None


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Sorted non-negative axes; all of them for None."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int and 0 <= axis < ndim:
        return (axis,)
    found = tuple(sorted(axis_of(a, ndim) for a in several(axis)))
    if len(set(found)) < len(found):
        raise ValueError(f"duplicate value in 'axis': {axis}")
    return found


def axis_of(axis: Any, ndim: int) -> int:
    """One axis, counted from the front."""
    index: int = operator.index(axis)
    if not -ndim <= index < ndim:
        raise np.exceptions.AxisError(index, ndim)
    return index % ndim


def as_array(x: Any) -> Any:
    """A traced value or array, from numbers and lists as well."""
    if type(x) is Tracer and not x.weak:
        return x
    x = operand(x)
    if isinstance(x, Tracer):
        return strengthened(x) if x.weak else x
    return x if hasattr(x, "dtype") else np.asarray(x)


def as_float(x: Any) -> Any:
    """Integers and bools as float64."""
    x = as_array(x)
    return x if x.dtype.kind in "fc" else ops.cast(x, dtype=np.dtype(float))


def same_dtype(arrays: Iterable[Any]) -> list[Any]:
    """Arrays of one dtype."""
    return common(*(as_array(x) for x in arrays))


def several(x: Any) -> tuple[Any, ...]:
    """The items of a tuple, list or vector; anything else alone."""
    return tuple(x) if isinstance(x, (tuple, list)) or np.ndim(x) == 1 else (x,)


def at(x: Any, axis: int, index: Any) -> Any:
    """``x[:, :, index]``, with as many colons as there are axes in front of ``axis``."""
    if isinstance(index, Tracer) and not isinstance(x, Tracer):
        x = Tracer(index.within, index.within.capture(x))
    return x[(*(slice(None),) * axis, index)]


def part(x: Any, axis: int, start: int | None, stop: int | None = None) -> Any:
    """``x[:, :, start:stop]`` along one axis."""
    return at(x, axis, slice(start, stop))
