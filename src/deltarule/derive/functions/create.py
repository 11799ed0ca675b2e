"""New arrays, writing into arrays, and questions about them.

In: a prototype, or an array to write to. Out: constants of the innermost trace; written buffers; shapes and
dtypes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import as_array, as_float, axis_of, several
from deltarule.derive.functions.order import grid, plain, within
from deltarule.derive.table import NUMPY, UFUNCS, Rule, rule
from deltarule.derive.tracer import Tracer, write_outside
from deltarule.derive.ufuncs import common, example, truth
from deltarule.derive.views import fitted, lay_out, view
from deltarule.program import ops
from deltarule.program.families import broadcast_to
from deltarule.program.primitive import innermost


@rule(np.full_like)
def _full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
) -> Any:
    x = as_array(a)
    kind = np.dtype(dtype) if dtype is not None else x.dtype
    size = x.shape if shape is None else tuple(map(int, several(shape)))
    trace: Any = innermost((a, fill_value))
    if isinstance(fill_value, Tracer):
        found = NUMPY["array"](broadcast_to(fill_value, size), kind)
    elif type(fill_value) is int:
        found = trace.filled(kind.type(fill_value), size)
    else:
        found = trace.constant(np.broadcast_to(np.asarray(fill_value).astype(kind), size))
    if isinstance(found, Tracer) and found.ndim > 1:
        lay_out(found, x, "C" if order == "K" and found.ndim != x.ndim else order)
    return found


@rule(np.zeros_like)
def _zeros_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Any:
    return _full_like(a, 0, dtype, order, shape=shape)


@rule(np.ones_like)
def _ones_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Any:
    return _full_like(a, 1, dtype, order, shape=shape)


@rule(np.empty_like)
def _empty_like(
    prototype: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Any:
    return _full_like(prototype, 0, dtype, order, shape=shape)


@rule(np.astype)
def _astype(
    x: Any,
    dtype: Any,
    /,
    order: str = "K",
    casting: str = "unsafe",
    *,
    copy: bool = True,
    device: Any = None,
) -> Any:
    kind = np.dtype(dtype)
    if not np.can_cast(x.dtype, kind, casting):  # type: ignore[arg-type]
        raise TypeError(f"astype: {x.dtype} does not become {kind} with casting={casting!r}")
    if x.dtype == kind and not copy and order == "K":
        return x
    return NUMPY["array"](x, kind, order)


@rule(np.linspace)
def _linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    first, last = map(as_float, common(start, stop))
    step = (last - first) / float(max(num - 1 if endpoint else num, 1))
    turns = np.arange(num, dtype=step.dtype).reshape(-1, *(1,) * step.ndim)
    found = np.moveaxis(first + turns * step, 0, axis)
    found = found if dtype is None else ops.cast(found, dtype=np.dtype(dtype))
    return (found, step) if retstep else found


@rule(np.logspace)
def _logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    y = UFUNCS[np.power](as_float(base), _linspace(start, stop, num, endpoint, axis=axis))
    return y if dtype is None else ops.cast(y, dtype=np.dtype(dtype))


@rule(np.geomspace)
def _geomspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    first, last = as_float(start), as_float(stop)
    steps = _linspace(0.0 * first, UFUNCS[np.log](last / first), num, endpoint, axis=axis)
    y = NUMPY["expand_dims"](first, axis) * UFUNCS[np.exp](steps)
    return y if dtype is None else ops.cast(y, dtype=np.dtype(dtype))


# --- writing ---


def writer(function: Any) -> Callable[[Rule], Rule]:
    """Declare the rule of a function that writes into its first argument, a traced array."""

    def declare(f: Rule) -> Rule:
        @wraps(f)
        def entry(x: Any, *args: Any, **kwargs: Any) -> None:
            if isinstance(x, Tracer):
                f(x, *args, **kwargs)
            else:
                write_outside(function, (x, *args), kwargs)

        return rule(function)(entry)

    return declare


@writer(np.copyto)
def _copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    new = fitted(src, dst, "copyto" if casting == "same_kind" else None)
    dst.assign(new if where is True else ops.select(truth(where), new, NUMPY["copy"](dst)))


@writer(np.putmask)
def _putmask(a: Any, mask: Any, values: Any) -> None:
    new = np.reshape(np.resize(as_array(values), (a.size,)), a.shape) if np.ndim(values) else values
    _copyto(a, new, "unsafe", mask)


@writer(np.place)
def _place(arr: Any, mask: Any, vals: Any) -> None:
    _put(arr, np.flatnonzero(plain(truth(mask), "np.place")), vals)


@writer(np.fill_diagonal)
def _fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    if a.ndim < 2:
        raise ValueError("array must be at least 2-d")
    if a.ndim > 2 and len(set(a.shape)) > 1:
        raise ValueError("All dimensions of input must be of equal length")
    step = sum(int(np.prod(a.shape[i + 1 :])) for i in range(a.ndim))
    end = a.size if wrap or a.ndim > 2 else a.shape[1] * a.shape[1]
    places = np.arange(a.size)[:end:step]
    _put(a, places, val)


@writer(np.put)
def _put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    index = plain(within(ind, a.size, mode), "np.put").ravel()
    key = np.unravel_index(np.where(index < 0, index + a.size, index), a.shape)
    new = as_array(v)
    if len(index) and new.size:
        a[key] = np.resize(new, key[0].shape) if new.ndim else new


@writer(np.put_along_axis)
def _put_along_axis(arr: Any, indices: Any, values: Any, axis: int) -> None:
    arr[grid(as_array(indices), axis_of(axis, arr.ndim), arr.shape)] = values


# --- questions ---


@rule(np.shape)
def _shape(a: Any) -> tuple[int, ...]:
    return as_array(a).shape  # type: ignore[no-any-return]


@rule(np.ndim)
def _ndim(a: Any) -> int:
    return len(as_array(a).shape)


@rule(np.size)
def _size(a: Any, axis: int | None = None) -> int:
    x = as_array(a)
    return int(x.size if axis is None else x.shape[axis_of(axis, x.ndim)])


def _of_shape(function: Any) -> None:
    """Indices that depend on the shape alone."""
    parameters = inspect.signature(function).parameters

    def indices(*args: Any, **kwargs: Any) -> Any:
        named = dict(zip(parameters, args, strict=False)) | kwargs
        first = next(iter(parameters))
        like = np.broadcast_to(np.empty(()), np.shape(named.pop(first)))
        return function(like, **named)

    indices.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    rule(function)(indices)


for _function in (np.diag_indices_from, np.tril_indices_from, np.triu_indices_from):
    _of_shape(_function)


@rule(np.common_type)
def _common_type(*arrays: Any) -> Any:
    return np.common_type(*(np.empty(0, x.dtype) for x in arrays))


@rule(np.result_type)
def _result_type(*arrays_and_dtypes: Any) -> Any:
    return np.result_type(*(example(x) if isinstance(x, Tracer) else x for x in arrays_and_dtypes))


@rule(np.iscomplexobj)
def _iscomplexobj(x: Any) -> bool:
    return bool(x.dtype.kind == "c")


@rule(np.isrealobj)
def _isrealobj(x: Any) -> bool:
    return bool(x.dtype.kind != "c")


@rule(np.real)
def _real(val: Any) -> Any:
    return val if val.dtype.kind != "c" else view(val, ops.real)


@rule(np.imag)
def _imag(val: Any) -> Any:
    return _zeros_like(val) if val.dtype.kind != "c" else view(val, ops.imag)


@rule(np.may_share_memory, np.shares_memory)
def _shares_memory(a: Any, b: Any, /, max_work: Any = None) -> bool:
    def owner(x: Any) -> Any:
        return x.base or x if isinstance(x, Tracer) and x.base is not None else x

    return owner(a) is owner(b)
