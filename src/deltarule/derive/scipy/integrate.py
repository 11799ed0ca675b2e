"""``scipy.integrate`` on traced values: rules for samples.

In: samples, places or distances. Out: integrals along an axis.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import integrate

from deltarule.derive.functions.arguments import as_array, as_float, axis_of, part
from deltarule.derive.library import library_rule
from deltarule.derive.table import NUMPY, UFUNCS


@library_rule(integrate.trapezoid)
def _trapezoid(
    y: Any,
    x: Any = None,
    dx: Any = 1.0,
    axis: int = -1,
) -> Any:
    return NUMPY["trapezoid"](y, x, dx, axis)


@library_rule(integrate.cumulative_trapezoid)
def _cumulative_trapezoid(
    y: Any,
    x: Any = None,
    dx: Any = 1.0,
    axis: int = -1,
    initial: Any = None,
) -> Any:
    y = as_array(y)
    along = axis_of(axis, y.ndim)
    width: Any = dx
    if x is not None:
        x = as_array(x)
        shape = [-1 if i == along else 1 for i in range(y.ndim)]
        width = NUMPY["diff"](x).reshape(shape) if x.ndim == 1 else NUMPY["diff"](x, axis=along)
    steps = width * (part(y, along, 1) + part(y, along, 0, -1)) / 2.0
    found = NUMPY["cumsum"](steps, along)
    if initial is None:
        return found
    if np.ndim(initial) or initial != 0:
        raise ValueError(f"initial is None or 0, not {initial!r}")
    first = NUMPY["zeros_like"](part(y, along, 0, 1), dtype=found.dtype)
    return NUMPY["concatenate"]([first, found], along)


def _ratio(
    a: Any,
    b: Any,
) -> Any:
    """a / b, and 0 where b is 0."""
    none = UFUNCS[np.equal](b, 0)
    return NUMPY["where"](none, 0.0, a / NUMPY["where"](none, 1.0, b))


def _parabolas(
    y: Any,
    h: Any,
) -> Any:
    """Through each three points, of which the first is the last of those before."""
    first, second = h[..., 0::2], h[..., 1::2]
    whole, share = first + second, _ratio(first, second)
    left = y[..., :-2:2] * (2 - _ratio(second, first))
    middle = y[..., 1:-1:2] * _ratio(whole * whole, first * second)
    right = y[..., 2::2] * (2 - share)
    return NUMPY["sum"](whole / 6 * (left + middle + right), -1)


@library_rule(integrate.simpson)
def _simpson(
    y: Any,
    x: Any = None,
    *,
    dx: Any = 1.0,
    axis: int = -1,
) -> Any:
    """By parabolas; the last interval of an even number of points by that through the last three."""
    y = as_float(y)
    along = axis_of(axis, y.ndim)
    y = NUMPY["moveaxis"](y, along, -1)
    n = y.shape[-1]
    if x is None:
        h = dx * np.ones(n - 1, y.dtype)
    else:
        x = as_float(x)
        h = NUMPY["diff"](x if x.ndim == 1 else NUMPY["moveaxis"](x, along, -1))
    if h.shape[-1] != n - 1:
        raise ValueError(f"simpson: {n} samples, but places for {h.shape[-1] + 1}")
    if n % 2:
        return _parabolas(y, h)
    if n == 2:
        return h[..., 0] * (y[..., 0] + y[..., 1]) / 2
    a, b = h[..., -2], h[..., -1]
    last = _ratio(2 * b**2 + 3 * a * b, 6 * (a + b)) * y[..., -1]
    last = last + _ratio(b**2 + 3 * a * b, 6 * a) * y[..., -2]
    return _parabolas(y[..., :-1], h[..., :-1]) + last - _ratio(b**3, 6 * a * (a + b)) * y[..., -3]
