"""Arrays joined and laid out together.

In: sequences of arrays. Out: one array, in their common dtype.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import as_array, axis_of, same_dtype
from deltarule.derive.library import library_rule
from deltarule.derive.table import NUMPY, no_rule, rule
from deltarule.derive.tracer import Tracer
from deltarule.derive.ufuncs import common, joined
from deltarule.derive.views import contiguous, lay_out
from deltarule.program import ops
from deltarule.program.families import broadcast_to

_reshape, _ravel = NUMPY["reshape"], NUMPY["ravel"]


@rule(np.concatenate)
def _concatenate(
    arrays: Sequence[Any],
    /,
    axis: int | None = 0,
    out: Any = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Any:
    parts = same_dtype(arrays)
    if axis is None:
        parts, axis = [_ravel(x) for x in parts], 0
    y = ops.concatenate(*parts, axis=axis_of(axis, parts[0].ndim))
    return y if dtype is None else ops.cast(y, dtype=np.dtype(dtype))


@rule(np.stack)
def _stack(
    arrays: Sequence[Any],
    axis: int = 0,
    out: Any = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Any:
    parts = [as_array(x) for x in arrays]
    if len({x.shape for x in parts}) > 1:
        raise ValueError(f"all input arrays must have the same shape: {[x.shape for x in parts]}")
    new = axis_of(axis, parts[0].ndim + 1)
    shape = list(parts[0].shape)
    shape.insert(new, 1)
    return _concatenate([ops.reshape(x, shape=tuple(shape)) for x in parts], new, dtype=dtype)


@rule(np.hstack)
def _hstack(tup: Sequence[Any], *, dtype: Any = None, casting: str = "same_kind") -> Any:
    parts = [NUMPY["atleast_1d"](x) for x in tup]
    return _concatenate(parts, 0 if parts[0].ndim == 1 else 1, dtype=dtype)


@rule(np.vstack)
def _vstack(tup: Sequence[Any], *, dtype: Any = None, casting: str = "same_kind") -> Any:
    return _concatenate([NUMPY["atleast_2d"](x) for x in tup], 0, dtype=dtype)


@rule(np.dstack)
def _dstack(tup: Sequence[Any]) -> Any:
    return _concatenate([NUMPY["atleast_3d"](x) for x in tup], 2)


@rule(np.column_stack)
def _column_stack(tup: Sequence[Any]) -> Any:
    parts = [as_array(x) for x in tup]
    columns = [x if x.ndim > 1 else _reshape(x, (x.size, 1)) for x in parts]
    return _concatenate(columns, 1)


@rule(np.append)
def _append(arr: Any, values: Any, axis: int | None = None) -> Any:
    return _concatenate([arr, values], axis)


@rule(np.block)
def _block(arrays: Any) -> Any:
    depth, item = 0, arrays
    while isinstance(item, list):
        depth, item = depth + 1, item[0]

    def build(part: Any, level: int) -> Any:
        if not isinstance(part, list):
            x = as_array(part)
            return _reshape(x, (1,) * (depth - x.ndim) + x.shape)
        return _concatenate([build(item, level - 1) for item in part], -level)

    return build(arrays, depth)


@rule(np.meshgrid)
def _meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    parts = [as_array(x) for x in xi]
    n = len(parts)
    places = list(range(n))
    if indexing == "xy" and n > 1:
        places[:2] = [1, 0]
    found = []
    for x, place in zip(parts, places, strict=True):
        shape = [1] * n
        shape[place] = x.size
        found.append(_reshape(x, shape))
    if sparse:
        return tuple(found)
    common = np.broadcast_shapes(*(x.shape for x in found))
    return tuple(broadcast_to(x, common) for x in found)


@rule(np.array)
def _array(
    a: Any,
    dtype: Any = None,
    order: Any = "K",
    *,
    copy: Any = True,
    ndmin: int = 0,
    subok: bool = False,
    like: Any = None,
) -> Any:
    x = joined(a) if isinstance(a, (list, tuple)) else a
    kind = x.dtype if dtype is None else np.dtype(dtype)
    y = x if x.dtype == kind else ops.cast(x, dtype=kind)
    if y.ndim < ndmin:
        new = (1,) * (ndmin - y.ndim)
        return ops.reshape(y, shape=(*new, *y.shape))
    own = y is not a or not (copy or a.scalar)  # nobody may write into a number
    out = y if own else ops.reshape(y, shape=y.shape)
    if not isinstance(out, Tracer):  # a constant, after its trace
        return np.copy(out)
    out.scalar = False
    if isinstance(out, Tracer) and out.ndim > 1 and out.base is None:
        lay_out(out, x, "K" if order is None else order)
    return out


@rule(np.copy)
def _copy(a: Any, order: Any = "K", subok: bool = False) -> Any:
    return _array(a, order=order)


@rule(np.asarray, np.asanyarray)
def _asarray(
    a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, like: Any = None
) -> Any:
    return _array(a, dtype, order, copy=bool(copy) or not _is_packed(a, order))


def _is_packed(a: Any, order: Any) -> bool:
    """Whether the elements of an array stand one after the other in the order that is asked for."""
    if order not in ("C", "F") or not isinstance(a, Tracer):
        return True
    return contiguous(a if order == "C" else NUMPY["transpose"](a))


@rule(np.ascontiguousarray)
def _ascontiguousarray(a: Any, dtype: Any = None, *, like: Any = None) -> Any:
    return _array(a, dtype, "C", copy=not _is_packed(a, "C"), ndmin=1)


@rule(np.asfortranarray)
def _asfortranarray(a: Any, dtype: Any = None, *, like: Any = None) -> Any:
    return _array(a, dtype, "F", copy=not _is_packed(a, "F"), ndmin=1)


@rule(np.require)
def _require(a: Any, dtype: Any = None, requirements: Any = None, *, like: Any = None) -> Any:
    wanted = {name[:1].upper() for name in requirements or ()}
    return _asarray(a, dtype, "F" if "F" in wanted else "C" if "C" in wanted else None)


@rule(np.asarray_chkfinite)
def _asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Any:
    x = _asarray(a, dtype, order)
    value = x
    while isinstance(value, Tracer) and value.known:
        value = value.value
    if not isinstance(value, Tracer) and not np.isfinite(value).all():
        raise ValueError("array must not contain infs or NaNs")
    return x


@library_rule(type(np.r_).__getitem__)
def _in_brackets(self: Any, key: Any) -> Any:
    """``np.r_[x, 0, 1:4]`` and ``np.c_[x, y]``: parts beside each other along an axis."""
    items = key if isinstance(key, tuple) else (key,)
    settings = [self.axis, self.ndmin, self.trans1d]
    if isinstance(items[0], str):
        directive, items = items[0], items[1:]
        if directive in ("r", "c"):
            raise no_rule(np.matrix, f"asked for by {directive!r} in np.r_ or np.c_")
        given = [int(number) for number in directive.split(",")]
        settings[: len(given)] = given
    axis, least, place = settings
    parts = [self[item] if isinstance(item, slice) else item for item in items]
    laid = [_of_axes(x, least, place) for x in common(*parts)]
    return ops.concatenate(*laid, axis=axis % laid[0].ndim)


def _of_axes(x: Any, n: int, place: int) -> Any:
    """An array of at least ``n`` axes: new ones of size 1, ``place`` of them before those it has."""
    new = n - np.ndim(x)
    if new <= 0:
        return x
    before = place if place >= 0 else place + new + 1
    return ops.reshape(x, shape=((1,) * before + np.shape(x) + (1,) * (new - before)))
