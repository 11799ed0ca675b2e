"""The arguments of NumPy's functions, brought to one form.

In: axes, lists, numbers as users give them. Out: non-negative axes; arrays or traced values.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from deltarule.derive.ufuncs import common, operand
from deltarule.program import ops

Axis = int | tuple[int, ...] | None


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Sorted non-negative axes; all of them for None."""
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    found = tuple(sorted(axis_of(a, ndim) for a in given))
    if len(set(found)) < len(found):
        raise ValueError(f"duplicate value in 'axis': {axis}")
    return found


def axis_of(axis: Any, ndim: int) -> int:
    """One axis, counted from the front."""
    axis = axis.__index__()
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return int(axis % ndim)


def as_array(x: Any) -> Any:
    """A traced value or array, from numbers and lists as well."""
    x = operand(x)
    return x if hasattr(x, "dtype") else np.asarray(x)


def as_float(x: Any) -> Any:
    """Integers and bools as float64."""
    x = as_array(x)
    return x if x.dtype.kind in "fc" else ops.cast(x, dtype=np.dtype(float))


def same_dtype(arrays: Iterable[Any]) -> list[Any]:
    """Arrays of one dtype."""
    return common(*(as_array(x) for x in arrays))


def whole(axis: int) -> tuple[slice, ...]:
    """The part of a key for the axes in front of ``axis``."""
    return (slice(None),) * axis
