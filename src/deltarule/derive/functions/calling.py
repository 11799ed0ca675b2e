"""NumPy's functions that call a function of the user.

In: a Python function, and arrays. Out: what it gives on parts, put together again.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import as_array, axis_of, several
from deltarule.derive.functions.order import seen
from deltarule.derive.library import library_rule
from deltarule.derive.table import NUMPY, rule
from deltarule.derive.tracer import Tracer
from deltarule.derive.ufuncs import joined, truth
from deltarule.derive.views import fitted
from deltarule.program import ops


@rule(np.apply_along_axis)
def _apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    x = as_array(arr)
    along = axis_of(axis, x.ndim)
    lined = NUMPY["moveaxis"](x, along, -1)
    lead = lined.shape[:-1]
    rows = [as_array(func1d(lined[i], *args, **kwargs)) for i in np.ndindex(lead)]
    if not rows:
        raise ValueError("cannot apply a function along an axis when others have no elements")
    whole = NUMPY["stack"](rows)
    inner = whole.shape[1:]
    found = ops.reshape(whole, shape=(*lead, *inner))
    behind = tuple(range(len(lead), found.ndim))
    return NUMPY["moveaxis"](found, behind, tuple(along + i for i in range(len(inner))))


@rule(np.apply_over_axes)
def _apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    x = as_array(a)
    for axis in several(axes):
        found = as_array(func(x, axis))
        x = found if found.ndim == x.ndim else NUMPY["expand_dims"](found, axis_of(axis, x.ndim))
    return x


@rule(np.piecewise)
def _piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    x = as_array(x)
    if not isinstance(condlist, (list, tuple)) or (
        x.ndim and len(condlist) and not isinstance(condlist[0], (list, tuple, Tracer, np.ndarray))
    ):
        condlist = [condlist]
    conditions = [truth(as_array(c)) for c in condlist]
    if len(funclist) == len(conditions) + 1:
        others = NUMPY["any"](joined(conditions), 0)
        conditions.append(ops.not_(others))
    if len(funclist) != len(conditions):
        raise ValueError(
            f"np.piecewise: {len(condlist)} conditions need {len(condlist)} functions, or one more, "
            f"not {len(funclist)}"
        )
    found: Any = NUMPY["zeros_like"](x)
    for condition, f in zip(conditions, funclist, strict=True):
        found = _piece(found, x, condition, f, args, kw)
    return found


def _piece(found: Any, x: Any, condition: Any, f: Any, args: Any, kw: Any) -> Any:
    """``found`` with f(x) where the condition holds: on those elements alone, if they are known."""
    if not callable(f):
        return ops.select(condition, fitted(f, found), found)
    if isinstance(condition, Tracer) and not condition.known:
        return ops.select(condition, fitted(f(x, *args, **kw), found), found)
    chosen = np.broadcast_to(seen(condition, "np.piecewise"), x.shape)
    if not chosen.any():
        return found
    if not x.ndim:
        return fitted(f(x, *args, **kw), found)
    new = NUMPY["copy"](found)
    new[chosen] = f(x[chosen], *args, **kw)
    return new


@library_rule(np.vectorize.__call__)
def _vectorize(self: np.vectorize, *args: Any, **kwargs: Any) -> Any:
    given: dict[Any, Any] = dict(enumerate(args)) | kwargs
    arrays = {key: as_array(x) for key, x in given.items() if key not in self.excluded}
    inner = _inner_axes(self.signature, len(arrays))
    outer = {key: x.ndim - n for (key, x), n in zip(arrays.items(), inner, strict=True)}
    shape = np.broadcast_shapes(*(x.shape[: outer[key]] for key, x in arrays.items()))
    wide = {
        key: NUMPY["broadcast_to"](x, (*shape, *x.shape[outer[key] :])) for key, x in arrays.items()
    }
    results = []
    for i in np.ndindex(shape):
        now = given | {key: x[i] for key, x in wide.items()}
        results.append(self.pyfunc(*map(now.get, range(len(args))), **{k: now[k] for k in kwargs}))
    if not results:
        raise ValueError("cannot call a vectorized function on no elements")
    several = isinstance(results[0], tuple)
    types = self.otypes or [None] * (len(results[0]) if several else 1)
    if not several:
        return _laid_out(results, shape, types[0])
    columns = zip(zip(*results, strict=True), types, strict=True)
    return tuple(_laid_out(list(column), shape, kind) for column, kind in columns)


def _inner_axes(signature: str | None, n: int) -> list[int]:
    """How many axes of each argument one call takes: 1 and 2 for "(n),(n,m)->()"."""
    if signature is None:
        return [0] * n
    given = re.findall(r"\(([^)]*)\)", signature.partition("->")[0])
    return [len([size for size in axes.split(",") if size.strip()]) for axes in given]


def _laid_out(results: list[Any], shape: tuple[int, ...], kind: Any) -> Any:
    """Results of one call each as an array: of the first result's type, as NumPy has it."""
    dtype = as_array(results[0]).dtype if kind is None else np.dtype(kind)
    whole = as_array(joined(results))
    if not isinstance(whole, Tracer):
        whole = whole.astype(dtype)
    elif whole.dtype != dtype:
        whole = fitted(whole, NUMPY["zeros_like"](whole, dtype))
    return NUMPY["reshape"](whole, (*shape, *whole.shape[1:]))


class _Places:
    """What ``np.ndenumerate`` walks along: ``coords`` of the element that is next, and that element."""

    def __init__(self, x: Any) -> None:
        self.x, self.rest = x, np.ndindex(x.shape)
        self.coords = next(self.rest, ())
        self.left = x.size

    def __next__(self) -> Any:
        if not self.left:
            raise StopIteration
        found, self.left = self.x[self.coords], self.left - 1
        self.coords = next(self.rest, ())
        return found


@library_rule(np.ndenumerate.__init__)
def _ndenumerate(self: Any, arr: Any) -> None:
    self.iter = _Places(as_array(arr))
