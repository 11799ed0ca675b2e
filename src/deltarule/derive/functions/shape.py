"""Other shapes of the same elements: views where NumPy gives views.

In: an array. Out: it reshaped, transposed, cut, turned, repeated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import Axis, as_array, axes_of, axis_of, whole
from deltarule.derive.table import no_rule, rule
from deltarule.derive.views import view
from deltarule.program import ops
from deltarule.program.families import broadcast_to


@rule(np.reshape)
def _reshape(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    x = as_array(a)
    if order == "F":
        turned = _reshape(_transpose(x), tuple(reversed(_target(x, shape))), copy=copy)
        return _transpose(turned)
    if order not in ("C", "A"):
        raise no_rule(np.reshape, f"with order={order!r}; traced are 'C' and 'F'")
    target = _target(x, shape)
    return ops.reshape(x, shape=target) if copy else view(x, ops.reshape, shape=target)


def _target(x: Any, shape: Any) -> tuple[int, ...]:
    """The shape that an argument with at most one -1 asks for."""
    target = [int(n) for n in (shape if isinstance(shape, (tuple, list)) else np.atleast_1d(shape))]
    known = int(np.prod([n for n in target if n != -1]))
    if target.count(-1) == 1 and known and x.size % known == 0:
        target[target.index(-1)] = x.size // known
    if -1 in target or int(np.prod(target)) != x.size:
        raise ValueError(f"cannot reshape array of size {x.size} into shape {tuple(target)}")
    return tuple(target)


@rule(np.ravel)
def _ravel(a: Any, order: str = "C") -> Any:
    x = as_array(a)
    return _reshape(x, (x.size,), order="C" if order == "K" else order)


@rule(np.transpose)
def _transpose(a: Any, axes: Any = None) -> Any:
    x = as_array(a)
    n = len(x.shape)
    order = tuple(reversed(range(n))) if axes is None else tuple(axis_of(i, n) for i in axes)
    if sorted(order) != list(range(n)):
        raise ValueError(f"axes {axes} are no order of the axes of shape {x.shape}")
    return view(x, ops.transpose, order=order)


@rule(np.matrix_transpose, np.linalg.matrix_transpose)
def _matrix_transpose(x: Any, /) -> Any:
    return _swapaxes(x, -1, -2)


@rule(np.swapaxes)
def _swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    x = as_array(a)
    order = list(range(len(x.shape)))
    i, j = axis_of(axis1, len(order)), axis_of(axis2, len(order))
    order[i], order[j] = order[j], order[i]
    return _transpose(x, order)


@rule(np.moveaxis)
def _moveaxis(a: Any, source: Any, destination: Any) -> Any:
    x = as_array(a)
    n = len(x.shape)
    sources = [axis_of(s, n) for s in np.atleast_1d(source)]
    targets = [axis_of(d, n) for d in np.atleast_1d(destination)]
    moved = [i for i in range(n) if i not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        moved.insert(target, origin)
    return _transpose(x, moved)


@rule(np.rollaxis)
def _rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    n = len(as_array(a).shape)
    axis, start = axis_of(axis, n), start + n if start < 0 else start
    return _moveaxis(a, axis, start - 1 if axis < start else start)


@rule(np.expand_dims)
def _expand_dims(a: Any, axis: Any) -> Any:
    x = as_array(a)
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    n = len(x.shape) + len(given)
    new = axes_of(given, n)
    sizes = iter(x.shape)
    return view(x, ops.reshape, shape=tuple(1 if i in new else next(sizes) for i in range(n)))


@rule(np.squeeze)
def _squeeze(a: Any, axis: Axis = None) -> Any:
    x = as_array(a)
    gone = [i for i, n in enumerate(x.shape) if n == 1] if axis is None else axes_of(axis, len(x.shape))
    if any(x.shape[i] != 1 for i in gone):
        raise ValueError(f"cannot squeeze axes {tuple(gone)} of shape {x.shape}: their size is not 1")
    return view(x, ops.reshape, shape=tuple(n for i, n in enumerate(x.shape) if i not in gone))


@rule(np.broadcast_to)
def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    target = tuple(shape) if isinstance(shape, (tuple, list)) else (int(shape),)
    x = as_array(array)
    if np.broadcast_shapes(x.shape, target) != target:
        raise ValueError(f"shape {x.shape} does not broadcast to {target}")
    return view(x, ops.broadcast, shape=target)


@rule(np.broadcast_arrays)
def _broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    shape = np.broadcast_shapes(*(as_array(x).shape for x in args))
    return tuple(_broadcast_to(x, shape) for x in args)


@rule(np.atleast_1d)
def _atleast_1d(*arys: Any) -> Any:
    return _each(arys, lambda x: x if len(x.shape) >= 1 else _reshape(x, (1,)))


@rule(np.atleast_2d)
def _atleast_2d(*arys: Any) -> Any:
    return _each(arys, lambda x: x if len(x.shape) >= 2 else _reshape(x, (1, x.size)))


@rule(np.atleast_3d)
def _atleast_3d(*arys: Any) -> Any:
    def three(x: Any) -> Any:
        shape = (1, x.size, 1) if len(x.shape) < 2 else (*x.shape, 1)
        return x if len(x.shape) >= 3 else _reshape(x, shape)

    return _each(arys, three)


def _each(arrays: Any, f: Any) -> Any:
    out = tuple(f(as_array(x)) for x in arrays)
    return out[0] if len(out) == 1 else out


# --- parts ---


@rule(np.array_split)
def _array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    x = as_array(ary)
    axis = axis_of(axis, len(x.shape))
    parts = np.array_split(np.arange(x.shape[axis]), indices_or_sections)
    return [x[(*whole(axis), slice(int(p[0]), int(p[-1]) + 1) if len(p) else slice(0, 0))] for p in parts]


@rule(np.split)
def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    np.split(np.empty(as_array(ary).shape[axis]), indices_or_sections)  # its error where the parts are not equal
    return _array_split(ary, indices_or_sections, axis)


@rule(np.hsplit)
def _hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    return _split(ary, indices_or_sections, 0 if len(ary.shape) == 1 else 1)


@rule(np.vsplit)
def _vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    return _split(ary, indices_or_sections, 0)


@rule(np.unstack)
def _unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    return tuple(_moveaxis(x, axis, 0))


@rule(np.flip)
def _flip(m: Any, axis: Axis = None) -> Any:
    axes = axes_of(axis, len(m.shape))
    return m[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(len(m.shape)))]


@rule(np.fliplr)
def _fliplr(m: Any) -> Any:
    return _flip(m, 1)


@rule(np.flipud)
def _flipud(m: Any) -> Any:
    return _flip(m, 0)


@rule(np.rot90)
def _rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    i, j = (axis_of(axis, len(m.shape)) for axis in axes)
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
        at = axis_of(i, len(x.shape))
        cut = x.shape[at] - int(by) % max(x.shape[at], 1)
        parts = x[(*whole(at), slice(cut, None))], x[(*whole(at), slice(0, cut))]
        x = ops.concatenate(*parts, axis=at)
    return x


def diagonal(x: Any, offset: int = 0) -> Any:
    """Diagonal over the last two axes, put last: a view where NumPy can make one."""
    *lead, m, n = x.shape
    size = max(0, min(m, n - offset) if offset >= 0 else min(m + offset, n))
    flat = view(x, ops.reshape, shape=(*lead, m * n))
    start = offset if offset >= 0 else -offset * n
    none = (0,) * len(lead)
    attrs = {"size": (*lead, size), "step": (*(1,) * len(lead), n + 1)}
    return view(flat, ops.slice, start=(*none, start if size else 0), **attrs)


@rule(np.diagonal)
def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    found = diagonal(_moveaxis(a, (axis1, axis2), (-2, -1)), offset)
    return view(found, ops.broadcast, shape=found.shape)  # which makes it read-only, as NumPy's is


@rule(np.linalg.diagonal)
def _matrix_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    return _diagonal(x, offset, -2, -1)


@rule(np.trace)
def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    found = diagonal(_moveaxis(a, (axis1, axis2), (-2, -1)), offset)
    return found.sum(axis=-1, dtype=dtype)


@rule(np.linalg.trace)
def _matrix_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return _trace(x, offset, -2, -1, dtype)


@rule(np.diag)
def _diag(v: Any, k: int = 0) -> Any:
    x = as_array(v)
    if len(x.shape) == 2:
        return _diagonal(x, k)
    if len(x.shape) != 1:
        raise ValueError(f"np.diag takes one or two axes, not shape {x.shape}")
    n = x.size + abs(k)
    flat = ops.pad(x, shape=(n * n,), start=(k if k >= 0 else -k * n,), step=(n + 1,))
    return ops.reshape(flat, shape=(n, n))


@rule(np.diagflat)
def _diagflat(v: Any, k: int = 0) -> Any:
    return _diag(_ravel(v), k)


@rule(np.tril)
def _tril(m: Any, k: int = 0) -> Any:
    x = as_array(m)
    return ops.select(np.tri(*x.shape[-2:], k=k, dtype=bool), x, x.dtype.type(0))


@rule(np.triu)
def _triu(m: Any, k: int = 0) -> Any:
    x = as_array(m)
    return ops.select(np.tri(*x.shape[-2:], k=k - 1, dtype=bool), x.dtype.type(0), x)


# --- repetition ---


@rule(np.repeat)
def _repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    x = _ravel(a) if axis is None else as_array(a)
    at = axis_of(axis or 0, len(x.shape))
    index = np.repeat(np.arange(x.shape[at]), np.asarray(repeats))
    return x[(*whole(at), index)]


@rule(np.tile)
def _tile(A: Any, reps: Any) -> Any:
    x = as_array(A)
    counts = [int(r) for r in (reps if isinstance(reps, (tuple, list)) else (reps,))]
    n = max(len(counts), len(x.shape))
    counts = [1] * (n - len(counts)) + counts
    shape = (1,) * (n - len(x.shape)) + x.shape
    paired = tuple(m for size in shape for m in (1, size))
    full = tuple(m for r, size in zip(counts, shape, strict=True) for m in (r, size))
    repeated = broadcast_to(ops.reshape(x, shape=paired), full)
    return ops.reshape(repeated, shape=tuple(r * size for r, size in zip(counts, shape, strict=True)))


@rule(np.resize)
def _resize(a: Any, new_shape: Any) -> Any:
    x = _ravel(a)
    shape = tuple(np.atleast_1d(new_shape))
    return _reshape(x[np.arange(int(np.prod(shape))) % x.size], shape)
