"""Choosing, finding and sorting elements.

In: conditions, indices, values to look for. Out: the elements chosen; indices, through which no derivative flows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import as_array, as_float, axis_of, whole
from deltarule.derive.functions.reduce import _all, _sum
from deltarule.derive.table import FUNCTIONS, UFUNCS, no_rule, rule
from deltarule.derive.tracer import Tracer
from deltarule.derive.ufuncs import common, truth
from deltarule.program import ops
from deltarule.program.families import broadcast_to

_ravel = FUNCTIONS[np.ravel]


@rule(np.clip)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    if low is None or high is None:
        if low is None and high is None:
            return FUNCTIONS[np.copy](as_array(a))
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
def _take(a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise") -> Any:
    x = as_array(a)
    if mode != "raise":
        raise no_rule(np.take, f"with mode={mode!r}; take indices % n, or np.clip them")
    if axis is None:
        x, axis = _ravel(x), 0
    found = x[(*whole(axis_of(axis, len(x.shape))), indices)]
    return FUNCTIONS[np.copy](found) if isinstance(found, Tracer) and found.base is not None else found


def _grid(x: Any, indices: Any, axis: int) -> tuple[Any, ...]:
    shape = indices.shape
    ranges = [np.arange(n).reshape([-1 if i == j else 1 for j in range(len(shape))]) for i, n in enumerate(shape)]
    return tuple(indices if i == axis else r for i, r in enumerate(ranges))


@rule(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    x = as_array(arr)
    if axis is None:
        return _ravel(x)[indices]
    return x[_grid(x, indices, axis_of(axis, len(x.shape)))]


@rule(np.put_along_axis)
def _put_along_axis(arr: Any, indices: Any, values: Any, axis: int) -> None:
    arr[_grid(arr, indices, axis_of(axis, len(arr.shape)))] = values


# --- sorting and looking up ---


@rule(np.argsort)
def _argsort(
    a: Any, axis: int | None = -1, kind: str | None = None, order: None = None, *, stable: bool | None = None
) -> Any:
    x, axis = (_ravel(a), 0) if axis is None else (as_array(a), axis)
    keeping = bool(stable) or kind in ("stable", "mergesort")
    return ops.argsort(x, axis=axis_of(axis, len(x.shape)), stable=keeping)


@rule(np.sort)
def _sort(
    a: Any, axis: int | None = -1, kind: str | None = None, order: None = None, *, stable: bool | None = None
) -> Any:
    x, axis = (_ravel(a), 0) if axis is None else (as_array(a), axis)
    return _take_along_axis(x, _argsort(x, axis, kind, stable=stable), axis)


@rule(np.median)
def _median(a: Any, axis: int | None = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    return _quantile(a, 0.5, axis, keepdims=keepdims)


@rule(np.percentile)
def _percentile(
    a: Any, q: Any, axis: int | None = None, out: Any = None, *, method: str = "linear", keepdims: bool = False
) -> Any:
    return _quantile(a, np.asarray(q) / 100, axis, method=method, keepdims=keepdims)


@rule(np.quantile)
def _quantile(
    a: Any, q: Any, axis: int | None = None, out: Any = None, *, method: str = "linear", keepdims: bool = False
) -> Any:
    if method != "linear" or isinstance(axis, tuple):
        raise no_rule(np.quantile, f"with method={method!r}, axis={axis!r}; traced are 'linear' and one axis")
    x, at = (_ravel(as_float(a)), 0) if axis is None else (as_float(a), axis_of(axis, len(a.shape)))
    ordered = _sort(x, at)
    place = plain(as_array(q), "np.quantile(q)") * (x.shape[at] - 1)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, x.shape[at] - 1)
    along = (*place.shape, *(1,) * (len(x.shape) - 1))
    share = (place - low).reshape(along).astype(x.dtype)
    below, above = (np.moveaxis(ordered, at, 0)[i] for i in (low, high))
    found = below + (above - below) * share
    shape = tuple(1 if axis is None or i == at else n for i, n in enumerate(as_array(a).shape))
    return ops.reshape(found, shape=(*place.shape, *shape)) if keepdims else found


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
def _interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: None = None) -> Any:
    x, xp, fp = (as_float(v) for v in (x, xp, fp))
    i = np.clip(_searchsorted(xp, x, "right") - 1, 0, xp.shape[0] - 2)
    share = (x - xp[i]) / (xp[i + 1] - xp[i])
    inner = fp[i] + share * (fp[i + 1] - fp[i])
    low, high = (fp[0] if left is None else left), (fp[-1] if right is None else right)
    return _where(UFUNCS[np.less](x, xp[0]), low, _where(UFUNCS[np.greater](x, xp[-1]), high, inner))


# --- comparing ---


@rule(np.isclose)
def _isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    a, b = (as_float(x) for x in (a, b))
    near = abs(a - b) <= atol + rtol * abs(b)
    return near | ((a != a) & (b != b)) if equal_nan else near


@rule(np.allclose)
def _allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    return _all(_isclose(a, b, rtol, atol, equal_nan))


@rule(np.array_equal)
def _array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    a, b = as_array(a1), as_array(a2)
    return _all(UFUNCS[np.equal](a, b)) if a.shape == b.shape else np.False_


@rule(np.nan_to_num)
def _nan_to_num(
    x: Any, copy: bool = True, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Any:
    x = as_array(x)
    if x.dtype.kind != "f":
        return FUNCTIONS[np.copy](x)
    limits = np.finfo(x.dtype)
    high, low = (limits.max if posinf is None else posinf), (limits.min if neginf is None else neginf)
    out = _where(x != x, nan, x)
    return _where(x == np.inf, high, _where(x == -np.inf, low, out))


@rule(np.round, np.around)
def _round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    x = as_array(a)
    if x.dtype.kind != "f":
        return FUNCTIONS[np.copy](x)
    scale = x.dtype.type(10.0**decimals)
    return ops.rint(x) if decimals == 0 else ops.rint(x * scale) / scale


@rule(np.full_like)
def _full_like(a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
    from deltarule.program.primitive import innermost

    x = as_array(a)
    kind = np.dtype(dtype) if dtype is not None else x.dtype
    size = x.shape if shape is None else tuple(np.atleast_1d(shape))
    trace: Any = innermost((a, fill_value))
    if isinstance(fill_value, Tracer):
        return broadcast_to(ops.cast(fill_value, dtype=kind), size)
    return trace.constant(np.broadcast_to(kind.type(fill_value), size))
