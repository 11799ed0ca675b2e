"""``scipy.spatial`` on traced values: distances between points, one by one or between sets.

In: points along the last axis. Out: distances; 0 where both points are the same, with derivative 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import spatial
from scipy.spatial import distance

from deltarule.derive.functions.arguments import as_array, as_float, same_dtype
from deltarule.derive.functions.linalg import matrices
from deltarule.derive.functions.reduce import _max, _sum
from deltarule.derive.library import library_rule
from deltarule.derive.table import NUMPY, UFUNCS, no_rule
from deltarule.program import ops

_absolute = UFUNCS[np.absolute]


def _weighted(
    x: Any,
    w: Any,
) -> Any:
    return x if w is None else x * as_float(w)


def _sqeuclidean(
    u: Any,
    v: Any,
    w: Any = None,
) -> Any:
    off = u - v
    return _sum(_weighted(off * off, w), -1)


def _euclidean(
    u: Any,
    v: Any,
    w: Any = None,
) -> Any:
    return ops.root(_sqeuclidean(u, v, w))


def _cityblock(
    u: Any,
    v: Any,
    w: Any = None,
) -> Any:
    return _sum(_weighted(_absolute(u - v), w), -1)


def _chebyshev(
    u: Any,
    v: Any,
    w: Any = None,
) -> Any:
    """The largest difference; where a weight is 0 there is none."""
    counted = None if w is None else UFUNCS[np.not_equal](w, 0)
    return _max(_weighted(_absolute(u - v), counted), -1)


def _minkowski(
    u: Any,
    v: Any,
    p: Any = 2,
    w: Any = None,
) -> Any:
    """(sum w |u - v|^p)^(1/p)."""
    if p == 2:
        return _euclidean(u, v, w)
    if p == np.inf:
        return _chebyshev(u, v, w)
    total = _sum(_weighted(_absolute(u - v) ** p, w), -1)
    none, one = ops.eq(total, 0 * total), total.dtype.type(1)
    return ops.select(none, 0 * one, ops.select(none, one, total) ** (1 / p))


def _cosine(
    u: Any,
    v: Any,
) -> Any:
    sizes = _sum(u * u, -1) * _sum(v * v, -1)
    return 1 - _sum(u * v, -1) / ops.sqrt(sizes)


def _correlation(
    u: Any,
    v: Any,
) -> Any:
    u, v = (x - NUMPY["mean"](x, -1, keepdims=True) for x in (u, v))
    return _cosine(u, v)


def _mahalanobis(
    u: Any,
    v: Any,
    VI: Any,
) -> Any:
    off = u - v
    return ops.root(_sum(UFUNCS[np.matmul](off, as_float(VI)) * off, -1))


def _seuclidean(
    u: Any,
    v: Any,
    V: Any,
) -> Any:
    off = u - v
    return ops.root(_sum(off * off / as_float(V), -1))


def _canberra(
    u: Any,
    v: Any,
    w: Any = None,
) -> Any:
    """sum |u - v| / (|u| + |v|), 0 where both are 0."""
    size = _absolute(u) + _absolute(v)
    safe = ops.select(ops.eq(size, 0 * size), size.dtype.type(1), size)
    return _sum(_weighted(_absolute(u - v) / safe, w), -1)


def _braycurtis(
    u: Any,
    v: Any,
    w: Any = None,
) -> Any:
    return _cityblock(u, v, w) / _sum(_weighted(_absolute(u + v), w), -1)


def _jensenshannon(
    u: Any,
    v: Any,
    base: Any = None,
) -> Any:
    """The root of the mean relative entropy to the middle of both."""
    u, v = (x / _sum(x, -1, keepdims=True) for x in (u, v))
    middle = (u + v) / 2
    entropy = [_sum(ops.xlogy(x, x) - ops.xlogy(x, middle), -1) for x in (u, v)]
    found = (entropy[0] + entropy[1]) / 2
    return ops.sqrt(found if base is None else found / float(np.log(base)))


METRICS: dict[str, Callable[..., Any]] = {
    "euclidean": _euclidean,
    "sqeuclidean": _sqeuclidean,
    "cityblock": _cityblock,
    "chebyshev": _chebyshev,
    "minkowski": _minkowski,
    "cosine": _cosine,
    "correlation": _correlation,
    "mahalanobis": _mahalanobis,
    "seuclidean": _seuclidean,
    "canberra": _canberra,
    "braycurtis": _braycurtis,
    "jensenshannon": _jensenshannon,
}


def _metric(
    function: Any,
    metric: Any,
    points: Any,
    settings: dict[str, Any],
) -> Any:
    """A distance by its name, with the settings that are made of all points."""
    name = getattr(metric, "__name__", metric)
    if name not in METRICS or settings.get("out") is not None:
        raise no_rule(function, f"with metric={name!r}; known are {', '.join(METRICS)}")
    settings = {key: x for key, x in settings.items() if x is not None}
    if name == "seuclidean" and "V" not in settings:
        settings["V"] = NUMPY["var"](points(), 0, ddof=1)
    if name == "mahalanobis" and "VI" not in settings:
        settings["VI"] = ops.inv(NUMPY["cov"](NUMPY["transpose"](points())))
    return lambda u, v: METRICS[name](u, v, **settings)


def _double(x: Any) -> Any:
    return ops.cast(as_array(x), dtype=np.dtype(float))


@library_rule(distance.cdist)
def _cdist(
    XA: Any,
    XB: Any,
    metric: Any = "euclidean",
    **kwargs: Any,
) -> Any:
    a, b = _double(XA), _double(XB)
    measure = _metric(distance.cdist, metric, lambda: NUMPY["concatenate"]([a, b]), kwargs)
    return measure(a[:, None], b[None])


@library_rule(distance.pdist)
def _pdist(
    X: Any,
    metric: Any = "euclidean",
    **kwargs: Any,
) -> Any:
    """Of all pairs of rows, the second behind the first."""
    x = _double(X)
    first, second = np.triu_indices(x.shape[0], 1)
    return _metric(distance.pdist, metric, lambda: x, kwargs)(x[first], x[second])


@library_rule(distance.squareform)
def _squareform(
    X: Any,
    force: str = "no",
    checks: bool = True,
) -> Any:
    """Distances of pairs as a symmetric matrix, or back."""
    x = as_array(X)
    if x.ndim == 2:
        return x[np.triu_indices(x.shape[0], 1)]
    n = round((1 + (1 + 8 * x.shape[0]) ** 0.5) / 2)
    if n * (n - 1) // 2 != x.shape[0]:
        raise ValueError(f"{x.shape[0]} distances are not those between all pairs of some points")
    place = np.zeros((n, n), int)
    place[np.triu_indices(n, 1)] = np.arange(1, x.shape[0] + 1)
    return NUMPY["concatenate"]([0 * x[:1], x])[place + place.T]


@library_rule(spatial.distance_matrix)
def _distance_matrix(
    x: Any,
    y: Any,
    p: Any = 2.0,
    threshold: int = 1000000,
) -> Any:
    a, b = matrices(x, y)
    return _minkowski(a[:, None], b[None], p)


def _of_two(name: str) -> Callable[..., Any]:
    def measured(
        u: Any,
        v: Any,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        given = {key: x for key, x in kwargs.items() if x is not None}
        return METRICS[name](*same_dtype([as_float(u), as_float(v)]), *args, **given)

    return measured


for _name in METRICS:
    library_rule(getattr(distance, _name))(_of_two(_name))
