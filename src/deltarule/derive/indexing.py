"""NumPy's indexing on traced values, brought to slices and to gathers along one axis.

In: any key that NumPy takes. Out: a view for basic keys, a copy for index arrays; writing goes the same way
back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from deltarule.derive.tracer import Tracer
from deltarule.derive.ufuncs import truth
from deltarule.derive.views import Path, fitted, shared, view
from deltarule.errors import BranchError
from deltarule.program import ops
from deltarule.program.families import broadcast_to
from deltarule.program.ops.shape import Ints, inverse


def _is_int(item: Any) -> bool:
    return isinstance(item, (int, np.integer)) and not isinstance(item, (bool, np.bool_))


def _as_index(x: Tracer, item: Any) -> Any:
    """One item of a key as an int, slice, None, or an integer array, plain or traced; masks become several
    arrays."""
    if item is None or isinstance(item, slice) or _is_int(item):
        return item
    if isinstance(item, Tracer):
        if item.dtype.kind not in "biu":
            raise IndexError(
                f"arrays used as indices must be of integers or bools, not {item.dtype} "
                f"({x._place()})"
            )
        if item.dtype != np.bool_:
            return _plain(item) if item.known and not isinstance(item.value, Tracer) else item
        if not item.known and item.ndim == 0:
            raise BranchError(
                f"whether a traced bool picks {x._node.type} or nothing is not known while "
                f"compiling ({x._place()}). Write np.where(condition, x, 0)"
            )
        if not item.known:
            raise BranchError(
                f"a traced mask {item._node.type} selects a number of elements that is not "
                f"known while compiling ({x._place()}). "
                "Write np.where(mask, x, 0)"
            )
        while isinstance(item, Tracer):
            item = item.value
    item = np.asarray(item)
    if item.dtype == np.bool_:
        return item
    if item.size == 0:
        item = item.astype(int)
    if item.dtype.kind not in "iu":
        raise IndexError(
            f"arrays used as indices must be of integers or bools, not {item.dtype} ({x._place()})"
        )
    return item


def _plain(item: Tracer) -> Any:
    return np.asarray(item.value)


@dataclass(frozen=True, slots=True)
class Key:
    """A key, resolved for a shape: first a slice of every axis, then index arrays on some of them."""

    steps: Path  # from the array to the slices
    shape: tuple[int, ...]
    arrays: tuple[tuple[int, Any], ...]
    scalar: bool


_ENDS = (int, type(None))
_PLAIN = (int, type(None), type(Ellipsis))


def resolve(x: Tracer, key: Any, plain: tuple[Any, ...] | None) -> Key:
    """Bring a key to its parts; IndexError as NumPy raises it."""
    if plain is not None:
        try:
            return _of_shape(x.shape, plain)
        except IndexError as error:
            raise IndexError(f"{error} ({x._place()})") from None
    return _resolved(x, key)


def _hashable(key: Any) -> tuple[Any, ...] | None:
    """A key of integers, slices, None and an ellipsis; None where there is more in it."""
    whole = type(key) is tuple
    found: list[Any] = [whole]
    for item in key if whole else (key,):
        kind = type(item)
        if kind is slice:
            start, stop, step = ends = item.start, item.stop, item.step
            if not (type(start) in _ENDS and type(stop) in _ENDS and type(step) in _ENDS):
                return None
            found.append(ends)
        elif kind in _PLAIN:
            found.append(item)
        else:
            return None
    return tuple(found)


@lru_cache(maxsize=4096)
def _of_shape(shape: tuple[int, ...], plain: tuple[Any, ...]) -> Key:
    """The parts of a plain key on an array of a shape; the key's first item says whether it is a tuple."""
    whole, *items = plain
    key = tuple(slice(*item) if isinstance(item, tuple) else item for item in items)
    return _resolved(Shaped(shape), key if whole else key[0])


@dataclass(frozen=True, slots=True)
class Shaped:
    """What a plain key asks of an array."""

    shape: tuple[int, ...]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)


def _resolved(x: Any, key: Any) -> Key:
    items = [
        _as_index(x, item) if item is not Ellipsis else item
        for item in (key if isinstance(key, tuple) else (key,))
    ]
    items = _masks_to_indices(items, x.shape)
    used = sum(1 for item in items if item is not None and item is not Ellipsis)
    if used > x.ndim:
        raise IndexError(
            f"too many indices: the array has shape {x.shape}, {used} axes are indexed{_where(x)}"
        )
    fill = [slice(None)] * (x.ndim - used)
    if any(item is Ellipsis for item in items):
        at = next(i for i, item in enumerate(items) if item is Ellipsis)
        items[at : at + 1] = fill
    else:
        items += fill
    advanced = any(not (item is None or isinstance(item, slice) or _is_int(item)) for item in items)
    picks: list[tuple[int, int, int]] = []
    shape: list[int] = []
    arrays: list[tuple[int, Any]] = []
    axis = 0
    for item in items:
        if item is None:
            shape.append(1)
            continue
        n = x.shape[axis]
        axis += 1
        if isinstance(item, slice):
            a, b, s = item.indices(n)
            k = len(range(a, b, s))
            picks.append((a if k else 0, k, s))
            shape.append(k)
        elif _is_int(item) and not advanced:
            picks.append((_inside(int(item), n, x), 1, 1))
        else:
            picks.append((0, n, 1))
            arrays.append((len(shape), _wrapped(item, n, x)))
            shape.append(n)
    start, size, step = zip(*picks, strict=True) if picks else ((), (), ())
    full_integer = not isinstance(key, tuple) or Ellipsis not in [k for k in key if k is Ellipsis]
    scalar = not shape and not arrays and full_integer
    steps = _steps(x.shape, start, size, step, tuple(shape))
    return Key(steps, tuple(shape), tuple(arrays), scalar)


def _steps(whole: Ints, start: Ints, size: Ints, step: Ints, shape: Ints) -> Path:
    """The path from a ``whole`` array to its slices, where they do not leave all as it is."""
    steps: list[tuple[Any, dict[str, Any]]] = []
    if size != whole or step != (1,) * len(whole):
        steps.append((ops.slice, {"start": start, "size": size, "step": step}))
    if shape != size:
        steps.append((ops.reshape, {"shape": shape}))
    return tuple(steps)


def _masks_to_indices(items: list[Any], shape: tuple[int, ...]) -> list[Any]:
    out: list[Any] = []
    axis = 0
    for item in items:
        if isinstance(item, np.ndarray) and item.dtype == np.bool_:
            if item.shape != shape[axis : axis + item.ndim] and Ellipsis not in [
                i for i in items if i is Ellipsis
            ]:
                raise IndexError(
                    f"a mask of shape {item.shape} does not fit axes of shape "
                    f"{shape[axis : axis + item.ndim]}"
                )
            out.extend(np.nonzero(item))
            axis += item.ndim
        else:
            out.append(item)
            axis += item is not None and item is not Ellipsis
    return out


def _where(x: Any) -> str:
    return f" ({x._place()})" if isinstance(x, Tracer) else ""


def _inside(i: int, n: int, x: Any) -> int:
    if not -n <= i < n:
        raise IndexError(f"index {i} is out of bounds for an axis of size {n}{_where(x)}")
    return i % n


def _wrapped(item: Any, n: int, x: Tracer) -> Any:
    """Index values counted from the front, checked where they are known."""
    if isinstance(item, Tracer):
        item = item if item.dtype == np.int64 else ops.cast(item, dtype=np.dtype(np.int64))
        return ops.select(ops.lt(item, np.int64(0)), ops.add(item, np.int64(n)), item)
    item = np.asarray(item, dtype=np.int64)
    if not item.size:
        return item
    low, high = item.min(), item.max()
    if high >= n or low < -n:
        wrong = high if high >= n else low
        raise IndexError(f"index {wrong} is out of bounds for an axis of size {n} ({x._place()})")
    return np.where(item < 0, item + n, item) if low < 0 else item


def _sliced(x: Any, key: Key) -> Any:
    for primitive, attrs in key.steps:
        x = shared(x, primitive, attrs)
    return x


def read(x: Tracer, key: Any) -> Any:
    """``x[key]``."""
    plain = _hashable(key)
    if plain is None:
        x, key = _without_flags(x, key)
    if plain is None and (flag := _flag(x, key)) is not None:
        return ops.reshape(_flagged(x, flag), shape=(int(flag), *x.shape))
    if type(key) is np.ndarray and key.dtype.kind == "i" and x.shape and key.size:
        return ops.gather(x, _wrapped(key, x.shape[0], x))
    parts = resolve(x, key, plain)
    if parts.scalar:
        for primitive, attrs in parts.steps or ((ops.reshape, {"shape": ()}),):
            x = primitive(x, **attrs)
        return x
    out = _sliced(x, parts)
    if parts.arrays:
        plan = Advanced.of(out, parts.arrays)
        return plan.read(out)
    return view(out, ops.reshape, shape=out.shape) if out is x else out


def write(x: Tracer, key: Any, value: Any) -> None:
    """``x[key] = value``."""
    plain = _hashable(key)
    if plain is None:
        x, key = _without_flags(x, key)
    if plain is None and _is_mask(key) and np.ndim(value) == 0:
        mask = truth(key)
        if mask.shape == x.shape:
            x.assign(ops.select(mask, fitted(value, x), _current(x)))
            return
    if plain is None and (flag := _flag(x, key)) is not None:
        target = _flagged(x, flag)
        target.assign(fitted(value, target))
        return
    parts = resolve(x, key, plain)
    if parts.arrays:
        target = _sliced(x, parts)
        plan = Advanced.of(target, parts.arrays)
        new = fitted(value, plan.read(target))
        target.assign(plan.write(target, new, ops.scatter))
        return
    steps = parts.steps
    if not (steps and isinstance(value, Tracer) and _is_part(value, x, steps)):
        x.assign(fitted(value, x, shape=parts.shape), steps)


def _is_part(value: Tracer, x: Tracer, steps: Path) -> bool:
    """Whether ``value`` is the part of ``x`` at the end of the steps itself, as in ``x[i] += 1``."""
    base = x if x.base is None else x.base
    return value.base is base and value.version == base.version and value.path == (*x.path, *steps)


for _name, _method in {"__getitem__": read, "__setitem__": write}.items():
    setattr(Tracer, _name, _method)


def add_at(x: Tracer, key: Any, value: Any) -> None:
    """``np.add.at(x, key, value)``: repeated indices all count."""
    x, key = _without_flags(x, key)
    parts = resolve(x, key, _hashable(key))
    target = _sliced(x, parts)
    if not parts.arrays:
        target.assign(fitted(target + value, target))
        return
    plan = Advanced.of(target, parts.arrays)
    new = fitted(value, plan.read(target))
    target.assign(plan.write(target, new, ops.scatter_add))


def _without_flags(x: Tracer, key: Any) -> tuple[Tracer, Any]:
    """Single bools among other indices are index arrays, of one 0 or none, for an axis of their own."""
    if type(key) is not tuple or not any(_is_flag(item) for item in key):
        return x, key
    spread: list[Any] = []
    rest: list[Any] = []
    for item in key:
        if _is_flag(item):
            spread.append(None)
            rest.append(np.zeros(int(bool(_as_index(x, item))), int))
            continue
        rest.append(item)
        if item is Ellipsis:
            spread.append(item)
        elif item is not None:
            spread += [slice(None)] * (item.ndim if _is_mask(item) else 1)
    return read(x, tuple(spread)), tuple(rest)


def _is_flag(item: Any) -> bool:
    return isinstance(item, (bool, np.bool_)) or (_is_mask(item) and item.ndim == 0)


def _flag(x: Tracer, key: Any) -> bool | None:
    """The truth of a key that is a single bool, which takes all or nothing; None for any other key."""
    if isinstance(key, (bool, np.bool_)):
        return bool(key)
    return bool(_as_index(x, key)) if _is_mask(key) and key.ndim == 0 else None


def _flagged(x: Tracer, flag: bool) -> Any:
    """``x[None]``, or no element of it."""
    whole = view(x, ops.reshape, shape=(1, *x.shape))
    step = (1,) * whole.ndim
    size = (int(flag), *x.shape)
    return view(whole, ops.slice, start=(0,) * whole.ndim, size=size, step=step)


def _current(x: Tracer) -> Tracer:
    return Tracer(x.within, x.node)


def _is_mask(key: Any) -> bool:
    return isinstance(key, (Tracer, np.ndarray)) and key.dtype == np.bool_


@dataclass(frozen=True, slots=True)
class Advanced:
    """Index arrays on some axes: bring these to the front, join them to one axis, and gather along it."""

    order: tuple[int, ...]
    joined: tuple[int, ...]
    index: Any
    place: tuple[int, ...]

    @staticmethod
    def of(x: Any, arrays: tuple[tuple[int, Any], ...]) -> Advanced:
        """Plan the access to ``x``, whose axes ``arrays`` are indexed."""
        axes = [axis for axis, _ in arrays]
        rest = [i for i in range(len(x.shape)) if i not in axes]
        sizes = [x.shape[axis] for axis in axes]
        index = arrays[0][1]
        shape = np.broadcast_shapes(*(a.shape for _, a in arrays))
        for (_, other), n in zip(arrays[1:], sizes[1:], strict=True):
            index = index * np.int64(n) + other
        index = broadcast_to(index, shape)
        total = int(np.prod(sizes))
        joined = (total, *(x.shape[i] for i in rest))
        adjacent = axes == list(range(axes[0], axes[0] + len(axes)))
        lead = axes[0] if adjacent else 0
        k = len(shape)
        place = (*range(k, k + lead), *range(k), *range(k + lead, k + len(rest)))
        return Advanced((*axes, *rest), joined, index, place)

    def read(self, x: Any) -> Any:
        """Gather, and put the axes of the index where NumPy puts them."""
        out = ops.gather(_shaped(_turned(x, self.order), self.joined), self.index)
        return _turned(out, self.place)

    def write(self, x: Any, new: Any, scatter: Any) -> Any:
        """All of ``x`` with ``new`` written or added at the indices."""
        turned = _turned(x, self.order)
        new = _turned(new, inverse(self.place))
        flat = scatter(_shaped(turned, self.joined), self.index, new)
        return _turned(_shaped(flat, turned.shape), inverse(self.order))


def _turned(x: Any, order: Ints) -> Any:
    return x if order == tuple(range(len(order))) else ops.transpose(x, order=order)


def _shaped(x: Any, shape: Ints) -> Any:
    return x if x.shape == shape else ops.reshape(x, shape=shape)
