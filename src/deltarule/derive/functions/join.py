"""Arrays joined, padded and laid out together.

In: sequences of arrays. Out: one array, in their common dtype.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import as_array, axis_of, same_dtype, whole
from deltarule.derive.table import FUNCTIONS, no_rule, rule
from deltarule.derive.ufuncs import joined
from deltarule.program import ops
from deltarule.program.families import broadcast_to

_reshape, _ravel = FUNCTIONS[np.reshape], FUNCTIONS[np.ravel]


@rule(np.concatenate)
def _concatenate(
    arrays: Sequence[Any], /, axis: int | None = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    parts = same_dtype(arrays)
    if axis is None:
        parts, axis = [_ravel(x) for x in parts], 0
    y = ops.concatenate(*parts, axis=axis_of(axis, len(parts[0].shape)))
    return y if dtype is None else ops.cast(y, dtype=np.dtype(dtype))


@rule(np.stack)
def _stack(arrays: Sequence[Any], axis: int = 0, out: Any = None) -> Any:
    parts = [as_array(x) for x in arrays]
    if len({x.shape for x in parts}) > 1:
        raise ValueError(f"all input arrays must have the same shape: {[x.shape for x in parts]}")
    at = axis_of(axis, len(parts[0].shape) + 1)
    shape = parts[0].shape
    return _concatenate([ops.reshape(x, shape=(*shape[:at], 1, *shape[at:])) for x in parts], at)


@rule(np.hstack)
def _hstack(tup: Sequence[Any]) -> Any:
    parts = [FUNCTIONS[np.atleast_1d](x) for x in tup]
    return _concatenate(parts, 0 if len(parts[0].shape) == 1 else 1)


@rule(np.vstack)
def _vstack(tup: Sequence[Any]) -> Any:
    return _concatenate([FUNCTIONS[np.atleast_2d](x) for x in tup], 0)


@rule(np.dstack)
def _dstack(tup: Sequence[Any]) -> Any:
    return _concatenate([FUNCTIONS[np.atleast_3d](x) for x in tup], 2)


@rule(np.column_stack)
def _column_stack(tup: Sequence[Any]) -> Any:
    parts = [as_array(x) for x in tup]
    return _concatenate([x if len(x.shape) > 1 else _reshape(x, (x.size, 1)) for x in parts], 1)


@rule(np.append)
def _append(arr: Any, values: Any, axis: int | None = None) -> Any:
    return _concatenate([arr, values], axis)


@rule(np.delete)
def _delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    x, at = (_ravel(arr), 0) if axis is None else (as_array(arr), axis_of(axis, len(arr.shape)))
    return x[(*whole(at), np.delete(np.arange(x.shape[at]), obj))]


@rule(np.block)
def _block(arrays: Any) -> Any:
    depth, item = 0, arrays
    while isinstance(item, list):
        depth, item = depth + 1, item[0]

    def build(part: Any, level: int) -> Any:
        if not isinstance(part, list):
            x = as_array(part)
            return _reshape(x, (1,) * (depth - len(x.shape)) + x.shape)
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
    for x, at in zip(parts, places, strict=True):
        found.append(_reshape(x, tuple(x.size if i == at else 1 for i in range(n))))
    shape = np.broadcast_shapes(*(x.shape for x in found))
    return tuple(found if sparse else (broadcast_to(x, shape) for x in found))


@rule(np.pad)
def _pad(array: Any, pad_width: Any, mode: Any = "constant", *, constant_values: Any = 0, **kwargs: Any) -> Any:
    x = as_array(array)
    widths = [(int(a), int(b)) for a, b in np.broadcast_to(pad_width, (len(x.shape), 2))]
    if mode in ("edge", "reflect", "symmetric", "wrap"):
        for at, width in enumerate(widths):
            x = x[(*whole(at), np.pad(np.arange(x.shape[at]), width, mode, **kwargs))]
        return x
    if mode != "constant" or np.ndim(constant_values):
        raise no_rule(np.pad, f"with mode={mode!r}; traced are 'constant' (one number), 'edge', 'reflect', 'symmetric', 'wrap'")
    shape = tuple(a + n + b for (a, b), n in zip(widths, x.shape, strict=True))
    start, step = tuple(a for a, _ in widths), (1,) * len(shape)
    if np.isscalar(constant_values) and constant_values == 0:
        return ops.pad(x, shape=shape, start=start, step=step)
    ground = broadcast_to(as_array(constant_values).astype(x.dtype), shape)
    return ops.update(ground, x, start=start, step=step)


@rule(np.array, np.copy)
def _array(
    a: Any, dtype: Any = None, order: Any = "K", *, copy: Any = True, ndmin: int = 0, subok: bool = False, like: Any = None
) -> Any:
    x = joined(a) if isinstance(a, (list, tuple)) else a
    y = x if dtype is None or x.dtype == np.dtype(dtype) else ops.cast(x, dtype=np.dtype(dtype))
    if len(y.shape) < ndmin:
        return ops.reshape(y, shape=(*(1,) * (ndmin - len(y.shape)), *y.shape))
    out = ops.reshape(y, shape=y.shape) if copy and y is a else y
    out.scalar = False
    return out


@rule(np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray, np.require)
def _asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, like: Any = None) -> Any:
    return _array(a, dtype, copy=bool(copy))
