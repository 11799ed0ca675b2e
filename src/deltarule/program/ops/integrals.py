"""Functions that are known as integrals or series: elliptic, sine, Fresnel, Airy and others.

In: parameters, of any real dtype, if there are some, then floats. Out: floats, broadcast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from deltarule.program.ops.circular import cos, sin
from deltarule.program.ops.elementwise import abs_, div, erf, exp, log, power
from deltarule.program.ops.logic import cast, eq, lt, select
from deltarule.program.ops.parametric import parametric
from deltarule.program.ops.special import ROOT_PI, ROOT_TWO_PI, psi, rgamma, scipy_function
from deltarule.program.primitive import Primitive
from deltarule.program.samples import span

# --- of one number ---

erfi = scipy_function(
    "erfi",
    "Imaginary error function, -i erf(i x).",
    [lambda y, x: exp(x * x) * (2 / ROOT_PI)],
    span(-2, 2),
)
ndtri_exp = scipy_function(
    "ndtri_exp",
    "Inverse of log_ndtr.",
    [lambda y, x: exp(x + y * y / 2) * ROOT_TWO_PI],
    span(-4, -0.2),
    singular=(0,),
)
cosm1 = scipy_function("cosm1", "cos x - 1, exact near 0.", [lambda y, x: -sin(x)], span(-3, 3))
wrightomega: Primitive = scipy_function(
    "wrightomega", "The y with y + ln y = x.", [lambda y, x: y / (1 + y)], span(-2, 4)
)


def _log_ratio(y: Any, x: Any) -> Any:
    """ln x / (1 - x), and -1 at 1."""
    whole = eq(x, x.dtype.type(1))
    return select(whole, 0 * x - 1, div(log(x), select(whole, 0 * x + 1, 1 - x)))


spence: Primitive = scipy_function(
    "spence",
    "Dilogarithm of 1 - x, the integral of ln t / (1 - t) from 1 to x.",
    [_log_ratio],
    span(0.2, 0.9),
    singular=(0,),
)


# Squares of (2n - 1)!! / (2n)!!: K(m) is pi / 2 times the sum of them and m^n, E(m) that of them over 1 - 2n.
_SQUARES = [math.prod(((2 * i - 1) / (2 * i)) ** 2 for i in range(1, n + 1)) for n in range(1, 20)]
_FIRST = [math.pi / 2 * n * c for n, c in enumerate(_SQUARES, 1)]  # of dK
_SECOND = [c / (1 - 2 * n) for n, c in enumerate(_FIRST, 1)]  # of dE


def _elliptic(m: Any, coefficients: Sequence[float], formula: Callable[[Any], Any], x: Any) -> Any:
    """A formula of x, and where m is near 0 and the formula all rounding, a polynomial of m."""
    near, half = lt(abs_(m), m.dtype.type(0.125)), 0 * m + 0.5
    small, found = select(near, m, 0 * m), 0 * m
    for coefficient in reversed(coefficients):
        found = found * small + coefficient
    return select(near, found, formula(select(near, half, x)))


def _first(m: Any) -> Any:
    return (ellipe(m) / (1 - m) - ellipk(m)) / (2 * m)


def _second(m: Any) -> Any:
    return (ellipe(m) - ellipk(m)) / (2 * m)


def _first_of_rest(p: Any) -> Any:
    return (ellipe(1 - p) / p - ellipkm1(p)) / (2 * (1 - p))


ellipk: Primitive = scipy_function(
    "ellipk",
    "Complete elliptic integral of the first kind of parameter m.",
    [lambda y, m: _elliptic(m, _FIRST, _first, m)],
    span(-2, 0.8),
    singular=(0,),
)
ellipe: Primitive = scipy_function(
    "ellipe",
    "Complete elliptic integral of the second kind of parameter m.",
    [lambda y, m: _elliptic(m, _SECOND, _second, m)],
    span(-2, 0.8),
    singular=(0,),
)
ellipkm1: Primitive = scipy_function(
    "ellipkm1",
    "ellipk(1 - p), exact near p = 0.",
    [lambda y, p: -_elliptic(1 - p, _FIRST, _first_of_rest, p)],
    span(0.1, 0.9),
    singular=(0,),
)


def _ratio(f: Primitive, x: Any) -> Any:
    """f(x) / x, and 1 at 0."""
    none = eq(x, x.dtype.type(0))
    return select(none, 0 * x + 1, div(f(x), select(none, 0 * x + 1, x)))


def _circle(x: Any) -> Any:
    return x * x * (math.pi / 2)


sine_integral: Primitive = scipy_function(
    "sine_integral",
    "Integral of sin t / t from 0.",
    [lambda y, x: _ratio(sin, x)],
    span(0.5, 4),
    result=("sici", 0),
)
cosine_integral: Primitive = scipy_function(
    "cosine_integral",
    "Euler's constant + ln x + the integral of (cos t - 1) / t from 0.",
    [lambda y, x: cos(x) / x],
    span(0.5, 4),
    singular=(0,),
    result=("sici", 1),
)
fresnel_sine: Primitive = scipy_function(
    "fresnel_sine",
    "Integral of sin(pi t t / 2) from 0.",
    [lambda y, x: sin(_circle(x))],
    span(-2, 2),
    result=("fresnel", 0),
)
fresnel_cosine: Primitive = scipy_function(
    "fresnel_cosine",
    "Integral of cos(pi t t / 2) from 0.",
    [lambda y, x: cos(_circle(x))],
    span(-2, 2),
    result=("fresnel", 1),
)
airy_ai: Primitive = scipy_function(
    "airy_ai",
    "Airy's function Ai.",
    [lambda y, x: airy_ai_slope(x)],
    span(-3, 3),
    result=("airy", 0),
)
airy_ai_slope: Primitive = scipy_function(
    "airy_ai_slope",
    "Derivative of Ai.",
    [lambda y, x: x * airy_ai(x)],
    span(-3, 3),
    result=("airy", 1),
)
airy_bi: Primitive = scipy_function(
    "airy_bi",
    "Airy's function Bi.",
    [lambda y, x: airy_bi_slope(x)],
    span(-3, 3),
    result=("airy", 2),
)
airy_bi_slope: Primitive = scipy_function(
    "airy_bi_slope",
    "Derivative of Bi.",
    [lambda y, x: x * airy_bi(x)],
    span(-3, 3),
    result=("airy", 3),
)

# --- of two numbers ---

owens_t: Primitive = scipy_function(
    "owens_t",
    "Owen's function T.",
    [
        lambda y, h, a: exp(-h * h / 2) * erf(a * h / math.sqrt(2)) / (-2 * ROOT_TWO_PI),
        lambda y, h, a: exp(-h * h * (1 + a * a) / 2) / (2 * math.pi * (1 + a * a)),
    ],
    span(-2, 2, arity=2),
)
poch: Primitive = scipy_function(
    "poch",
    "Rising factorial, gamma(x + n) / gamma(x).",
    [lambda y, x, n: y * (psi(x + n) - psi(x)), lambda y, x, n: y * psi(x + n)],
    span(0.4, 3, arity=2),
)
binom: Primitive = scipy_function(
    "binom",
    "Binomial coefficient, 1 / ((n + 1) B(n - k + 1, k + 1)).",
    [
        lambda y, n, k: y * (psi(n + 1) - psi(n - k + 1)),
        lambda y, n, k: y * (psi(n - k + 1) - psi(k + 1)),
    ],
    span(2.1, 2.9, (0.3, 1.9)),
)
powm1: Primitive = scipy_function(
    "powm1",
    "x^y - 1, exact where that is small.",
    [lambda z, x, y: y * power(x, y - 1), lambda z, x, y: (z + 1) * log(x)],
    span(0.4, 2, (-2, 2)),
    singular=(0, 1),
)

# --- with parameters that are not differentiated ---


def _floats(x: Any, *numbers: Any) -> Any:
    """Parameters in the dtype of x."""
    return [cast(number, dtype=x.dtype) for number in numbers]


def _struve_slope(f: Any, sign: int) -> Any:
    """(f(n - 1) - sign f(n + 1) + (x / 2)^n / (sqrt(pi) gamma(n + 3/2))) / 2."""

    def slope(y: Any, n: Any, x: Any) -> Any:
        (n,) = _floats(x, n)
        lead = power(x / 2, n) * rgamma(n + 1.5) / ROOT_PI
        return (f()(n - 1, x) - sign * f()(n + 1, x) + lead) / 2

    return slope


struve: Primitive = parametric(
    "struve", "Struve's function H.", _struve_slope(lambda: struve, 1), 0.5, 4
)
modstruve: Primitive = parametric(
    "modstruve", "Modified Struve function L.", _struve_slope(lambda: modstruve, -1), 0.5, 4
)
