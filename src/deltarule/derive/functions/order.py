"""Choosing, finding and sorting elements.

In: conditions, indices, values to look for. Out: the elements chosen; indices, through which no derivative
flows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import as_array, as_float, at, axis_of, same_dtype
from deltarule.derive.functions.reduce import _all, _sum
from deltarule.derive.functions.shape import _ravel
from deltarule.derive.table import NUMPY, UFUNCS, rule
from deltarule.derive.tracer import Tracer
from deltarule.derive.ufuncs import common, truth
from deltarule.errors import TypeRuleError
from deltarule.program import ops


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


def seen(x: Any, use: str) -> Any:
    """The numbers of a value that are known while tracing, whether or not a derivative depends on them.

    For questions whose answer carries no derivative, or of which the answer is gathered.
    """
    while isinstance(x, Tracer) and x.known:
        x = x.value
    return plain(x, use)


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
def _choose(a: Any, choices: Sequence[Any], out: Any = None, mode: str = "raise") -> Any:
    if mode == "raise" and not (isinstance(a, Tracer) and not a.known):
        index = plain(as_array(a), "np.choose")
        if index.size and (index.min() < 0 or index.max() >= len(choices)):
            raise ValueError(f"np.choose: indices {index} of {len(choices)} choices")
    a = within(as_array(a), len(choices), mode)
    picked = _where(UFUNCS[np.equal](a, 0), choices[0], choices[0])
    for i, choice in enumerate(choices[1:], 1):
        picked = _where(UFUNCS[np.equal](a, i), choice, picked)
    return picked


def within(indices: Any, n: int, mode: str) -> Any:
    """Indices brought inside [0, n), as ``mode`` says; those of ``raise`` as they are."""
    index = as_array(indices)
    if mode == "raise":
        return index if isinstance(indices, (list, tuple)) else indices
    if mode == "wrap":
        return UFUNCS[np.remainder](index, n) if isinstance(index, Tracer) else index % n
    if mode != "clip":
        raise ValueError(f"mode is 'raise', 'wrap' or 'clip', not {mode!r}")
    return _clip(index, 0, n - 1) if isinstance(index, Tracer) else np.clip(index, 0, n - 1)


@rule(np.take)
def _take(
    a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise"
) -> Any:
    x = as_array(a)
    if axis is None:
        x, axis = _ravel(x), 0
    indices = within(indices, x.shape[axis_of(axis, x.ndim)], mode)
    found = at(x, axis_of(axis, x.ndim), indices)
    return NUMPY["copy"](found) if isinstance(found, Tracer) and found.base is not None else found


def grid(indices: Any, axis: int, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """The key that picks ``indices`` along one axis, at each place of the others in ``shape``."""
    if len(indices.shape) != len(shape):
        raise ValueError(f"indices of shape {indices.shape} do not fit shape {shape}")
    key: list[Any] = list(np.ogrid[tuple(slice(n) for n in shape)])
    key[axis] = indices
    return tuple(key)


@rule(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    x, index = as_array(arr), as_array(indices)
    if isinstance(index, Tracer) and not isinstance(x, Tracer):
        x = Tracer(index.within, index.within.capture(x))
    if axis is None:
        return _ravel(x)[index]
    return x[grid(index, axis_of(axis, x.ndim), x.shape)]


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
    return ops.gather(x, index) if x.ndim == 1 else _take_along_axis(x, index, along)


@rule(np.argpartition)
def _argpartition(
    a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect", order: None = None
) -> Any:
    x, along = _lined_up(a, axis)
    _check_kth(kth, x.shape[along])
    return ops.argsort(x, axis=along, stable=False)


@rule(np.partition)
def _partition(
    a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect", order: None = None
) -> Any:
    """Sorted elements: they are partitioned, too; NumPy leaves the order of the parts open."""
    x, along = _lined_up(a, axis)
    _check_kth(kth, x.shape[along])
    return _sort(x, along)


def _check_kth(kth: Any, n: int) -> None:
    for k in np.ravel(kth):
        if not -n <= k < n:
            raise ValueError(f"kth(={k}) out of bounds ({n})")


@rule(np.lexsort)
def _lexsort(keys: Any, axis: int = -1) -> Any:
    return np.lexsort([seen(as_array(key), "np.lexsort") for key in keys], axis)


@rule(np.searchsorted)
def _searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    edges = as_array(a) if sorter is None else as_array(a)[as_array(sorter)]
    edges, x = common(edges, as_array(v))
    wide = ops.reshape(x, shape=(*x.shape, 1))
    return _sum(ops.lt(edges, wide) if side == "left" else ops.le(edges, wide), -1)


@rule(np.digitize)
def _digitize(x: Any, bins: Any, right: bool = False) -> Any:
    edges = plain(as_array(bins), "np.digitize(bins)")
    steps = np.diff(edges)
    if np.any(steps < 0):
        if np.any(steps > 0):
            raise ValueError("bins must be monotonically increasing or decreasing")
        return len(edges) - _searchsorted(edges[::-1], x, "right" if right else "left")
    return _searchsorted(bins, x, "left" if right else "right")


@rule(np.interp)
def _interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    x, xp, fp = same_dtype([as_float(v) for v in (x, xp, fp)])
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.size:
        raise ValueError(
            f"np.interp: xp of shape {xp.shape} and fp of shape {fp.shape} must be vectors of "
            "one length"
        )
    if period is not None:
        x, xp, fp = _periodic(x, xp, fp, abs(as_array(period)))
        left = right = None
    if xp.shape[0] == 1:
        inner = _where(UFUNCS[np.equal](x, x), fp[0], x)
    else:
        i = _clip(_searchsorted(xp, x, "right") - 1, 0, xp.shape[0] - 2)
        (x0, x1), (y0, y1) = ([ops.gather(v, i), ops.gather(v, i + 1)] for v in (xp, fp))
        inner = y0 + (x - x0) / (x1 - x0) * (y1 - y0)
    low, high = (fp[0] if left is None else left), (fp[-1] if right is None else right)
    return _where(
        UFUNCS[np.less](x, xp[0]), low, _where(UFUNCS[np.greater](x, xp[-1]), high, inner)
    )


def _periodic(x: Any, xp: Any, fp: Any, period: Any) -> tuple[Any, Any, Any]:
    """Points of one period in order, with the last before and the first behind them."""
    x, xp = (UFUNCS[np.remainder](v, period) for v in (x, xp))
    order = _argsort(xp)
    xp, fp = xp[order], fp[order]
    join = NUMPY["concatenate"]
    xp = join([xp[-1:] - period, xp, xp[:1] + period])
    return x, xp, join([fp[-1:], fp, fp[:1]])


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
    if a.shape != b.shape:
        return np.False_
    same = UFUNCS[np.equal](a, b)
    return _all(same | ((a != a) & (b != b)) if equal_nan else same)


@rule(np.array_equiv)
def _array_equiv(a1: Any, a2: Any) -> Any:
    try:
        return _all(UFUNCS[np.equal](a1, a2))
    except TypeRuleError:
        return np.False_


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
