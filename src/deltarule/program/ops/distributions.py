"""Distribution functions of statistics and their inverses, as functions of their last argument.

In: parameters, of any real dtype, then floats. Out: floats, broadcast. The derivative of a distribution
function is its density, that of an inverse one over the density.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deltarule.program.ops.elementwise import exp, log, log1p
from deltarule.program.ops.logic import cast
from deltarule.program.ops.parametric import (
    beta_density,
    gamma_density,
    parametric,
)
from deltarule.program.ops.special import betaln, xlogy
from deltarule.program.primitive import Primitive

Density = Callable[..., Any]


def _falling(density: Density) -> Density:
    """The derivative of one minus a distribution function."""
    return lambda y, *args: -density(y, *args)


def _inverse(density: Density) -> Density:
    """The derivative of the inverse of a distribution function, y."""
    return lambda y, *args: 1 / density(None, *args[:-1], y)


gammaincinv: Primitive = parametric(
    "gammaincinv", "Inverse of gammainc in x.", _inverse(gamma_density), 0.1, 0.9
)
gammainccinv: Primitive = parametric(
    "gammainccinv", "Inverse of gammaincc in x.", _inverse(_falling(gamma_density)), 0.1, 0.9
)
betaincc: Primitive = parametric(
    "betaincc", "1 - betainc, exact where that is small.", _falling(beta_density), 0.2, 0.8, (1, 1)
)
betaincinv: Primitive = parametric(
    "betaincinv", "Inverse of betainc in x.", _inverse(beta_density), 0.2, 0.8, (1, 1)
)
betainccinv: Primitive = parametric(
    "betainccinv", "Inverse of betaincc in x.", _inverse(_falling(beta_density)), 0.2, 0.8, (1, 1)
)


def _student(y: Any, n: Any, t: Any) -> Any:
    """(1 + t^2 / n)^(-(n + 1) / 2) / (sqrt(n) B(n / 2, 1 / 2))."""
    n = cast(n, dtype=t.dtype)
    half = 0 * n + 0.5
    return exp(-(n + 1) / 2 * log1p(t * t / n) - log(n) / 2 - betaln(n / 2, half))


stdtr: Primitive = parametric("stdtr", "Student's distribution function.", _student, -3, 3)
stdtrit: Primitive = parametric("stdtrit", "Inverse of stdtr.", _inverse(_student), 0.1, 0.9)


def _fisher(y: Any, m: Any, n: Any, x: Any) -> Any:
    """(m x)^(m/2) n^(n/2) / (m x + n)^((m + n)/2) / (x B(m/2, n/2))."""
    m, n = cast(m, dtype=x.dtype), cast(n, dtype=x.dtype)
    a, b = m / 2, n / 2
    top = a * log(m) + xlogy(a - 1, x) + b * log(n)
    return exp(top - (a + b) * log(m * x + n) - betaln(a, b))


fdtr: Primitive = parametric("fdtr", "Fisher's distribution function.", _fisher, 0.3, 3, (1, 1))
fdtrc: Primitive = parametric("fdtrc", "1 - fdtr.", _falling(_fisher), 0.3, 3, (1, 1))
fdtri: Primitive = parametric("fdtri", "Inverse of fdtr.", _inverse(_fisher), 0.1, 0.9, (1, 1))
