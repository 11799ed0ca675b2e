"""Arrays made larger at their ends, in all modes of ``np.pad``.

In: an array and widths before and behind each axis. Out: the array with constants, copies of its own
elements, or numbers computed from them around it, axis by axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import as_array, at, axis_of, part
from deltarule.derive.functions.quantile import _median
from deltarule.derive.functions.reduce import _max, _mean, _min
from deltarule.derive.table import UFUNCS, no_rule, rule
from deltarule.derive.ufuncs import operand
from deltarule.program import ops
from deltarule.program.families import broadcast_to

_COPYING = ("edge", "reflect", "symmetric", "wrap")
_STATISTICS: dict[str, Callable[..., Any]] = {
    "maximum": _max,
    "minimum": _min,
    "mean": _mean,
    "median": _median,
}
_SETTINGS = {
    "constant": ["constant_values"],
    "edge": [],
    "empty": [],
    "linear_ramp": ["end_values"],
    "reflect": ["reflect_type"],
    "symmetric": ["reflect_type"],
    "wrap": [],
    **{name: ["stat_length"] for name in _STATISTICS},
}
Pair = tuple[int, int]


@rule(np.pad)
def _pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    x = as_array(array)
    widths = _widths(pad_width, x.ndim)
    if mode not in _SETTINGS:
        raise no_rule(np.pad, f"with mode={mode!r}; traced are {', '.join(_SETTINGS)}")
    if unknown := [name for name in kwargs if name not in _SETTINGS[mode]]:
        raise ValueError(f"unsupported keyword arguments for mode {mode!r}: {unknown}")
    if mode == "constant":
        value = kwargs.get("constant_values", 0)
        if operand(value) is value and np.ndim(value) == 0:
            return _surrounded(x, widths, value)
    for along, width in enumerate(widths):
        if width != (0, 0):
            x = _padded(x, along, width, mode, kwargs)
    return x


def _widths(pad_width: Any, ndim: int) -> list[Pair]:
    if isinstance(pad_width, dict):
        given = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            before, after = np.broadcast_to(width, 2).tolist()
            given[axis_of(axis, ndim)] = (before, after)
        return given
    pairs = np.broadcast_to(np.asarray(pad_width), (ndim, 2)).tolist()
    if any(n < 0 for pair in pairs for n in pair):
        raise ValueError(f"np.pad: widths must not be negative: {pad_width}")
    return [(before, after) for before, after in pairs]


def _surrounded(x: Any, widths: list[Pair], value: Any) -> Any:
    """One number around all of ``x``."""
    shape = tuple(sum(width) + n for width, n in zip(widths, x.shape, strict=True))
    start, step = tuple(before for before, _ in widths), (1,) * x.ndim
    if np.isscalar(value) and value == 0:
        return ops.pad(x, shape=shape, start=start, step=step)
    ground = broadcast_to(ops.cast(as_array(value), dtype=x.dtype), shape)
    return ops.update(ground, x, start=start, step=step)


def _padded(x: Any, axis: int, width: Pair, mode: Any, settings: dict[str, Any]) -> Any:
    n = x.shape[axis]
    odd = settings.get("reflect_type", "even") == "odd"
    if mode in _COPYING and not odd:
        return at(x, axis, np.pad(np.arange(n), width, mode))
    if mode in _STATISTICS:
        ends = _statistics(x, axis, width, mode, settings.get("stat_length"))
    elif mode == "constant":
        ends = _constants(x, axis, width, settings["constant_values"])
    elif mode == "empty":
        ends = _constants(x, axis, width, 0)
    else:
        ends = _weighted(x, axis, width, mode, settings)
    return ops.concatenate(ends[0], x, ends[1], axis=axis)


def _sized(x: Any, axis: int, n: int) -> tuple[int, ...]:
    return (*x.shape[:axis], n, *x.shape[axis + 1 :])


def _pair(values: Any, x: Any, axis: int) -> list[Any]:
    """What a setting says for the two ends of an axis."""
    whole = as_array(values)
    whole = broadcast_to(whole, (x.ndim, 2)) if whole.ndim < 2 or whole.shape[0] == 1 else whole
    return [whole[axis, 0], whole[axis, 1]]


def _constants(x: Any, axis: int, width: Pair, values: Any) -> list[Any]:
    ends = [ops.cast(as_array(v), dtype=x.dtype) for v in _pair(values, x, axis)]
    return [broadcast_to(v, _sized(x, axis, n)) for v, n in zip(ends, width, strict=True)]


def _statistics(x: Any, axis: int, width: Pair, mode: str, lengths: Any) -> list[Any]:
    n = x.shape[axis]
    reach = [n, n] if lengths is None else [min(int(k), n) for k in _pair(lengths, x, axis)]
    parts = [part(x, axis, 0, reach[0]), part(x, axis, n - reach[1])]
    found = [_STATISTICS[mode](end, axis, keepdims=True) for end in parts]
    if x.dtype.kind in "iu":
        found = [ops.cast(UFUNCS[np.rint](y), dtype=x.dtype) for y in found]
    return [broadcast_to(y, _sized(x, axis, k)) for y, k in zip(found, width, strict=True)]


def _weighted(x: Any, axis: int, width: Pair, mode: Any, settings: dict[str, Any]) -> list[Any]:
    """Ends that are sums of elements: NumPy pads unit vectors, which gives the weights."""
    n = x.shape[axis]
    ramp = mode == "linear_ramp"
    plain = {} if ramp else settings
    weights = np.pad(np.eye(n), (width, (0, 0)), mode, **plain).astype(x.dtype)
    lined = ops.reshape(x, shape=(math.prod(x.shape[:axis]), n, math.prod(x.shape[axis + 1 :])))
    targets = _pair(settings.get("end_values", 0), x, axis) if ramp else [None, None]
    found = []
    for rows, k, target in zip(
        (weights[: width[0]], weights[width[0] + n :]), width, targets, strict=True
    ):
        end = ops.reshape(ops.matmul(rows, lined), shape=_sized(x, axis, k))
        if ramp:
            rest = (1 - rows.sum(1)).reshape(tuple(k if i == axis else 1 for i in range(x.ndim)))
            end = end + rest * ops.cast(as_array(target), dtype=x.dtype)
        found.append(end)
    return found
