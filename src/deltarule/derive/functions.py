"""NumPy's functions on traced values, written in primitives.

In: the arguments of the NumPy function. Out: traced values. A function or an argument that is not here raises ``NoRuleError``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.derive.table import UFUNCS, no_rule, rule
from deltarule.derive.tracer import Tracer
from deltarule.derive.ufuncs import common, operand, truth
from deltarule.derive.views import fitted, view
from deltarule.errors import TracedValueError
from deltarule.program import ops
from deltarule.program.families import broadcast_to
from deltarule.program.ops.reduce import count, keep
from deltarule.program.primitive import innermost

Axis = int | tuple[int, ...] | None


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Sorted non-negative axes; all of them for None."""
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, tuple) else (axis,)
    return tuple(sorted(axis_of(a, ndim) for a in given))


def axis_of(axis: Any, ndim: int) -> int:
    """One axis, counted from the front."""
    axis = int(axis)
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis % ndim


def as_float(x: Any) -> Any:
    """Integers and bools as float64."""
    x = as_array(x)
    return x if x.dtype.kind in "fc" else ops.cast(x, dtype=np.dtype(float))


def as_array(x: Any) -> Any:
    """A traced value or array, from numbers and lists as well."""
    x = array_of(x) if isinstance(x, (list, tuple)) else operand(x)
    return x if hasattr(x, "dtype") else np.asarray(x)


def reduced(primitive: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """Reduce along an axis argument as NumPy gives it."""
    axes = axes_of(axis, len(x.shape))
    out = primitive(x, axes=axes)
    return ops.reshape(out, shape=keep(x.shape, axes)) if keepdims else out


@rule(np.sum)
def _sum(a: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Any:
    x = as_array(a)
    wide = np.dtype(dtype) if dtype is not None else np.sum(np.zeros(0, x.dtype)).dtype
    return reduced(ops.sum, ops.cast(x, dtype=wide) if wide != x.dtype else x, axis, keepdims)


@rule(np.mean)
def _mean(a: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Any:
    return reduced(ops.mean, as_float(a), axis, keepdims)


@rule(np.max, np.amax)
def _max(a: Any, axis: Axis = None, out: None = None, keepdims: bool = False) -> Any:
    return reduced(ops.max, as_array(a), axis, keepdims)


@rule(np.min, np.amin)
def _min(a: Any, axis: Axis = None, out: None = None, keepdims: bool = False) -> Any:
    return reduced(ops.min, as_array(a), axis, keepdims)


@rule(np.ptp)
def _ptp(a: Any, axis: Axis = None, out: None = None, keepdims: bool = False) -> Any:
    return _max(a, axis, None, keepdims) - _min(a, axis, None, keepdims)


@rule(np.all)
def _all(a: Any, axis: Axis = None, out: None = None, keepdims: bool = False) -> Any:
    return reduced(ops.min, truth(as_array(a)), axis, keepdims)


@rule(np.any)
def _any(a: Any, axis: Axis = None, out: None = None, keepdims: bool = False) -> Any:
    return reduced(ops.max, truth(as_array(a)), axis, keepdims)


@rule(np.argmax)
def _argmax(a: Any, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Any:
    x = as_array(a)
    if axis is None:
        index = ops.argmax(ops.reshape(x, shape=(x.size,)), axes=(0,))
        return ops.reshape(index, shape=(1,) * len(x.shape)) if keepdims else index
    return reduced(ops.argmax, x, axis_of(axis, len(x.shape)), keepdims)


@rule(np.argmin)
def _argmin(a: Any, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Any:
    return _argmax(-as_array(a), axis, keepdims=keepdims)


@rule(np.var)
def _var(
    a: Any, axis: Axis = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: bool = False, mean: Any = None
) -> Any:
    x = as_float(a)
    n = count(x.shape, axes_of(axis, len(x.shape)))
    deviation = x - (_mean(x, axis, keepdims=True) if mean is None else mean)
    return reduced(ops.sum, deviation * deviation, axis, keepdims) / float(n - ddof)


@rule(np.std)
def _std(
    a: Any, axis: Axis = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: bool = False, mean: Any = None
) -> Any:
    return safe_sqrt(_var(a, axis, dtype, None, ddof, keepdims, mean))


def safe_sqrt(x: Any) -> Any:
    """Square root with derivative 0 at 0: for a norm or a deviation, the least of the possible subgradients."""
    zero = ops.eq(x, x.dtype.type(0))
    one, none = x.dtype.type(1), x.dtype.type(0)
    return ops.select(zero, none, ops.sqrt(ops.select(zero, one, x)))


@rule(np.linalg.norm)
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = as_float(x)
    vector = axis is not None and not isinstance(axis, tuple) or len(x.shape) == 1
    if ord is None or (ord == 2 and vector) or (ord == "fro" and not vector):
        return safe_sqrt(reduced(ops.sum, x * x, axis, keepdims))
    if ord == 1 and vector:
        return reduced(ops.sum, ops.abs(x), axis, keepdims)
    if ord == np.inf and vector:
        return reduced(ops.max, ops.abs(x), axis, keepdims)
    raise no_rule(np.linalg.norm, f"with ord={ord!r}; traced are ord None, 'fro', and 1, 2, inf of vectors")


@rule(np.clip)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, out: None = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    if low is None or high is None:
        if low is None and high is None:
            return as_array(a)
        return UFUNCS[np.minimum](a, high) if low is None else UFUNCS[np.maximum](a, low)
    return ops.clip(*common(a, low, high))


@rule(np.where)
def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    mask = truth(condition)
    if x is None or y is None:
        if isinstance(mask, Tracer):
            mask = np.asarray(mask._plain("np.where(condition)"))
        return np.nonzero(mask)
    return ops.select(mask, *(_scalars(common(x, y))))


def _scalars(xs: list[Any]) -> list[Any]:
    return [x if isinstance(x, (Tracer, np.ndarray, np.generic)) else np.asarray(x)[()] for x in xs]


# --- shape ---


@rule(np.reshape)
def _reshape(a: Any, /, shape: Any = None, order: str = "C", *, copy: bool | None = None) -> Any:
    x = as_array(a)
    if order != "C":
        raise no_rule(np.reshape, f"with order={order!r}; transpose first")
    target = [int(n) for n in (shape if isinstance(shape, (tuple, list)) else (shape,))]
    if target.count(-1) == 1:
        known = int(np.prod([n for n in target if n != -1]))
        if known == 0 or x.size % known:
            raise ValueError(f"cannot reshape array of size {x.size} into shape {tuple(target)}")
        target[target.index(-1)] = x.size // known
    out = tuple(target)
    if int(np.prod(out)) != x.size:
        raise ValueError(f"cannot reshape array of size {x.size} into shape {out}")
    return view(x, ops.reshape, shape=out)


@rule(np.ravel)
def _ravel(a: Any, order: str = "C") -> Any:
    return _reshape(a, (-1,) if as_array(a).size else (0,), order=order)


@rule(np.transpose)
def _transpose(a: Any, axes: Any = None) -> Any:
    x = as_array(a)
    n = len(x.shape)
    order = tuple(reversed(range(n))) if axes is None else tuple(axis_of(i, n) for i in axes)
    return view(x, ops.transpose, order=order)


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
    order = len(x.shape)
    moved = list(range(order))
    sources = [axis_of(s, order) for s in np.atleast_1d(source)]
    targets = [axis_of(d, order) for d in np.atleast_1d(destination)]
    moved = [i for i in moved if i not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        moved.insert(target, origin)
    return _transpose(x, moved)


@rule(np.expand_dims)
def _expand_dims(a: Any, axis: Any) -> Any:
    x = as_array(a)
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    n = len(x.shape) + len(given)
    new = [axis_of(i, n) for i in given]
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
    target = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    return view(as_array(array), ops.broadcast, shape=target)


@rule(np.atleast_1d)
def _atleast_1d(x: Any) -> Any:
    return _reshape(x, (1,)) if not as_array(x).shape else as_array(x)


@rule(np.atleast_2d)
def _atleast_2d(x: Any) -> Any:
    x = as_array(x)
    return x if len(x.shape) >= 2 else _reshape(x, (1, -1) if x.size else (1, *x.shape))


def _same(arrays: Sequence[Any]) -> list[Any]:
    return common(*(as_array(x) for x in arrays))


@rule(np.concatenate)
def _concatenate(arrays: Sequence[Any], axis: int | None = 0, out: None = None) -> Any:
    parts = _same(list(arrays))
    if axis is None:
        parts, axis = [_ravel(x) for x in parts], 0
    return ops.concatenate(*parts, axis=axis_of(axis, len(parts[0].shape)))


@rule(np.stack)
def _stack(arrays: Sequence[Any], axis: int = 0, out: None = None) -> Any:
    parts = [as_array(x) for x in arrays]
    if len({x.shape for x in parts}) > 1:
        raise ValueError(f"all input arrays must have the same shape: {[x.shape for x in parts]}")
    return _concatenate([_expand_dims(x, axis_of(axis, len(x.shape) + 1)) for x in parts], axis)


@rule(np.hstack)
def _hstack(tup: Sequence[Any]) -> Any:
    parts = [_atleast_1d(x) for x in tup]
    return _concatenate(parts, 0 if len(parts[0].shape) == 1 else 1)


@rule(np.vstack)
def _vstack(tup: Sequence[Any]) -> Any:
    return _concatenate([_atleast_2d(x) for x in tup], 0)


@rule(np.column_stack)
def _column_stack(tup: Sequence[Any]) -> Any:
    parts = [as_array(x) for x in tup]
    return _concatenate([x if len(x.shape) > 1 else _reshape(x, (-1, 1)) for x in parts], 1)


@rule(np.split, np.array_split)
def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    x = as_array(ary)
    axis = axis_of(axis, len(x.shape))
    parts = np.array_split(np.arange(x.shape[axis]), indices_or_sections)
    key = (slice(None),) * axis
    return [x[(*key, slice(int(p[0]), int(p[-1]) + 1) if len(p) else slice(0, 0))] for p in parts]


@rule(np.flip)
def _flip(m: Any, axis: Axis = None) -> Any:
    axes = axes_of(axis, len(m.shape))
    return m[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(len(m.shape)))]


@rule(np.take)
def _take(a: Any, indices: Any, axis: int | None = None, out: None = None) -> Any:
    x = as_array(a)
    if axis is None:
        return _ravel(x)[indices]
    return x[(*(slice(None),) * axis_of(axis, len(x.shape)), indices)]


@rule(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    x = as_array(arr)
    if axis is None:
        return _ravel(x)[indices]
    axis, shape = axis_of(axis, len(x.shape)), indices.shape
    grid = [np.arange(n).reshape([-1 if i == j else 1 for j in range(len(shape))]) for i, n in enumerate(shape)]
    return x[tuple(indices if i == axis else g for i, g in enumerate(grid))]


@rule(np.repeat)
def _repeat(a: Any, repeats: int, axis: int | None = None) -> Any:
    x = _ravel(a) if axis is None else as_array(a)
    at = axis_of(axis or 0, len(x.shape))
    return _take(x, np.repeat(np.arange(x.shape[at]), repeats), at)


@rule(np.tile)
def _tile(A: Any, reps: Any) -> Any:
    x = as_array(A)
    counts = [int(r) for r in (reps if isinstance(reps, (tuple, list)) else (reps,))]
    n = max(len(counts), len(x.shape))
    counts = [1] * (n - len(counts)) + counts
    shape = (1,) * (n - len(x.shape)) + x.shape
    paired = tuple(m for size in shape for m in (1, size))
    full = tuple(m for r, size in zip(counts, shape, strict=True) for m in (r, size))
    whole = broadcast_to(ops.reshape(x, shape=paired), full)
    return ops.reshape(whole, shape=tuple(r * size for r, size in zip(counts, shape, strict=True)))


@rule(np.pad)
def _pad(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: float = 0) -> Any:
    x = as_array(array)
    if mode != "constant":
        raise no_rule(np.pad, f"with mode={mode!r}; traced is 'constant'")
    widths = [(int(a), int(b)) for a, b in np.broadcast_to(pad_width, (len(x.shape), 2))]
    shape = tuple(a + n + b for (a, b), n in zip(widths, x.shape, strict=True))
    start, step = tuple(a for a, _ in widths), (1,) * len(shape)
    if np.ndim(constant_values) == 0 and constant_values == 0:
        return ops.pad(x, shape=shape, start=start, step=step)
    ground = np.broadcast_to(x.dtype.type(constant_values), shape)
    return ops.update(ground, x, start=start, step=step)


# --- products ---


@rule(np.dot)
def _dot(a: Any, b: Any, out: None = None) -> Any:
    a, b = as_array(a), as_array(b)
    if not a.shape or not b.shape:
        return UFUNCS[np.multiply](a, b)
    if len(a.shape) <= 2 and len(b.shape) <= 2:
        return UFUNCS[np.matmul](a, b)
    return _tensordot(a, b, ([len(a.shape) - 1], [max(len(b.shape) - 2, 0)]))


@rule(np.inner)
def _inner(a: Any, b: Any) -> Any:
    a, b = as_array(a), as_array(b)
    if not a.shape or not b.shape:
        return UFUNCS[np.multiply](a, b)
    return _tensordot(a, b, ([-1], [-1]))


@rule(np.outer)
def _outer(a: Any, b: Any, out: None = None) -> Any:
    return UFUNCS[np.multiply](_reshape(a, (-1, 1)), _reshape(b, (1, -1)))


@rule(np.vdot)
def _vdot(a: Any, b: Any) -> Any:
    return UFUNCS[np.matmul](_ravel(a), _ravel(b))


@rule(np.tensordot)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = common(as_array(a), as_array(b))
    na, nb = len(a.shape), len(b.shape)
    left, right = (list(range(na - axes, na)), list(range(axes))) if isinstance(axes, int) else axes
    left, right = ([axis_of(i, n) for i in np.atleast_1d(s)] for s, n in ((left, na), (right, nb)))
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    one, two = list(letters[:na]), list(letters[na : na + nb])
    for i, j in zip(left, right, strict=True):
        two[j] = one[i]
    result = [c for i, c in enumerate(one) if i not in left] + [c for j, c in enumerate(two) if j not in right]
    return ops.einsum(a, b, spec=f"{''.join(one)},{''.join(two)}->{''.join(result)}")


@rule(np.einsum)
def _einsum(subscripts: str, *operands: Any, optimize: Any = False) -> Any:
    if not isinstance(subscripts, str):
        raise no_rule(np.einsum, "in the form with lists of axes; write the subscripts as a string")
    arrays = [as_array(x) for x in operands]
    spec = _explicit(subscripts.replace(" ", ""), arrays)
    inputs, result = spec.split("->")
    parts = [_one_axis_per_label(x, letters) for x, letters in zip(arrays, inputs.split(","), strict=True)]
    letters = ",".join(letters for _, letters in parts)
    return ops.einsum(*common(*(x for x, _ in parts)), spec=f"{letters}->{result}")


def _explicit(spec: str, arrays: list[Any]) -> str:
    """Subscripts with the result written out and ``...`` replaced by letters."""
    inputs, arrow, result = spec.partition("->")
    free = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in spec]
    terms = inputs.split(",")
    longest = ""
    for i, (term, x) in enumerate(zip(terms, arrays, strict=True)):
        if "..." in term:
            n = len(x.shape) - len(term.replace("...", ""))
            dots = "".join(free[:8][8 - n :]) if n else ""
            longest = max(longest, dots, key=len)
            terms[i] = term.replace("...", dots)
    if not arrow:
        letters = "".join(terms)
        once = sorted(c for c in set(letters) if letters.count(c) == 1 and c not in longest)
        result = longest + "".join(once)
    return ",".join(terms) + "->" + result.replace("...", longest)


def _one_axis_per_label(x: Any, letters: str) -> tuple[Any, str]:
    """Take the diagonal where a label stands twice."""
    for letter in letters:
        if letters.count(letter) > 1:
            i = letters.index(letter)
            j = letters.index(letter, i + 1)
            moved = _moveaxis(x, (i, j), (-2, -1))
            rest = letters.replace(letter, "", 2)
            return _one_axis_per_label(diagonal(moved), rest + letter)
    return x, letters


def diagonal(x: Any) -> Any:
    """Diagonal over the last two axes, put last."""
    *lead, m, n = x.shape
    k = min(m, n)
    flat = ops.reshape(x, shape=(*lead, m * n))
    start, step = (0,) * (len(lead) + 1), (*(1,) * len(lead), n + 1)
    return ops.slice(flat, start=start, size=(*lead, k), step=step)


@rule(np.trace)
def _trace(a: Any) -> Any:
    return _sum(diagonal(_moveaxis(a, (0, 1), (-2, -1))), -1)


@rule(np.diagonal)
def _diagonal(a: Any) -> Any:
    return diagonal(_moveaxis(a, (0, 1), (-2, -1)))


# --- creation, conversion, writing ---


@rule(np.zeros_like)
def _zeros_like(a: Any, dtype: Any = None, shape: Any = None) -> Any:
    return _full_like(a, 0, dtype, shape)


@rule(np.ones_like)
def _ones_like(a: Any, dtype: Any = None, shape: Any = None) -> Any:
    return _full_like(a, 1, dtype, shape)


@rule(np.empty_like)
def _empty_like(prototype: Any, dtype: Any = None, shape: Any = None) -> Any:
    return _full_like(prototype, 0, dtype, shape)


@rule(np.full_like)
def _full_like(a: Any, fill_value: Any, dtype: Any = None, shape: Any = None) -> Any:
    x = as_array(a)
    kind = np.dtype(dtype) if dtype is not None else x.dtype
    size = x.shape if shape is None else tuple(np.atleast_1d(shape))
    trace: Any = innermost((a, fill_value))
    if isinstance(fill_value, Tracer):
        return broadcast_to(ops.cast(fill_value, dtype=kind), size)
    return trace.constant(np.broadcast_to(kind.type(fill_value), size))


@rule(np.copy, np.array)
def _copy(a: Any, dtype: Any = None, order: Any = "K", *, copy: Any = True, ndmin: int = 0) -> Any:
    x = as_array(a)
    out = x if dtype is None or x.dtype == np.dtype(dtype) else ops.cast(x, dtype=np.dtype(dtype))
    return ops.reshape(out, shape=(*(1,) * (ndmin - len(x.shape)), *x.shape)) if out is x else out


@rule(np.asarray, np.asanyarray, np.ascontiguousarray)
def _asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None) -> Any:
    return a if dtype is None or a.dtype == np.dtype(dtype) else ops.cast(a, dtype=np.dtype(dtype))


@rule(np.astype)
def _astype(x: Any, dtype: Any, /, order: Any = "K", *, copy: bool = True, device: Any = None) -> Any:
    return ops.cast(x, dtype=np.dtype(dtype))


def array_of(items: Any, dtype: Any = None, **kwargs: Any) -> Any:
    """``np.array`` of nested lists that hold traced values."""
    if not isinstance(items, (list, tuple)):
        return items
    parts = [array_of(item) if isinstance(item, (list, tuple)) else item for item in items]
    if not any(isinstance(part, Tracer) for part in parts):
        return np.array(items, dtype)
    out = _stack(_same(parts))
    return out if dtype is None or out.dtype == np.dtype(dtype) else ops.cast(out, dtype=np.dtype(dtype))


@rule(np.copyto)
def _copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    if not isinstance(dst, Tracer):
        raise TracedValueError("np.copyto writes a traced value into an array made outside the function; make it inside")
    new = fitted(src, dst)
    dst.assign(new if where is True else ops.select(truth(where), new, dst.copy()))


@rule(np.fill_diagonal)
def _fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    k = min(a.shape)
    a[(np.arange(k),) * len(a.shape)] = val


@rule(np.put)
def _put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    index = np.unravel_index(np.asarray(ind), a.shape)
    a[index] = v


@rule(np.shape)
def _shape(a: Any) -> tuple[int, ...]:
    return as_array(a).shape  # type: ignore[no-any-return]


@rule(np.ndim)
def _ndim(a: Any) -> int:
    return len(as_array(a).shape)


@rule(np.size)
def _size(a: Any, axis: int | None = None) -> int:
    x = as_array(a)
    return x.size if axis is None else x.shape[axis]
