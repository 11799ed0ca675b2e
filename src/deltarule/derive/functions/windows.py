"""Views by strides: windows that slide along an array, and other ways to show its elements again.

In: an array, and the shape and strides of the view. Out: a view that nobody can write to, since it shows
elements several times.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from deltarule.derive.functions.arguments import as_array
from deltarule.derive.library import library_rule
from deltarule.derive.table import no_rule, rule
from deltarule.derive.tracer import Tracer
from deltarule.derive.views import picked


@rule(sliding_window_view)
def _sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    if writeable:
        raise no_rule(sliding_window_view, "with writeable=True; write to the array itself")
    a = as_array(x)
    return picked(a, sliding_window_view(_places(a), window_shape, axis))


@library_rule(as_strided)
def _as_strided(
    x: Any,
    shape: Any = None,
    strides: Any = None,
    subok: bool = False,
    writeable: bool = True,
) -> Any:
    a = as_array(x)
    places, size = _places(a), a.itemsize
    if a.strides != tuple(size * n // places.itemsize for n in places.strides):
        raise no_rule(as_strided, f"of strides {a.strides}; give it np.ascontiguousarray(x)")
    shape = a.shape if shape is None else tuple(np.atleast_1d(shape).tolist())
    steps = [n // size for n in (a.strides if strides is None else strides)]
    reach = [step * (n - 1) for step, n in zip(steps, shape, strict=True)]
    first, last = (sum(f(0, n) for n in reach) for f in (min, max))
    if first < 0 or last >= a.size:
        raise ValueError(
            f"as_strided: shape {shape} with strides {tuple(n * size for n in steps)} reaches from element "
            f"{first} to {last} of an array of {a.size} elements ({a._place()})"
        )
    return picked(a, as_strided(places, shape, [step * places.itemsize for step in steps]))


def _places(x: Tracer) -> Any:
    """The place of each element, counted in row-major order."""
    return np.arange(x.size).reshape(x.shape)
