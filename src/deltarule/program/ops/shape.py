"""Operations that move values and compute none: shape, order, slices and joins.

In: an array and static attrs (tuples of integers). Out: an array. ``slice`` and ``pad`` are each other's
transpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from deltarule.errors import TypeRuleError
from deltarule.program.families import jointly_linear, same_dtype, unbroadcast, zeros_like
from deltarule.program.lowering import Index
from deltarule.program.primitive import ErrorSample, Primitive
from deltarule.program.samples import each, normal
from deltarule.program.types import ArrayType

Ints = tuple[int, ...]


@lru_cache(maxsize=4096)
def _reshape_type(x: ArrayType, shape: Ints) -> ArrayType:
    out = ArrayType(tuple(shape), x.dtype)
    if out.size != x.size:
        raise TypeRuleError(
            f"reshape: {x!r} has {x.size} elements, shape {tuple(shape)} has {out.size}"
        )
    return out


reshape: Primitive = Primitive(
    "reshape",
    "The same elements in row-major order under another shape.",
    type_rule=_reshape_type,
    evaluate=lambda x, shape: x.reshape(shape) if shape else x.reshape(())[()],
    vjp=lambda i, ct, y, x, shape: reshape(ct, shape=x.shape),
    jvp=jointly_linear("reshape"),
    batch=lambda size, batched, x, shape: reshape(x, shape=(size, *shape)),
    lowering=Index("reshape"),
    notation="{0}",
    samples=each(
        normal((2, 3), shape=(3, 2)),
        normal((), shape=(1, 1)),
        normal((4,), shape=(2, 2)),
        normal((0, 3), shape=(0,)),
    ),
    errors=(ErrorSample((np.ones((2, 3)),), {"shape": (4,)}, "has 6 elements"),),
)


@lru_cache(maxsize=4096)
def _transpose_type(x: ArrayType, order: Ints) -> ArrayType:
    if sorted(order) != list(range(len(x.shape))):
        raise TypeRuleError(f"transpose: {tuple(order)} is no order of the axes of {x!r}")
    return ArrayType(tuple(x.shape[i] for i in order), x.dtype)


def inverse(order: Ints) -> Ints:
    """The order that undoes ``order``."""
    return tuple(order.index(i) for i in range(len(order)))


transpose: Primitive = Primitive(
    "transpose",
    "Axes in another order: axis i of the result is axis order[i] of x.",
    type_rule=_transpose_type,
    evaluate=lambda x, order: x.transpose(order),
    vjp=lambda i, ct, y, x, order: transpose(ct, order=inverse(order)),
    jvp=jointly_linear("transpose"),
    batch=lambda size, batched, x, order: transpose(x, order=(0, *(i + 1 for i in order))),
    lowering=Index("transpose"),
    notation="{0}^T",
    samples=each(
        normal((2, 3), order=(1, 0)), normal((2, 3, 4), order=(2, 0, 1)), normal((), order=())
    ),
    errors=(ErrorSample((np.ones((2, 3)),), {"order": (0, 0)}, "no order"),),
)


@lru_cache(maxsize=4096)
def _broadcast_type(x: ArrayType, shape: Ints) -> ArrayType:
    lead = len(shape) - len(x.shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(x.shape, shape[lead:], strict=True)):
        raise TypeRuleError(f"broadcast: {x!r} does not broadcast to shape {tuple(shape)}")
    return ArrayType(tuple(shape), x.dtype)


def _broadcast_batch(size: int, batched: Sequence[bool], x: Any, shape: Ints) -> Any:
    lead = len(shape) - (len(x.shape) - 1)
    return broadcast(reshape(x, shape=(size, *(1,) * lead, *x.shape[1:])), shape=(size, *shape))


_broadcast_to = np.broadcast_to


def _broadcast(x: Any, shape: Ints) -> Any:
    """``np.broadcast_to``, by strides where that is all there is to do: a fifth of its time."""
    if x.ndim or not shape or 0 in shape:
        return _broadcast_to(x, shape)
    out: Any = np.ndarray(shape, x.dtype, x, 0, (0,) * len(shape))
    out.flags.writeable = False
    return out


broadcast = Primitive(
    "broadcast",
    "x repeated along new leading axes and axes of size 1.",
    type_rule=_broadcast_type,
    evaluate=_broadcast,
    vjp=lambda i, ct, y, x, shape: unbroadcast(ct, x.shape),
    jvp=jointly_linear("broadcast"),
    batch=_broadcast_batch,
    lowering=Index("broadcast"),
    notation="{0}",
    samples=each(
        normal((3,), shape=(2, 3)),
        normal((), shape=(2, 2)),
        normal((2, 1), shape=(4, 2, 3)),
        normal((1,), shape=(0,)),
    ),
    errors=(ErrorSample((np.ones((2, 3)),), {"shape": (3, 2)}, "does not broadcast"),),
)


@lru_cache(maxsize=4096)
def _concatenate_type(*types: ArrayType, axis: int) -> ArrayType:
    first = types[0]
    if not 0 <= axis < len(first.shape):
        raise TypeRuleError(f"concatenate: {axis} is no axis of {first!r}")
    for t in types:
        if t.shape[:axis] + t.shape[axis + 1 :] != first.shape[:axis] + first.shape[axis + 1 :]:
            raise TypeRuleError(
                f"concatenate: {first!r} and {t!r} differ on another axis than {axis}"
            )
    size = sum(t.shape[axis] for t in types)
    return ArrayType(
        (*first.shape[:axis], size, *first.shape[axis + 1 :]), same_dtype("concatenate", types)
    )


def _concatenate_vjp(i: int, ct: Any, y: Any, *args: Any, axis: int) -> Any:
    start = [0] * len(ct.shape)
    start[axis] = sum(x.shape[axis] for x in args[:i])
    return slice_(ct, start=tuple(start), size=args[i].shape, step=(1,) * len(ct.shape))


def _concatenate_batch(size: int, batched: Sequence[bool], *args: Any, axis: int) -> Any:
    full = [
        x if flag else broadcast(x, shape=(size, *x.shape))
        for x, flag in zip(args, batched, strict=True)
    ]
    return concatenate(*full, axis=axis + 1)


concatenate = Primitive(
    "concatenate",
    "Arrays joined along an axis.",
    type_rule=_concatenate_type,
    evaluate=lambda *args, axis: np.concatenate(args, axis),
    vjp=_concatenate_vjp,
    jvp=jointly_linear("concatenate"),
    batch=_concatenate_batch,
    lowering=Index("concatenate"),
    notation="[{0}, ...]",
    samples=each(
        normal((2,), (3,), axis=0),
        normal((2, 3), (2, 1), (2, 2), axis=1),
        normal((3,), axis=0),
        normal((0,), (2,), axis=0),
    ),
    errors=(
        ErrorSample((np.ones((2, 3)), np.ones((2, 4))), {"axis": 0}, "differ on another axis"),
        ErrorSample((np.ones(2), np.ones(3)), {"axis": 1}, "is no axis"),
    ),
)


def _reach(start: Ints, size: Ints, step: Ints, shape: Ints) -> bool:
    """Whether start + step * (0 .. size-1) stays inside ``shape`` on every axis."""
    return len(start) == len(size) == len(step) == len(shape) and all(
        s != 0 and (k == 0 or (0 <= a < n and 0 <= a + s * (k - 1) < n))
        for a, k, s, n in zip(start, size, step, shape, strict=True)
    )


@lru_cache(maxsize=4096)
def indices(start: Ints, size: Ints, step: Ints) -> tuple[slice, ...]:
    """NumPy slices that pick ``size`` elements from ``start`` on, ``step`` apart, on each axis."""
    ends = (a + s * k for a, k, s in zip(start, size, step, strict=True))
    return tuple(
        slice(a, end if end >= 0 else None, s) if k else slice(0, 0)
        for a, k, s, end in zip(start, size, step, ends, strict=True)
    )


@lru_cache(maxsize=4096)
def _slice_type(x: ArrayType, start: Ints, size: Ints, step: Ints) -> ArrayType:
    if not _reach(start, size, step, x.shape):
        raise TypeRuleError(f"slice: start {start}, size {size}, step {step} leaves {x!r}")
    return ArrayType(tuple(size), x.dtype)


def _slice_batch(
    size_: int, batched: Sequence[bool], x: Any, start: Ints, size: Ints, step: Ints
) -> Any:
    return slice_(x, start=(0, *start), size=(size_, *size), step=(1, *step))


slice_ = Primitive(
    "slice",
    "Elements start, start + step, ... on each axis; steps may be negative.",
    type_rule=_slice_type,
    evaluate=lambda x, start, size, step: x[indices(start, size, step)],
    vjp=lambda i, ct, y, x, start, size, step: pad(ct, shape=x.shape, start=start, step=step),
    jvp=jointly_linear("slice"),
    batch=_slice_batch,
    lowering=Index("slice"),
    notation="{0}[...]",
    samples=each(
        normal((5,), start=(1,), size=(3,), step=(1,)),
        normal((5,), start=(4,), size=(3,), step=(-2,)),
        normal((4, 5), start=(1, 0), size=(2, 3), step=(2, 2)),
        normal((4, 5), start=(0, 0), size=(0, 5), step=(1, 1)),
    ),
    errors=(
        ErrorSample((np.ones(5),), {"start": (3,), "size": (3,), "step": (1,)}, "leaves f64[5]"),
    ),
)


@lru_cache(maxsize=4096)
def _pad_type(x: ArrayType, shape: Ints, start: Ints, step: Ints) -> ArrayType:
    if not _reach(start, x.shape, step, shape):
        raise TypeRuleError(f"pad: {x!r} at start {start}, step {step} leaves shape {tuple(shape)}")
    return ArrayType(tuple(shape), x.dtype)


_zeros, _array = np.zeros, np.array  # themselves, also while a trace is open


def _pad(x: Any, shape: Ints, start: Ints, step: Ints) -> Any:
    out = _zeros(shape, x.dtype)
    out[indices(start, x.shape, step)] = x
    return out


pad: Primitive = Primitive(
    "pad",
    "Zeros of a shape, with x at start, start + step, ... on each axis.",
    type_rule=_pad_type,
    evaluate=_pad,
    vjp=lambda i, ct, y, x, shape, start, step: slice_(ct, start=start, size=x.shape, step=step),
    jvp=jointly_linear("pad"),
    batch=lambda size, batched, x, shape, start, step: pad(
        x, shape=(size, *shape), start=(0, *start), step=(1, *step)
    ),
    lowering=Index("pad"),
    notation=r"\mathrm{{pad}}\,{0}",
    samples=each(
        normal((2,), shape=(5,), start=(1,), step=(1,)),
        normal((2,), shape=(5,), start=(4,), step=(-3,)),
        normal((2, 2), shape=(3, 5), start=(0, 1), step=(2, 2)),
        normal((0,), shape=(2,), start=(0,), step=(1,)),
    ),
    errors=(
        ErrorSample((np.ones(3),), {"shape": (4,), "start": (2,), "step": (1,)}, "leaves shape"),
    ),
)


@lru_cache(maxsize=4096)
def _update_type(x: ArrayType, new: ArrayType, start: Ints, step: Ints) -> ArrayType:
    same_dtype("update", (x, new))
    if not _reach(start, new.shape, step, x.shape):
        raise TypeRuleError(f"update: {new!r} at start {start}, step {step} leaves {x!r}")
    return x


def _update(x: Any, new: Any, start: Ints, step: Ints) -> Any:
    out = _array(x)
    out[indices(start, new.shape, step)] = new
    return out


def _update_vjp(i: int, ct: Any, y: Any, x: Any, new: Any, start: Ints, step: Ints) -> Any:
    if i == 0:
        return update(ct, zeros_like(new), start=start, step=step)
    return slice_(ct, start=start, size=new.shape, step=step)


def _update_batch(
    size: int, batched: Sequence[bool], x: Any, new: Any, start: Ints, step: Ints
) -> Any:
    x, new = (
        a if flag else broadcast(a, shape=(size, *a.shape))
        for a, flag in zip((x, new), batched, strict=True)
    )
    return update(x, new, start=(0, *start), step=(1, *step))


update = Primitive(
    "update",
    "x with the elements start, start + step, ... replaced by those of another array.",
    type_rule=_update_type,
    evaluate=_update,
    vjp=_update_vjp,
    jvp=jointly_linear("update"),
    batch=_update_batch,
    lowering=Index("update"),
    notation=r"{0}[...] \leftarrow {1}",
    samples=each(
        normal((5,), (2,), start=(1,), step=(1,)),
        normal((5,), (3,), start=(4,), step=(-2,)),
        normal((4, 5), (2, 2), start=(1, 1), step=(2, 3)),
        normal((), (), start=(), step=()),
    ),
    errors=(
        ErrorSample((np.ones(5), np.ones(2)), {"start": (4,), "step": (1,)}, "leaves f64[5]"),
        ErrorSample((np.ones(5), np.ones(2, "f4")), {"start": (0,), "step": (1,)}, "dtypes differ"),
    ),
)
