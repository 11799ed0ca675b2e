"""Elements put in, taken out, and looked up by value.

In: arrays, places, values. Out: arrays; their shape follows from places, or from values known
while tracing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import as_array, at, axis_of, same_dtype
from deltarule.derive.functions.order import seen
from deltarule.derive.table import NUMPY, no_rule, rule
from deltarule.program import ops
from deltarule.program.families import broadcast_to

_ravel, _moveaxis = NUMPY["ravel"], NUMPY["moveaxis"]


def _along(arr: Any, axis: int | None) -> tuple[Any, int]:
    x = as_array(arr)
    return (_ravel(x), 0) if axis is None else (x, axis_of(axis, x.ndim))


def _places(obj: Any, use: str) -> Any:
    """Places as plain numbers, or the slice that they are."""
    return obj if isinstance(obj, (slice, int)) else seen(as_array(obj), use)


@rule(np.delete)
def _delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    x, along = _along(arr, axis)
    kept = np.delete(np.arange(x.shape[along]), _places(obj, "np.delete"))
    return at(x, along, kept)


@rule(np.insert)
def _insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    x, along = _along(arr, axis)
    n = x.shape[along]
    places = _places(obj, "np.insert")
    number = len(np.insert(np.arange(n), places, -1)) - n
    new = ops.cast(as_array(values), dtype=x.dtype)
    new = ops.reshape(new, shape=(*(1,) * (x.ndim - new.ndim), *new.shape))
    if np.ndim(places) == 0 and not isinstance(places, slice):
        new = _moveaxis(new, 0, along)
    number = new.shape[along] if number == 1 else number
    new = broadcast_to(new, (*x.shape[:along], number, *x.shape[along + 1 :]))
    order = np.insert(np.arange(n), places, n + np.arange(number))
    return at(ops.concatenate(x, new, axis=along), along, order)


@rule(np.trim_zeros)
def _trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    x = as_array(filt)
    if x.ndim != 1 or axis is not None:
        raise no_rule(np.trim_zeros, f"of shape {x.shape}; slice it")
    kept = np.flatnonzero(seen(x, "np.trim_zeros"))
    if not len(kept):
        return x[:0]
    start = kept[0] if "f" in trim.lower() else 0
    return x[start : kept[-1] + 1 if "b" in trim.lower() else None]


# --- by value ---


@rule(np.unique)
def _unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """Each value once: its derivative is that of the first element that has it."""
    x, along = _along(ar, axis)
    values = seen(as_array(ar), "np.unique")
    settings: dict[str, Any] = {"axis": axis, "equal_nan": equal_nan, "return_index": True}
    settings |= {"return_inverse": return_inverse, "return_counts": return_counts}
    _, first, *rest = np.unique(values, **settings)
    found = at(x, along, first)
    extra = [*([first] if return_index else []), *rest]
    return (found, *extra) if extra else found


@rule(np.unique_values)
def _unique_values(x: Any, /) -> Any:
    return _unique(x, equal_nan=False)


@rule(np.union1d)
def _union1d(ar1: Any, ar2: Any) -> Any:
    return _unique(NUMPY["concatenate"]([_ravel(ar1), _ravel(ar2)]))


@rule(np.intersect1d)
def _intersect1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    x, y = same_dtype([_ravel(ar1), _ravel(ar2)])
    one, two = (seen(v, "np.intersect1d") for v in (x, y))
    _, i, j = np.intersect1d(one, two, assume_unique, return_indices=True)
    return (x[i], i, j) if return_indices else x[i]


@rule(np.isin)
def _isin(
    element: Any,
    test_elements: Any,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    kind: str | None = None,
) -> Any:
    x, among = same_dtype([element, test_elements])
    wide = ops.reshape(x, shape=(*x.shape, 1))
    found = NUMPY["any"](ops.eq(wide, _ravel(among)), -1)
    return ops.not_(found) if invert else found
