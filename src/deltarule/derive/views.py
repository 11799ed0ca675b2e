"""Views and writing through them, as NumPy does it, over pure nodes.

In: the owner of a buffer and a path of slices, reshapes, transposes and broadcasts. Out: the view's value,
or the owner's new value after a write.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from deltarule.derive.tracer import Tracer
from deltarule.errors import TracedValueError
from deltarule.program import Primitive, ops
from deltarule.program.families import broadcast_to
from deltarule.program.ops.shape import indices, inverse

Path = tuple[tuple[Primitive, dict[str, Any]], ...]


def view(x: Any, primitive: Primitive, **attrs: Any) -> Any:
    """Apply a view operation; the result shares the buffer of ``x``, but where NumPy would copy."""
    if primitive is not ops.reshape or not isinstance(x, Tracer):
        return shared(x, primitive, attrs)
    base = x if x.base is None else x.base
    if _in_one_piece(x) or is_view(base, (*x.path, (primitive, attrs))):
        return shared(x, primitive, attrs)
    out = primitive(x, **attrs)
    out.scalar = False
    return out


def _in_one_piece(x: Tracer) -> bool:
    """Whether an array that nobody has written to is known to lie in row-major order: the frequent case."""
    if x.base is not None or x.version or x._node in x.within.strides:
        return False
    value = x.within.values.get(x._node)
    return type(value) is np.ndarray and value.flags.c_contiguous


def shared(x: Any, primitive: Primitive, attrs: dict[str, Any]) -> Any:
    """Apply a view operation whose result shares the buffer of ``x`` always."""
    if type(x) is not Tracer:
        return primitive(x, **attrs)
    same = attrs == _nothing(primitive, x.shape)
    out: Any = Tracer(x.within, x.node) if same else primitive(x, **attrs)
    if type(out) is Tracer:
        base = x if x.base is None else x.base
        out.scalar = False
        out.base, out.path, out.version = base, (*x.path, (primitive, attrs)), base.version
    return out


def _nothing(primitive: Primitive, shape: tuple[int, ...]) -> dict[str, Any] | None:
    """The attrs with which an operation leaves all as it is; None where a node is to be made all the same."""
    if primitive is ops.broadcast:
        return {"shape": shape}
    return {"order": tuple(range(len(shape)))} if primitive is ops.transpose else None


@dataclass(frozen=True, eq=False, slots=True)
class Picked:
    """A step of a path that is no primitive: the elements at places counted in row-major order."""

    index: Any
    name: str = "picked"

    def __call__(self, x: Any) -> Any:
        """Their values."""
        return ops.gather(ops.reshape(x, shape=(x.size,)), self.index)


def picked(x: Any, index: Any) -> Any:
    """Elements at these places, as a view that nobody can write to."""
    step: Any = Picked(index)
    return shared(shared(x, step, {}), ops.broadcast, {"shape": index.shape})


def replay(x: Any, path: Path) -> list[Any]:
    """Values along the path, the owner's first."""
    values = [x]
    for primitive, attrs in path:
        values.append(primitive(values[-1], **attrs))
    return values


def shapes_along(shape: tuple[int, ...], path: Path) -> list[tuple[int, ...]]:
    """Shapes along the path, the owner's first."""
    shapes = [shape]
    for primitive, attrs in path:
        if primitive is ops.slice:
            shape = attrs["size"]
        elif primitive is ops.transpose:
            shape = tuple(shape[i] for i in attrs["order"])
        elif primitive is ops.reshape:
            shape = attrs["shape"]
        shapes.append(shape)
    return shapes


def put_back(owner: Tracer, path: Path, new: Any) -> Any:
    """The owner's value after the end of the path has become ``new``.

    Values on the way are needed where only a part of them is replaced.
    """
    shapes = shapes_along(owner.shape, path)
    needed = [primitive in (ops.slice, ops.real, ops.imag) for primitive, _ in path]
    last = max((k for k, need in enumerate(needed) if need), default=0)
    values = replay(Tracer(owner.within, owner.node), path[:last])
    for k in reversed(range(len(path))):
        primitive, attrs = path[k]
        if primitive is ops.slice:
            new = ops.update(values[k], new, start=attrs["start"], step=attrs["step"])
        elif primitive is ops.reshape:
            new = ops.reshape(new, shape=shapes[k])
        elif primitive is ops.real:
            new = ops.complex(new, ops.imag(values[k]))
        elif primitive is ops.imag:
            new = ops.complex(ops.real(values[k]), new)
        else:
            new = ops.transpose(new, order=inverse(attrs["order"]))
    return new


def is_view(base: Tracer, path: Path) -> bool:
    """Whether NumPy shares memory along the path."""
    strides = strides_of(base) if base.version == 0 else base.laid
    return _is_view(base.shape, strides, tuple((p.name, tuple(attrs.items())) for p, attrs in path))


def strides_of(owner: Tracer) -> tuple[int, ...] | None:
    """The layout of a buffer before it is written to, where its value or its order in memory is known; None
    counts as row-major."""
    x: Any = owner
    while isinstance(x, Tracer):
        trace, node = x.within, x.node
        if node in trace.strides:
            strides: tuple[int, ...] | None = trace.strides[node]
            return strides
        x = trace.values.get(node)
    return (
        in_elements(x)
        if isinstance(x, np.ndarray) and x.shape == owner.shape and all(x.strides)
        else None
    )


def lay_out(copy: Any, x: Any, order: str) -> None:
    """Keep in which order a copy of x lies in memory; what is not known stays so."""
    if order not in ("C", "F", "A", "K"):
        raise ValueError(f"order is 'C', 'F', 'A' or 'K', not {order!r}")
    if order in ("A", "K"):
        if not layout_known(x):
            return
        if order == "A":
            order = "F" if columns_first(x) else "C"
    axes = memory_order(x) if order == "K" else tuple(range(copy.ndim))
    axes = axes[::-1] if order == "F" else axes
    strides, step = [0] * copy.ndim, 1
    for axis in reversed(axes):
        strides[axis], step = step, step * max(1, copy.shape[axis])
    copy.within.strides[copy.node] = tuple(strides)


def layout_known(x: Any) -> bool:
    """Whether it is known how a value lies in memory: not if it is computed of unknown numbers."""
    base = x if not isinstance(x, Tracer) or x.base is None else x.base
    if sum(n > 1 for n in base.shape) < 2 or getattr(base, "version", 0):
        return True
    while isinstance(base, Tracer):
        trace, node = base.within, base.node
        if node in trace.strides:
            return True
        base = trace.values.get(node)
    return base is not None


def in_elements(x: Any) -> tuple[int, ...]:
    """The strides of an array, counted in elements."""
    return tuple(step // x.itemsize for step in x.strides)


def pattern(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...] | None:
    """Strides that stand for all those in which the axes follow each other so, with gaps or without; None for
    row-major order without."""
    wide = [i for i, n in enumerate(shape) if n > 1]
    order = sorted(wide, key=lambda i: -abs(strides[i]))
    axes = [(shape[i], strides[i]) for i in reversed(order)]
    gap = bool(axes) and (axes[0][1] != 1 or not _compact(axes))
    if order == wide and not gap:
        return None
    found, step = [1] * len(shape), 1 + gap
    for axis in reversed(order):
        found[axis] = step
        step *= shape[axis] + gap
    return tuple(found)


def pattern_of(x: Any) -> tuple[int, ...] | None:
    """That of an array, or of a traced value."""
    if not isinstance(x, (Tracer, np.ndarray)) or x.ndim < 2:
        return None
    return pattern(x.shape, layout(x))


def layout(x: Any) -> tuple[int, ...]:
    """Strides of a value as NumPy would have them; what is not known counts as row-major."""
    base, path = (x, ()) if not isinstance(x, Tracer) or x.base is None else (x.base, x.path)
    if isinstance(base, Tracer):
        strides = strides_of(base) if base.version == 0 else base.laid
    else:
        strides = in_elements(base)
    return _strides(base.shape, strides, tuple((p.name, tuple(a.items())) for p, a in path))


def contiguous(x: Any) -> bool:
    """Whether the elements stand one after the other, in row-major order."""
    wide = [(n, step) for n, step in zip(x.shape, layout(x), strict=True) if n != 1]
    return not x.size or not wide or (wide[-1][1] == 1 and _compact(wide[::-1]))


def columns_first(x: Any) -> bool:
    """Whether the elements stand in column-major order, and not in row-major order."""
    wide = [(n, step) for n, step in zip(x.shape, layout(x), strict=True) if n > 1]
    return len(wide) > 1 and wide[0][1] == 1 and _compact(wide)


def _compact(axes: Sequence[tuple[int, int]]) -> bool:
    """Whether there are no gaps between axes, sizes and strides of which are given from the fastest on."""
    return all(later == n * step for (n, step), (_, later) in itertools.pairwise(axes))


def memory_order(x: Any) -> tuple[int, ...]:
    """The axes, slowest first."""
    strides = layout(x)
    return tuple(sorted(range(x.ndim), key=lambda i: -abs(strides[i])))


@lru_cache(maxsize=1024)
def _strides(
    shape: tuple[int, ...], strides: tuple[int, ...] | None, path: tuple[Any, ...]
) -> tuple[int, ...]:
    out = _followed(shape, strides, path)
    return (
        tuple(max(1, math.prod(shape[i + 1 :])) for i in range(len(shape)))
        if out is None
        else out.strides
    )


@lru_cache(maxsize=1024)
def _is_view(
    shape: tuple[int, ...], strides: tuple[int, ...] | None, path: tuple[Any, ...]
) -> bool:
    return _followed(shape, strides, path) is not None


def _followed(
    shape: tuple[int, ...], strides: tuple[int, ...] | None, path: tuple[Any, ...]
) -> Any:
    """An empty array with the strides at the end of a path; None where NumPy would copy."""
    if strides is None:
        strides = tuple(max(1, math.prod(shape[i + 1 :])) for i in range(len(shape)))
    out = np.lib.stride_tricks.as_strided(np.zeros(1, np.int8), shape, strides)
    for name, items in path:
        attrs = dict(items)
        if name == "slice":
            out = out[indices(**attrs)]
        elif name == "transpose":
            out = out.transpose(attrs["order"])
        elif name == "broadcast":
            out = np.broadcast_to(out, attrs["shape"])
        elif name == "reshape":
            try:
                out = np.reshape(out, attrs["shape"], copy=False)
            except ValueError:
                return None
    return out


def is_read_only(x: Any) -> bool:
    """Whether NumPy lets nobody write through the view: it shows an element twice."""
    return any(p is ops.broadcast for p, _ in x.path)


def writable(x: Tracer) -> Tracer:
    """The owner of the buffer to write to."""
    if x.base is None:
        return x
    if is_read_only(x):
        raise ValueError(
            f"assignment destination is read-only: a broadcast view ({x._place()}). Write "
            "to a copy, x.copy()"
        )
    return x.base


def fitted(
    new: Any, target: Tracer, use: str | None = None, shape: tuple[int, ...] | None = None
) -> Any:
    """``new`` with the dtype and shape of the place it is written to: ``target``, or a part of it of
    another ``shape``.

    Where ``use`` names a function, floats are not cut to integers, as NumPy refuses it in ufuncs and
    ``copyto``.
    """
    if not isinstance(new, Tracer):
        from deltarule.derive.ufuncs import operand

        new = np.asarray(new) if np.isscalar(new) else operand(new)
    if new.dtype != target.dtype:
        if (
            new.dtype.kind == "f"
            and target.dtype.kind in "biu"
            and isinstance(new, Tracer)
            and new.active
        ):
            raise TracedValueError(
                f"a traced {new.dtype} is written into an array of {target.dtype} "
                f"({target._place()}): its gradient would be cut "
                "silently. Make the array of floats"
            )
        if use is not None and not np.can_cast(new.dtype, target.dtype, "same_kind"):
            raise TypeError(
                f"np.{use} cannot write {new.dtype} into {target.dtype} in place "
                f"({target._place()})"
            )
        new = ops.cast(new, dtype=target.dtype)
    shape = target.shape if shape is None else shape
    if new.shape == shape:
        return new
    extra = len(new.shape) - len(shape)
    if extra > 0 and new.shape[:extra] == (1,) * extra:
        new = ops.reshape(new, shape=new.shape[extra:])
    try:
        fits = np.broadcast_shapes(new.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"could not broadcast a value of shape {new.shape} into shape {shape} "
            f"({target._place()})"
        )
    return broadcast_to(new, shape)
