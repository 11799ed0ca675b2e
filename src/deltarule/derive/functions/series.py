"""``numpy.polynomial`` on traced values: its own Python code is traced (``derive/creation.py``), and here are
the places where that asks for a kind or a number.

In: coefficients, lowest first, and arguments. Out: sums of the basis polynomials; fits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial import (
    chebyshev,
    hermite,
    hermite_e,
    laguerre,
    legendre,
    polynomial,
    polyutils,
)

from deltarule.derive.functions.arguments import as_array, as_float, same_dtype
from deltarule.derive.functions.polynomial import _without_zeros, weighted_fit
from deltarule.derive.library import EXCHANGED, library_rule
from deltarule.derive.table import NUMPY, no_rule, rule

_SUMS = (
    chebyshev.chebval,
    hermite.hermval,
    hermite_e.hermeval,
    laguerre.lagval,
    legendre.legval,
    polynomial.polyval,
)


def _spread(
    c: Any,
    x: Any,
) -> Any:
    """Coefficients with an axis for each of x, so that every column of them meets every element."""
    return NUMPY["reshape"](c, (*c.shape, *(1,) * np.ndim(x)))


def _value(function: Any) -> Callable[..., Any]:
    """NumPy spreads the coefficients where x is an array; a traced value counts as one."""
    name = f"{function.__module__}.{function.__qualname__}"

    def value(
        x: Any,
        c: Any,
        tensor: bool = True,
    ) -> Any:
        x, c = as_array(x), NUMPY["atleast_1d"](as_array(c))
        return EXCHANGED[name][1](x, _spread(c, x) if tensor else c, tensor=False)

    return value


for _function in _SUMS:
    library_rule(_function)(_value(_function))


for _dispatched in (polynomial.polyval2d, polynomial.polygrid2d):
    rule(_dispatched)(getattr(_dispatched, "_implementation"))  # noqa: B009


@library_rule(polynomial.polyvalfromroots)
def _from_roots(
    x: Any,
    r: Any,
    tensor: bool = True,
) -> Any:
    x, r = as_array(x), NUMPY["atleast_1d"](as_array(r))
    if not tensor and x.ndim >= r.ndim:
        raise ValueError("x.ndim must be < r.ndim when tensor == False")
    return NUMPY["prod"](x - (_spread(r, x) if tensor else r), 0)


# NumPy leaves a coefficient out where it is 0, which would take its derivative away.


def _times_x(function: Any) -> Callable[..., Any]:
    name = f"{function.__module__}.{function.__qualname__}"

    def times_x(c: Any) -> Any:
        given = NUMPY["atleast_1d"](as_float(c))
        if given.shape[0] > 1:
            return EXCHANGED[name][1](given)
        return EXCHANGED[name][1](NUMPY["pad"](given, (0, 1)))[:2]

    return times_x


def _line(function: Any) -> Callable[..., Any]:
    slope = function(0.0, 1.0)

    def line(
        off: Any,
        scl: Any,
    ) -> Any:
        return slope * as_array(scl) + np.eye(2)[0] * as_array(off)

    return line


for _module in (chebyshev, hermite, hermite_e, laguerre, legendre, polynomial):
    for _name in vars(_module)["__all__"]:
        if _name.endswith(("mulx", "line")):
            _function = getattr(_module, _name)
            library_rule(_function)((_times_x if "mulx" in _name else _line)(_function))


@library_rule(polyutils.trimseq)
def _trimmed(seq: Any) -> Any:
    """Without zeros at the end, but for coefficients that a derivative depends on, or that are not known."""
    return _without_zeros(seq[::-1], 0.0)[::-1]


@library_rule(polyutils._fit)
def _fit(
    vander_f: Any,
    x: Any,
    y: Any,
    deg: Any,
    rcond: Any = None,
    full: bool = False,
    w: Any = None,
) -> Any:
    if full:
        raise no_rule(polynomial.polyfit, "with full=True; traced are the coefficients")
    x, y = same_dtype([as_float(x), as_float(y)])
    powers = [int(n) for n in np.atleast_1d(deg)]
    chosen = np.arange(powers[0] + 1) if np.ndim(deg) == 0 else np.sort(powers)
    left = vander_f(x, int(max(powers)))[:, chosen]
    found = weighted_fit(left, y, w, rcond)
    if len(chosen) == max(powers) + 1:
        return found
    whole = NUMPY["zeros_like"](found[:1])
    rows = {int(n): i for i, n in enumerate(chosen)}
    lines = [found[rows[n]][None] if n in rows else whole for n in range(max(powers) + 1)]
    return NUMPY["concatenate"](lines)
