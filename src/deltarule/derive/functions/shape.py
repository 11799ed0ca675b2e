"""Other shapes of the same elements: views where NumPy gives views.

In: an array. Out: it reshaped, transposed, cut, turned, repeated.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import Axis, as_array, at, axes_of, axis_of, part, several
from deltarule.derive.table import NUMPY, no_rule, rule
from deltarule.derive.tracer import Tracer
from deltarule.derive.views import (
    Path,
    columns_first,
    contiguous,
    layout_known,
    memory_order,
    shared,
    view,
)
from deltarule.program import ops
from deltarule.program.families import broadcast_to


@rule(np.reshape)
def _reshape(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    x = as_array(a)
    if order in ("A", "K"):
        order = "F" if columns_first(_laid_out(x, order)) else "C"
    if order == "F":
        turned = _reshape(_transpose(x), tuple(reversed(_target(x, shape))), copy=copy)
        return _transpose(turned)
    if order != "C":
        raise ValueError(f"order is 'C', 'F', 'A' or 'K', not {order!r}")
    target = _target(x, shape)
    return ops.reshape(x, shape=target) if copy else view(x, ops.reshape, shape=target)


def _laid_out(x: Any, order: str) -> Any:
    """A value of which is known how it lies in memory; an error for any other."""
    if not layout_known(x):
        raise no_rule(
            np.ravel,
            f"with order={order!r} of a computed array, whose order in memory is not known while compiling, "
            "batching or scanning; write order='C' or 'F'",
        )
    return x


def _target(x: Any, shape: Any) -> tuple[int, ...]:
    """The shape that an argument with at most one -1 asks for."""
    target = [int(n) for n in several(shape)]
    known = math.prod(n for n in target if n != -1)
    if target.count(-1) == 1 and known and x.size % known == 0:
        target[target.index(-1)] = x.size // known
    if -1 in target or math.prod(target) != x.size:
        raise ValueError(f"cannot reshape array of size {x.size} into shape {tuple(target)}")
    return tuple(target)


@rule(np.ravel)
def _ravel(a: Any, order: str = "C") -> Any:
    x = as_array(a)
    if order == "K":
        x, order = _transpose(x, memory_order(_laid_out(x, order))), "C"
    turned = order == "F" or (order == "A" and columns_first(_laid_out(x, order)))
    whole = contiguous(_transpose(x) if turned else x)
    return _reshape(x, (x.size,), order=order, copy=not whole)


@rule(np.transpose)
def _transpose(a: Any, axes: Any = None) -> Any:
    x = as_array(a)
    n = x.ndim
    given = reversed(range(n)) if axes is None else axes
    order = tuple(axis_of(i, n) for i in given)
    if sorted(order) != list(range(n)):
        raise ValueError(f"axes {axes} are no order of the axes of shape {x.shape}")
    return view(x, ops.transpose, order=order)


@rule(np.matrix_transpose, np.linalg.matrix_transpose)
def _matrix_transpose(x: Any, /) -> Any:
    return _swapaxes(x, -1, -2)


@rule(np.swapaxes)
def _swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    x = as_array(a)
    order = list(range(x.ndim))
    i, j = axis_of(axis1, len(order)), axis_of(axis2, len(order))
    order[i], order[j] = order[j], order[i]
    return _transpose(x, order)


@rule(np.moveaxis)
def _moveaxis(a: Any, source: Any, destination: Any) -> Any:
    x = as_array(a)
    sources = [axis_of(i, x.ndim) for i in several(source)]
    targets = [axis_of(i, x.ndim) for i in several(destination)]
    moved = [i for i in range(x.ndim) if i not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        moved.insert(target, origin)
    return _transpose(x, moved)


@rule(np.rollaxis)
def _rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    n = as_array(a).ndim
    axis = axis_of(axis, n)
    start = start + n if start < 0 else start
    return _moveaxis(a, axis, start - (axis < start))


@rule(np.expand_dims)
def _expand_dims(a: Any, axis: Any) -> Any:
    x = as_array(a)
    n = x.ndim + len(several(axis))
    new = axes_of(axis, n)
    sizes = iter(x.shape)
    shape = tuple(1 if i in new else next(sizes) for i in range(n))
    return view(x, ops.reshape, shape=shape)


@rule(np.squeeze)
def _squeeze(a: Any, axis: Axis = None) -> Any:
    x = as_array(a)
    single = tuple(i for i, n in enumerate(x.shape) if n == 1)
    gone = single if axis is None else axes_of(axis, x.ndim)
    if not set(gone) <= set(single):
        raise ValueError(f"cannot squeeze axes {gone} of shape {x.shape}: their size is not 1")
    shape = tuple(n for i, n in enumerate(x.shape) if i not in gone)
    return view(x, ops.reshape, shape=shape)


@rule(np.broadcast_to)
def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    x, target = as_array(array), tuple(map(int, several(shape)))
    if np.broadcast_shapes(x.shape, target) != target:
        raise ValueError(f"shape {x.shape} does not broadcast to {target}")
    return view(x, ops.broadcast, shape=target)


@rule(np.broadcast_arrays)
def _broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    shape = np.broadcast_shapes(*(as_array(x).shape for x in args))
    return tuple(_broadcast_to(x, shape) for x in args)


@rule(np.atleast_1d)
def _atleast_1d(*arys: Any) -> Any:
    return _of_rank(1, arys, lambda x: (1,))


@rule(np.atleast_2d)
def _atleast_2d(*arys: Any) -> Any:
    return _of_rank(2, arys, lambda x: (1, x.size))


@rule(np.atleast_3d)
def _atleast_3d(*arys: Any) -> Any:
    return _of_rank(3, arys, lambda x: (1, x.size, 1) if x.ndim < 2 else (*x.shape, 1))


def _of_rank(rank: int, arrays: Any, shape: Any) -> Any:
    """Each array, in the given shape where it has too few axes."""
    given = [as_array(x) for x in arrays]
    found = tuple(x if x.ndim >= rank else _reshape(x, shape(x)) for x in given)
    return found[0] if len(found) == 1 else found


# --- parts ---


@rule(np.array_split)
def _array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    x = as_array(ary)
    axis = axis_of(axis, x.ndim)
    found, start = [], 0
    for indices in np.array_split(np.arange(x.shape[axis]), indices_or_sections):
        start = int(indices[0]) if len(indices) else start
        found.append(part(x, axis, start, start + len(indices)))
    return found


@rule(np.split)
def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    size = as_array(ary).shape[axis]
    np.split(np.arange(size), indices_or_sections)  # its error where the parts are not equal
    return _array_split(ary, indices_or_sections, axis)


@rule(np.hsplit)
def _hsplit(ary: Any, indices_or_sections: Any) -> Any:
    return _split(ary, indices_or_sections, 0 if ary.ndim == 1 else 1)


@rule(np.vsplit)
def _vsplit(ary: Any, indices_or_sections: Any) -> Any:
    return _split(ary, indices_or_sections, 0)


@rule(np.dsplit)
def _dsplit(ary: Any, indices_or_sections: Any) -> Any:
    return _split(ary, indices_or_sections, 2)


@rule(np.unstack)
def _unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    return tuple(_moveaxis(x, axis, 0))


@rule(np.flip)
def _flip(m: Any, axis: Axis = None) -> Any:
    m = as_array(m)
    turned = slice(None, None, -1)
    axes = axes_of(axis, m.ndim)
    return m[tuple(turned if i in axes else slice(None) for i in range(m.ndim))]


@rule(np.fliplr)
def _fliplr(m: Any) -> Any:
    return _flip(m, 1)


@rule(np.flipud)
def _flipud(m: Any) -> Any:
    return _flip(m, 0)


@rule(np.rot90)
def _rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    i, j = (axis_of(axis, m.ndim) for axis in axes)
    turned = _swapaxes(m, i, j) if k % 2 else m
    flipped: list[tuple[int, ...]] = [(), (i,), (i, j), (j,)]
    return _flip(turned, flipped[k % 4])


@rule(np.roll)
def _roll(a: Any, shift: Any, axis: Axis = None) -> Any:
    x = as_array(a)
    if axis is None:
        return _reshape(_roll(_ravel(x), int(shift), 0), x.shape)
    shifts, axes = np.broadcast_arrays(shift, axis)
    for by, i in zip(shifts.ravel(), axes.ravel(), strict=True):
        along = axis_of(i, x.ndim)
        size = x.shape[along]
        cut = size - int(by) % max(size, 1)
        end, begin = part(x, along, cut), part(x, along, 0, cut)
        x = ops.concatenate(end, begin, axis=along)
    return x


def diagonal(x: Any, offset: int = 0) -> Any:
    """Diagonal over the last two axes, put last: a view, whatever the layout."""
    for primitive, attrs in _to_diagonal(x.shape, offset):
        x = shared(x, primitive, attrs)
    return x


def _to_diagonal(shape: tuple[int, ...], offset: int) -> Path:
    """The rows one behind the other, and every n + 1st of their elements."""
    *lead, m, n = shape
    right, down = max(offset, 0), max(-offset, 0)
    size = max(0, min(m - down, n - right))
    start = (*(0,) * len(lead), right + down * n if size else 0)
    step = (*(1,) * len(lead), n + 1)
    places = {"start": start, "size": (*lead, size), "step": step}
    return (ops.reshape, {"shape": (*lead, m * n)}), (ops.slice, places)


def _last(a: Any, *axes: int) -> Any:
    """Two axes put last; those of a matrix are there."""
    x = as_array(a)
    return x if x.ndim == 2 and axes == (0, 1) else _moveaxis(x, axes, (-2, -1))


@rule(np.diagonal)
def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    found = diagonal(_last(a, axis1, axis2), offset)
    return view(found, ops.broadcast, shape=found.shape)  # which makes it read-only, as NumPy's is


@rule(np.linalg.diagonal)
def _matrix_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    return _diagonal(x, offset, -2, -1)


@rule(np.trace)
def _trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    x = _last(a, axis1, axis2)
    for primitive, attrs in _to_diagonal(x.shape, offset):
        x = primitive(x, **attrs)
    return NUMPY["sum"](x, -1, dtype)


@rule(np.linalg.trace)
def _matrix_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return _trace(x, offset, -2, -1, dtype)


@rule(np.diag)
def _diag(v: Any, k: int = 0) -> Any:
    x = as_array(v)
    if x.ndim == 2:
        return _diagonal(x, k)
    if x.ndim != 1:
        raise ValueError(f"np.diag takes one or two axes, not shape {x.shape}")
    n = x.size + abs(k)
    start = k if k >= 0 else -k * n
    flat = ops.pad(x, shape=(n * n,), start=(start,), step=(n + 1,))
    return ops.reshape(flat, shape=(n, n))


@rule(np.diagflat)
def _diagflat(v: Any, k: int = 0) -> Any:
    return _diag(_ravel(v), k)


def _triangle(x: Any, k: int) -> Any:
    """True on and below a diagonal; a vector is taken as all rows of a square."""
    if not x.ndim:
        raise ValueError("an array of at least one axis has a triangle")
    m, n = x.shape[-2:] if x.ndim > 1 else (x.size, x.size)
    return np.tri(m, n, k) > 0


@rule(np.tril)
def _tril(m: Any, k: int = 0) -> Any:
    x = as_array(m)
    below = _triangle(x, k)
    return ops.select(below, x, x.dtype.type(0))


@rule(np.triu)
def _triu(m: Any, k: int = 0) -> Any:
    x = as_array(m)
    below = _triangle(x, k - 1)
    return ops.select(below, x.dtype.type(0), x)


# --- repetition ---


def plain_numbers(x: Any) -> Any:
    """Numbers through which no derivative flows."""
    return np.asarray(x._plain("np.repeat") if isinstance(x, Tracer) else x)


@rule(np.repeat)
def _repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    x = _ravel(a) if axis is None else as_array(a)
    along = axis_of(axis or 0, x.ndim)
    if isinstance(repeats, int) and repeats >= 0:
        lead, rest = x.shape[: along + 1], x.shape[along + 1 :]
        spread = broadcast_to(ops.reshape(x, shape=(*lead, 1, *rest)), (*lead, repeats, *rest))
        return ops.reshape(spread, shape=(*lead[:-1], lead[-1] * repeats, *rest))
    places = np.arange(x.shape[along])
    return at(x, along, np.repeat(places, plain_numbers(repeats)))


@rule(np.tile)
def _tile(A: Any, reps: Any) -> Any:
    x = as_array(A)
    counts = [int(count) for count in several(reps)]
    n = max(len(counts), x.ndim)
    counts = [1] * (n - len(counts)) + counts
    shape = (1,) * (n - x.ndim) + x.shape
    paired: list[int] = []
    full: list[int] = []
    for count, size in zip(counts, shape, strict=True):
        paired += [1, size]
        full += [count, size]
    repeated = broadcast_to(ops.reshape(x, shape=tuple(paired)), tuple(full))
    target = tuple(map(operator.mul, counts, shape))
    return ops.reshape(repeated, shape=target)


@rule(np.resize)
def _resize(a: Any, new_shape: Any) -> Any:
    x = _ravel(a)
    shape = several(new_shape)
    index = np.arange(math.prod(shape)) % x.size
    return _reshape(x[index], shape)
