"""Functions that NumPy has and processors have not: here as NumPy computes them, and in steps for a compiler.

In: real arrays of one dtype, broadcast. Out: an array of their common shape.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.program.families import elementwise
from deltarule.program.lowering import Expand
from deltarule.program.ops import parts
from deltarule.program.ops.control import stop_gradient
from deltarule.program.ops.elementwise import abs_, exp, log1p, maximum, root, sigmoid
from deltarule.program.ops.logic import and_, eq, ge, gt, ne, or_, select
from deltarule.program.primitive import Kink, Primitive, Sample
from deltarule.program.samples import array, span

sinh: Primitive = elementwise(
    "sinh",
    evaluate=np.sinh,
    partials=[lambda y, x: cosh(x)],
    scalar=Expand(parts.sinh),
    notation=r"\sinh({0})",
    samples=span(-3, 3),
    kinds="f",
    doc="Hyperbolic sine, y = (e^x - e^-x) / 2.",
)

cosh: Primitive = elementwise(
    "cosh",
    evaluate=np.cosh,
    partials=[lambda y, x: sinh(x)],
    scalar=Expand(parts.cosh),
    notation=r"\cosh({0})",
    samples=span(-3, 3),
    kinds="f",
    doc="Hyperbolic cosine, y = (e^x + e^-x) / 2.",
)


def is_finite(x: Any) -> Any:
    """Whether numbers are neither infinite nor not a number."""
    with np.errstate(invalid="ignore"):  # infinity from itself
        return eq(x - x, x.dtype.type(0))


def _hypot_steps(a: Any, b: Any) -> Any:
    """In units of the larger one, against overflow."""
    size = stop_gradient(maximum(abs_(a), abs_(b)))
    none, one = size.dtype.type(0), size.dtype.type(1)
    scale = select(and_(gt(size, none), is_finite(size)), size, one)
    return scale * root((a / scale) * (a / scale) + (b / scale) * (b / scale))


def _share(y: Any, x: Any) -> Any:
    """x / y, and 0 where y is 0."""
    return x / select(eq(y, y.dtype.type(0)), y.dtype.type(1), y)


hypot = elementwise(
    "hypot",
    evaluate=np.hypot,
    partials=[lambda y, a, b: _share(y, a), lambda y, a, b: _share(y, b)],
    scalar=Expand(_hypot_steps),
    notation=r"\sqrt{{{0}^2 + {1}^2}}",
    samples=span(0.2, 3, arity=2),
    kinds="f",
    kinks=(Kink("a = b = 0", "0, the least of the possible subgradients"),),
    special=lambda: [
        Sample(array([0.0, 3.0], [0.0, 4.0]), derivative=array([0.0, 0.6], [0.0, 0.8]))
    ],
    doc="Length of the vector (a, b).",
)


def _logaddexp_steps(a: Any, b: Any) -> Any:
    """The larger one, and the rest by log1p; by choices, so that all derivatives hold where a = b, too."""
    larger = ge(a, b)
    high, low = select(larger, a, b), select(larger, b, a)
    bounded, none = is_finite(high), high.dtype.type(0)
    below = select(or_(bounded, ne(low, low)), low, none)
    return high + log1p(exp(below - select(bounded, high, none)))


def _lead(a: Any, b: Any) -> Any:
    """a - b, and 0 where both are the same infinity."""
    with np.errstate(invalid="ignore"):
        apart = a - b
    return select(eq(apart, apart), apart, apart.dtype.type(0))


logaddexp = elementwise(
    "logaddexp",
    evaluate=np.logaddexp,
    partials=[lambda y, a, b: sigmoid(_lead(a, b)), lambda y, a, b: sigmoid(_lead(b, a))],
    scalar=Expand(_logaddexp_steps),
    notation=r"\ln(e^{{{0}}} + e^{{{1}}})",
    samples=span(-3, 3, arity=2),
    kinds="f",
    special=lambda: [
        Sample(
            array([1.0, -np.inf, np.inf, 900.0], [1.0, -np.inf, 0.0, -900.0]),
            derivative=array([0.5, 0.5, 1.0, 1.0], [0.5, 0.5, 0.0, 0.0]),
        )
    ],
    doc="y = ln(e^a + e^b), without overflow.",
)
