"""Quantiles: sorted elements, and shares of two neighbours.

In: samples and levels in [0, 1]. Out: quantiles along axes, with NumPy's methods; a derivative flows to
the elements that a quantile is made of, and to its level where the method interpolates.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import Axis, as_array, as_float, axes_of
from deltarule.derive.functions.order import _sort, _take_along_axis
from deltarule.derive.functions.reduce import _sum
from deltarule.derive.table import NUMPY, UFUNCS, no_rule, rule
from deltarule.derive.tracer import Tracer
from deltarule.program import ops
from deltarule.program.ops.smooth import is_finite


def _sorted_last(
    a: Any,
    axis: Axis,
) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
    """Elements sorted along one last axis made of ``axis``; those axes; the shape with size 1 at them."""
    x = as_float(a)
    axes = axes_of(axis, x.ndim)
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    return _sort(_lined(x, axes), -1), axes, kept


def _lined(
    x: Any,
    axes: tuple[int, ...],
) -> Any:
    """Some axes made one, the last."""
    rest = [i for i in range(x.ndim) if i not in axes]
    lined = NUMPY["transpose"](x, [*rest, *axes])
    size = math.prod(x.shape[i] for i in axes)
    return NUMPY["reshape"](lined, (*(x.shape[i] for i in rest), size))


def _weighted(
    a: Any,
    q: Any,
    axis: Axis,
    method: str,
    keepdims: bool,
    weights: Any,
    missing: bool,
) -> Any:
    """The first element in order up to which the weights are at least that share of all; where elements are
    missing, without these."""
    if method != "inverted_cdf":
        raise ValueError(f"quantiles with weights have method='inverted_cdf', not {method!r}")
    x, w = as_array(a), ops.stop_gradient(ops.cast(as_array(weights), dtype=np.dtype(float)))
    axes = axes_of(axis, x.ndim)
    if w.shape != x.shape:
        if w.ndim != 1 or len(axes) != 1 or w.shape[0] != x.shape[axes[0]]:
            raise ValueError(f"weights of shape {w.shape} do not fit {x.shape} along axis {axis}")
        w = NUMPY["broadcast_to"](
            NUMPY["reshape"](w, [-1 if i == axes[0] else 1 for i in range(x.ndim)]), x.shape
        )
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    x, w = _lined(x, axes), _lined(w, axes)
    w = ops.select(ops.ne(x, x), 0.0 * w, w) if missing else w
    order = NUMPY["argsort"](x, -1)
    x, w = _take_along_axis(x, order, -1), _take_along_axis(w, order, -1)
    share = NUMPY["cumsum"](w, -1)
    share = share / share[..., -1:]
    share = ops.select(ops.eq(share, 0 * share), share * 0 - 1, share)
    level = as_float(q)
    below = ops.lt(share, ops.reshape(level, shape=(level.size, *(1,) * share.ndim)))
    index = _sum(below, -1)
    found = _take_along_axis(x[None], index[..., None], -1)[..., 0]
    if not missing and x.dtype.kind == "f":
        found = ops.select(ops.ne(x[..., -1], x[..., -1]), found.dtype.type(np.nan), found)
    return NUMPY["reshape"](found, (*level.shape, *(kept if keepdims else found.shape[1:])))


def _between(low: Any, high: Any, share: Any) -> Any:
    """Between neighbours: ``low`` itself where the share is 0, however far ``high`` is."""
    zero = share.dtype.type(0)
    with np.errstate(invalid="ignore"):  # infinity from itself
        way = high - low
    here = ops.and_(ops.not_(is_finite(way)), ops.eq(share, zero))
    return low + ops.select(here, way.dtype.type(0), way) * share


@rule(np.quantile)
def _quantile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    if weights is not None:
        return _weighted(a, q, axis, method, keepdims, weights, missing=False)
    ordered, _, kept = _sorted_last(a, axis)
    n = ordered.shape[-1]
    if not n:
        shape = kept if keepdims else ordered.shape[:-1]
        return np.full((*as_array(q).shape, *shape), np.nan, ordered.dtype)[()]
    level, place = _places(q, n, method)
    first = NUMPY["moveaxis"](ordered, -1, 0)
    low = UFUNCS[np.floor](place)
    share = place - low
    index = ops.cast(as_array(low), dtype=np.dtype(int))
    above = ops.minimum(index + 1, np.int64(n - 1))
    share = ops.reshape(share, shape=(*level.shape, *(1,) * (first.ndim - 1)))
    found = _between(
        ops.gather(first, index), ops.gather(first, above), ops.cast(share, dtype=first.dtype)
    )
    missing = ops.ne(first[-1], first[-1])
    found = ops.select(missing, found.dtype.type(np.nan), found)
    return ops.reshape(found, shape=(*level.shape, *kept)) if keepdims else found


def _places(
    q: Any,
    n: int,
    method: Any,
) -> tuple[Any, Any]:
    """Levels, and where they lie among n sorted elements, counted from 0 with a fraction."""
    level = as_float(q)
    if isinstance(level, Tracer) and (level.active or not level.known):
        if method != "linear":
            raise no_rule(np.quantile, f"of a traced level with method={method!r}")
        return level, UFUNCS[np.multiply](level, float(n - 1))
    while isinstance(level, Tracer):
        level = level.value
    if np.any((level < 0) | (level > 1)):
        raise ValueError(f"quantiles are between 0 and 1, not {level}")
    if method == "linear":
        return level, level * (n - 1)
    return level, np.asarray(np.quantile(np.arange(float(n)), level, method=method))


@rule(np.percentile)
def _percentile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    level = as_array(q) / 100
    return _quantile(a, level, axis, None, False, method, keepdims, weights=weights)


@rule(np.median)
def _median(
    a: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    keepdims: bool = False,
) -> Any:
    return _quantile(a, 0.5, axis, keepdims=keepdims)


# --- of those that are not NaN ---


@rule(np.nanquantile)
def _nanquantile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    if weights is not None:
        return _weighted(a, q, axis, method, keepdims, weights, missing=True)
    if method != "linear":
        raise no_rule(np.nanquantile, f"with method={method!r}; traced is 'linear'")
    ordered, _, kept = _sorted_last(a, axis)
    number = ops.cast(_sum(ops.eq(ordered, ordered), -1, keepdims=True), dtype=ordered.dtype)
    last = UFUNCS[np.maximum](number - 1, ordered.dtype.type(0))
    level = as_float(q)
    flat = ops.reshape(level, shape=(level.size,))
    place = ops.cast(flat, dtype=ordered.dtype) * last
    low = UFUNCS[np.floor](place)
    index = ops.cast(low, dtype=np.dtype(int))
    above = UFUNCS[np.minimum](index + 1, ops.cast(last, dtype=np.dtype(int)))
    first, second = (_take_along_axis(ordered, i, -1) for i in (index, above))
    found = NUMPY["moveaxis"](_between(first, second, place - low), -1, 0)
    shape = kept if keepdims else ordered.shape[:-1]
    return ops.reshape(found, shape=(*level.shape, *shape))


@rule(np.nanpercentile)
def _nanpercentile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    level = as_array(q) / 100
    return _nanquantile(a, level, axis, None, False, method, keepdims, weights=weights)


@rule(np.nanmedian)
def _nanmedian(
    a: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    keepdims: bool = False,
) -> Any:
    return _nanquantile(a, 0.5, axis, keepdims=keepdims)
