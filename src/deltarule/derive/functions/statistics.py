"""Weighted means, deviations that pass over NaN, covariances and counts.

In: samples, weights. Out: their statistics along axes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import Axis, as_array, as_float, same_dtype, several
from deltarule.derive.functions.order import _searchsorted, plain, seen
from deltarule.derive.functions.reduce import (
    _all,
    _argmax,
    _argmin,
    _max,
    _mean,
    _min,
    _prod,
    _std,
    _sum,
    _var,
)
from deltarule.derive.functions.shape import diagonal
from deltarule.derive.table import NUMPY, UFUNCS, rule
from deltarule.derive.ufuncs import truth
from deltarule.program import ops
from deltarule.program.families import broadcast_to


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
    if weights is None:
        found = _mean(x, axis, keepdims=keepdims)
        number = x.size // max(as_array(found).size, 1)
        return (found, np.full(found.shape, number, found.dtype)[()]) if returned else found
    w = as_array(weights)
    if w.shape != x.shape:
        w = _along(w, x, axis)
    x, w = same_dtype([x, as_float(w)])
    total = _sum(broadcast_to(w, x.shape), axis, keepdims=keepdims)
    found = _sum(x * w, axis, keepdims=keepdims) / total
    return (found, total) if returned else found


def _along(w: Any, x: Any, axis: Axis) -> Any:
    """Weights of some axes, in a shape that broadcasts against all of ``x``."""
    if axis is None:
        raise TypeError(f"weights of shape {w.shape} for an array of shape {x.shape} need an axis")
    order = [i % x.ndim for i in several(axis)]
    if w.shape != tuple(x.shape[i] for i in order):
        raise ValueError(f"weights of shape {w.shape} do not fit axes {axis} of shape {x.shape}")
    w = NUMPY["transpose"](w, np.argsort(order))
    return ops.reshape(w, shape=tuple(n if i in order else 1 for i, n in enumerate(x.shape)))


# --- over numbers that are not NaN ---


def _there(x: Any, where: Any) -> Any:
    """Which elements count: those that are numbers, and chosen."""
    numbers = ops.eq(x, x)
    return numbers if where is True else ops.and_(numbers, truth(where))


def _passing(f: Callable[..., Any]) -> Callable[..., Any]:
    """A sum or product with the neutral element in place of NaN."""

    def passing(
        a: Any,
        axis: Axis = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        x = as_array(a)
        return f(x, axis, dtype, None, keepdims, initial, _there(x, where))

    return passing


rule(np.nansum)(_passing(_sum))
rule(np.nanprod)(_passing(_prod))


def _extreme(f: Callable[..., Any], worst: float) -> Callable[..., Any]:
    """An extreme of the numbers; NaN where there are none."""

    def extreme(
        a: Any,
        axis: Axis = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        x = as_float(a)
        there = _there(x, where)
        found = f(ops.select(there, x, x.dtype.type(worst)), axis, None, keepdims, initial)
        if initial is not None:
            return found
        none = _all(ops.not_(there), axis, None, keepdims)
        return ops.select(none, x.dtype.type(np.nan), found)

    return extreme


rule(np.nanmax)(_extreme(_max, -np.inf))
rule(np.nanmin)(_extreme(_min, np.inf))


@rule(np.nanmean)
def _nanmean(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    *,
    where: Any = True,
) -> Any:
    x = as_float(a)
    with np.errstate(invalid="ignore"):
        return _mean(_numbers(x), axis, dtype, None, keepdims, where=_there(x, where))


def _numbers(x: Any) -> Any:
    return ops.select(ops.eq(x, x), x, x.dtype.type(0))


def _deviation(f: Callable[..., Any]) -> Callable[..., Any]:
    def deviation(
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
        x = as_float(a)
        settings = {"mean": mean, "correction": correction, "where": _there(x, where)}
        return f(_numbers(x), axis, dtype, None, ddof, keepdims, **settings)

    return deviation


rule(np.nanvar)(_deviation(_var))
rule(np.nanstd)(_deviation(_std))


def _place(f: Callable[..., Any], worst: float) -> Callable[..., Any]:
    def place(a: Any, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Any:
        x = as_float(a)
        return f(ops.select(ops.eq(x, x), x, x.dtype.type(worst)), axis, keepdims=keepdims)

    return place


rule(np.nanargmax)(_place(_argmax, -np.inf))
rule(np.nanargmin)(_place(_argmin, np.inf))

# --- covariances ---


@rule(np.cov)
def _cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    x = _rows(m, rowvar)
    if y is not None:
        x = NUMPY["concatenate"]([x, _rows(y, rowvar)])
    x = ops.cast(x, dtype=np.dtype(dtype or np.result_type(x.dtype, np.float64)))
    less = int(not bias) if ddof is None else ddof
    given = [as_float(w) for w in (fweights, aweights) if w is not None]
    if not given:
        centred = x - _mean(x, 1, keepdims=True)
        found = (centred @ UFUNCS[np.conjugate](centred).T) / x.dtype.type(
            max(x.shape[1] - less, 0)
        )
    else:
        found = _weighted(x, given, None if aweights is None else given[-1], less)
    return NUMPY["squeeze"](found)


def _weighted(x: Any, given: list[Any], shares: Any, less: int) -> Any:
    w = given[0] * given[-1] if len(given) == 2 else given[0]
    total = _sum(w)
    free = total - less * (1 if shares is None else _sum(w * shares) / total)
    centred = x - _sum(x * w, 1, keepdims=True) / total
    return (centred @ UFUNCS[np.conjugate](centred * w).T) / free


def _rows(m: Any, rowvar: bool) -> Any:
    """One variable a row."""
    x = NUMPY["atleast_2d"](as_float(m))
    return x if rowvar or as_array(m).ndim < 2 else x.T


@rule(np.corrcoef)
def _corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    found = as_array(_cov(x, y, rowvar, dtype=dtype))
    if not found.ndim:
        return found / found
    deviation = ops.root(diagonal(found))
    scaled = found / deviation[:, None] / deviation[None, :]
    return NUMPY["clip"](scaled, -1.0, 1.0)


# --- counts ---


@rule(np.bincount)
def _bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    index = plain(as_array(x), "np.bincount").astype(np.int64)
    size = max(int(index.max(initial=-1)) + 1, minlength)
    if weights is None:
        return np.bincount(index, minlength=minlength)
    w = as_float(weights)
    return ops.scatter_add(np.zeros(size, w.dtype), index, w)


@rule(np.histogram)
def _histogram(
    a: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Any = None
) -> tuple[Any, Any]:
    x = ops.stop_gradient(NUMPY["ravel"](as_float(a)))
    edges = _edges(x, bins, range)
    x = ops.cast(x, dtype=np.dtype(float))
    place = _searchsorted(edges, x, "right") - 1
    last = ops.eq(x, np.float64(edges[-1]))
    place = plain(ops.select(last, np.int64(len(edges) - 2), place), "np.histogram")
    inside = np.flatnonzero((place >= 0) & (place < len(edges) - 1))
    if weights is None:
        found: Any = np.bincount(place[inside], minlength=len(edges) - 1)
    else:
        w = NUMPY["ravel"](as_array(weights))
        found = ops.scatter_add(np.zeros(len(edges) - 1, w.dtype), place[inside], w[inside])
    if density:
        return found / np.diff(edges) / _sum(as_array(found)), edges
    return found, edges


def _edges(x: Any, bins: Any, limits: Any) -> Any:
    """Edges of bins: plain numbers, through which no derivative flows."""
    values = seen(x, "np.histogram")
    given = seen(as_array(bins), "np.histogram(bins)") if not isinstance(bins, str) else bins
    if not isinstance(given, str) and not given.ndim:
        given = int(given)
    return np.asarray(np.histogram_bin_edges(values, given, limits), float)


@rule(np.histogram_bin_edges)
def _histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    return _edges(as_array(a), bins, range)
