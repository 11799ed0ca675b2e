"""Functions of an order that is an integer: orthogonal polynomials, spherical Bessel functions.

In: an integer order, further parameters, then floats. Out: floats, broadcast. Derivatives are multiples of
functions of the neighbouring orders; those of negative orders are not a number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.program.lowering import Map
from deltarule.program.ops.elementwise import maximum
from deltarule.program.ops.logic import cast, eq, lt, select
from deltarule.program.ops.parametric import parametric
from deltarule.program.primitive import TABLE, Primitive

Family = Callable[..., Any]


def _lower(lower: Family, factor: Family) -> Family:
    """factor(n, ...) lower(n - 1, ..., x): 0 of order 0, and of a negative one not a number."""

    def derivative(y: Any, n: Any, *rest: Any) -> Any:
        *parameters, x = rest
        order, none = cast(n, dtype=x.dtype), x.dtype.type(0)
        times = factor(order, *(cast(p, dtype=x.dtype) for p in parameters))
        times = select(eq(order, none), none, times)
        times = select(lt(order, none), x.dtype.type(np.nan), times)
        return times * lower(maximum(n - 1, 0 * n), *parameters, x)

    return derivative


def _polynomial(
    name: str, doc: str, lower: Family, factor: Family, orders: tuple[int, ...] = (0,)
) -> Primitive:
    return parametric(name, doc, _lower(lower, factor), -0.9, 0.9, orders, integer=True)


eval_jacobi: Primitive = _polynomial(
    "eval_jacobi",
    "Jacobi's polynomial of order n, with parameters a and b.",
    lambda n, a, b, x: eval_jacobi(n, a + 1, b + 1, x),
    lambda n, a, b: (n + a + b + 1) / 2,
    (0, 1, 1),
)
eval_legendre: Primitive = _polynomial(
    "eval_legendre",
    "Legendre's polynomial of order n.",
    lambda n, x: eval_jacobi(n, x.dtype.type(1), x.dtype.type(1), x),
    lambda n: (n + 1) / 2,
)
eval_gegenbauer: Primitive = _polynomial(
    "eval_gegenbauer",
    "Gegenbauer's polynomial of order n, with parameter a.",
    lambda n, a, x: eval_gegenbauer(n, a + 1, x),
    lambda n, a: 2 * a,
    (0, 1),
)
eval_chebyu: Primitive = _polynomial(
    "eval_chebyu",
    "Chebyshev's polynomial of the second kind of order n.",
    lambda n, x: eval_gegenbauer(n, x.dtype.type(2), x),
    lambda n: 0 * n + 2,
)
eval_chebyt: Primitive = _polynomial(
    "eval_chebyt",
    "Chebyshev's polynomial of the first kind of order n.",
    lambda n, x: eval_chebyu(n, x),
    lambda n: n,
)
eval_genlaguerre: Primitive = _polynomial(
    "eval_genlaguerre",
    "Laguerre's generalized polynomial of order n, with parameter a.",
    lambda n, a, x: eval_genlaguerre(n, a + 1, x),
    lambda n, a: -1 + 0 * n,
    (0, 1),
)
eval_laguerre: Primitive = _polynomial(
    "eval_laguerre",
    "Laguerre's polynomial of order n.",
    lambda n, x: eval_genlaguerre(n, x.dtype.type(1), x),
    lambda n: -1 + 0 * n,
)
eval_hermite: Primitive = _polynomial(
    "eval_hermite",
    "Hermite's polynomial of order n, with weight e^(-x x).",
    lambda n, x: eval_hermite(n, x),
    lambda n: 2 * n,
)
eval_hermitenorm: Primitive = _polynomial(
    "eval_hermitenorm",
    "Hermite's polynomial of order n, with weight e^(-x x / 2).",
    lambda n, x: eval_hermitenorm(n, x),
    lambda n: n,
)


def _spherical(name: str, doc: str, below: int, above: int, even: int) -> Primitive:
    """A spherical Bessel function, dy = (below n f(n - 1) + above (n + 1) f(n + 1)) / (2 n + 1).

    ``even`` is f(-x) / f(x) for even orders; SciPy's C function takes positive numbers.
    """

    def derivative(y: Any, n: Any, x: Any) -> Any:
        f, order = TABLE[name], cast(n, dtype=x.dtype)
        lower, upper = f(maximum(n - 1, 0 * n), x), f(n + 1, x)
        return (below * order * lower + above * (order + 1) * upper) / (2 * order + 1)

    odd = "(cast(x0) - 2 * floor(cast(x0) * 0.5))"
    sign = f"select(x1 < 0, {even} - {2 * even} * {odd}, 1)"
    lowering = Map(f"special.{name}(x0, abs(x1)) * {sign}")
    return parametric(name, doc, derivative, 0.5, 4, (0,), integer=True, lowering=lowering)


spherical_jn = _spherical("spherical_jn", "Spherical Bessel function j of order n.", 1, -1, 1)
spherical_yn = _spherical("spherical_yn", "Spherical Bessel function y of order n.", 1, -1, -1)
spherical_in = _spherical(
    "spherical_in", "Modified spherical Bessel function i of order n.", 1, 1, 1
)
