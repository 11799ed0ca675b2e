"""Choosing, finding and sorting elements.

In: conditions, indices, values to look for. Out: the elements chosen; indices, through which no derivative
flows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import as_array, as_float, at, axis_of
from deltarule.derive.functions.reduce import _all, _sum
from deltarule.derive.table import NUMPY, UFUNCS, no_rule, rule
from deltarule.derive.tracer import Tracer
from deltarule.derive.ufuncs import common, truth
from deltarule.program import ops

_ravel = NUMPY["ravel"]


@rule(np.clip)
def _clip(
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: Any = None,
    *,
    min: Any = None,
    max: Any = None,
) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    if low is None or high is None:
        if low is None and high is None:
            return NUMPY["copy"](as_array(a))
        return UFUNCS[np.minimum](a, high) if low is None else UFUNCS[np.maximum](a, low)
    return ops.clip(*_numbers(common(a, low, high)))


@rule(np.where)
def _where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    if x is None and y is None:
        return _nonzero(condition)
    return ops.select(truth(condition), *_numbers(common(x, y)))


def _numbers(xs: list[Any]) -> list[Any]:
    return [x if isinstance(x, (Tracer, np.ndarray, np.generic)) else np.asarray(x)[()] for x in xs]


@rule(np.nonzero)
def _nonzero(a: Any) -> Any:
    return np.nonzero(plain(truth(a), "np.nonzero"))


def plain(x: Any, use: str) -> Any:
    """The numbers of a value without a derivative."""
    return np.asarray(x._plain(use)) if isinstance(x, Tracer) else np.asarray(x)


@rule(np.flatnonzero)
def _flatnonzero(a: Any) -> Any:
    return _nonzero(_ravel(a))[0]


@rule(np.argwhere)
def _argwhere(a: Any) -> Any:
    return np.transpose(_nonzero(a))


@rule(np.select)
def _select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    out = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        out = _where(condition, choice, out)
    return out


@rule(np.extract)
def _extract(condition: Any, arr: Any) -> Any:
    return _ravel(arr)[_flatnonzero(condition)]


@rule(np.compress)
def _compress(condition: Any, a: Any, axis: int | None = None, out: Any = None) -> Any:
    return _take(a, _flatnonzero(as_array(condition)), axis)


@rule(np.choose)
def _choose(a: Any, choices: Sequence[Any], out: Any = None) -> Any:
    picked = choices[0]
    for i, choice in enumerate(choices[1:], 1):
        picked = _where(UFUNCS[np.equal](a, i), choice, picked)
    return picked


@rule(np.take)
def _take(
    a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise"
) -> Any:
    x = as_array(a)
    if mode != "raise":
        raise no_rule(np.take, f"with mode={mode!r}; take indices % n, or np.clip them")
    if axis is None:
        x, axis = _ravel(x), 0
    found = at(x, axis_of(axis, x.ndim), indices)
    return NUMPY["copy"](found) if isinstance(found, Tracer) and found.base is not None else found


def grid(indices: Any, axis: int) -> tuple[Any, ...]:
    """The key that picks ``indices`` along one axis, at each place of the others."""
    key: list[Any] = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    key[axis] = indices
    return tuple(key)


@rule(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    x = as_array(arr)
    if axis is None:
        return _ravel(x)[indices]
    return x[grid(indices, axis_of(axis, x.ndim))]


# --- sorting and looking up ---


def _lined_up(a: Any, axis: int | None) -> tuple[Any, int]:
    """An array and the axis to sort along: all elements in one row for None."""
    x = as_array(a)
    return (_ravel(x), 0) if axis is None else (x, axis_of(axis, x.ndim))


@rule(np.argsort)
def _argsort(
    a: Any,
    axis: int | None = -1,
    kind: str | None = None,
    order: None = None,
    *,
    stable: bool | None = None,
) -> Any:
    x, along = _lined_up(a, axis)
    keeping = bool(stable) or kind in ("stable", "mergesort")
    return ops.argsort(x, axis=along, stable=keeping)


@rule(np.sort)
def _sort(
    a: Any,
    axis: int | None = -1,
    kind: str | None = None,
    order: None = None,
    *,
    stable: bool | None = None,
) -> Any:
    x, along = _lined_up(a, axis)
    index = _argsort(x, along, kind, stable=stable)
    return _take_along_axis(x, index, along)


@rule(np.median)
def _median(
    a: Any,
    axis: int | None = None,
    out: Any = None,
    overwrite_input: bool = False,
    keepdims: bool = False,
) -> Any:
    return _quantile(a, 0.5, axis, keepdims=keepdims)


@rule(np.percentile)
def _percentile(
    a: Any,
    q: Any,
    axis: int | None = None,
    out: Any = None,
    *,
    method: str = "linear",
    keepdims: bool = False,
) -> Any:
    return _quantile(a, np.asarray(q) / 100, axis, method=method, keepdims=keepdims)


@rule(np.quantile)
def _quantile(
    a: Any,
    q: Any,
    axis: int | None = None,
    out: Any = None,
    *,
    method: str = "linear",
    keepdims: bool = False,
) -> Any:
    if method != "linear" or isinstance(axis, tuple):
        raise no_rule(
            np.quantile, f"with method={method!r}, axis={axis!r}; traced are 'linear' and one axis"
        )
    x, along = _lined_up(as_float(a), axis)
    n = x.shape[along]
    ordered = np.moveaxis(_sort(x, along), along, 0)
    place = plain(as_array(q), "np.quantile(q)") * (n - 1)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, n - 1)
    share = (place - low).astype(x.dtype)
    share = share.reshape((*place.shape, *(1,) * (x.ndim - 1)))
    found = ordered[low] + (ordered[high] - ordered[low]) * share
    if not keepdims:
        return found
    given = as_array(a).shape
    kept = tuple(1 if axis is None or i == along else size for i, size in enumerate(given))
    return ops.reshape(found, shape=(*place.shape, *kept))


@rule(np.searchsorted)
def _searchsorted(a: Any, v: Any, side: str = "left", sorter: None = None) -> Any:
    edges, x = common(as_array(a), as_array(v))
    wide = ops.reshape(x, shape=(*x.shape, 1))
    return _sum(ops.lt(edges, wide) if side == "left" else ops.le(edges, wide), -1)


@rule(np.digitize)
def _digitize(x: Any, bins: Any, right: bool = False) -> Any:
    if np.any(np.diff(plain(as_array(bins), "np.digitize(bins)")) < 0):
        raise no_rule(np.digitize, "with decreasing bins; turn them, bins[::-1]")
    return _searchsorted(bins, x, "left" if right else "right")


@rule(np.interp)
def _interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: None = None
) -> Any:
    x, xp, fp = (as_float(v) for v in (x, xp, fp))
    i = np.clip(_searchsorted(xp, x, "right") - 1, 0, xp.shape[0] - 2)
    (x0, x1), (y0, y1) = ([ops.gather(v, i), ops.gather(v, i + 1)] for v in (xp, fp))
    inner = y0 + (x - x0) / (x1 - x0) * (y1 - y0)
    low, high = (fp[0] if left is None else left), (fp[-1] if right is None else right)
    return _where(
        UFUNCS[np.less](x, xp[0]), low, _where(UFUNCS[np.greater](x, xp[-1]), high, inner)
    )


# --- comparing ---


@rule(np.isclose)
def _isclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    a, b = (as_float(x) for x in (a, b))
    near = abs(a - b) <= atol + rtol * abs(b)
    return near | ((a != a) & (b != b)) if equal_nan else near


@rule(np.allclose)
def _allclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    return _all(_isclose(a, b, rtol, atol, equal_nan))


@rule(np.array_equal)
def _array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    a, b = as_array(a1), as_array(a2)
    return _all(UFUNCS[np.equal](a, b)) if a.shape == b.shape else np.False_


@rule(np.nan_to_num)
def _nan_to_num(
    x: Any,
    copy: bool = True,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Any:
    x = as_array(x)
    if x.dtype.kind != "f":
        return NUMPY["copy"](x)
    limits = np.finfo(x.dtype)
    high, low = (
        (limits.max if posinf is None else posinf),
        (limits.min if neginf is None else neginf),
    )
    out = _where(x != x, nan, x)
    return _where(x == np.inf, high, _where(x == -np.inf, low, out))


@rule(np.round, np.around)
def _round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    x = as_array(a)
    if x.dtype.kind == "c":
        return ops.complex(_round(ops.real(x), decimals), _round(ops.imag(x), decimals))
    if x.dtype.kind != "f":
        return NUMPY["copy"](x) if x.dtype.kind != "b" else UFUNCS[np.rint](x)
    scale = x.dtype.type(10.0**decimals)
    return ops.rint(x) if decimals == 0 else ops.rint(x * scale) / scale
