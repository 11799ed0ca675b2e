"""Exponentials, logarithms and their kin in IR, on vectors; the others from the C library.

In: a ``Term`` of float32 or float64. Out: a ``Term``, within 2 ulp (float32) or 4 ulp (float64);
infinities, NaN and subnormals as NumPy has them. Sources: Cody and Waite (1980) for the reduction by
multiples of ln 2; FreeBSD's msun (Ng, 1993) for logarithms; Cephes (Moshier, 1984) for tanh.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.compile.llvm.division import floor_divide, remainder
from deltarule.compile.llvm.scalar import INT_OF, Term, absolute, choose
from deltarule.compile.llvm.text import BOOL, F32, F64, Function


@dataclass(frozen=True, slots=True)
class Format:
    """What the algorithms need to know of a floating-point format."""

    mantissa: int  # bits stored
    bias: int
    round_to_integer: float  # adding and subtracting it rounds to an integer
    ln2_high: float  # ln 2 in few bits, so that small multiples are exact
    ln2_low: float
    lowest_exp: float  # e^x is 0 below
    highest_exp: float  # and infinite above
    exp_tail: tuple[float, ...]  # e^r = 1 + r + r^2 (t0 + t1 r + ...) on |r| <= ln 2 / 2
    log_tail: tuple[float, ...]  # log((1 + s) / (1 - s)) = 2s + s (l0 s^2 + l1 s^4 + ...)


SINGLE = Format(
    mantissa=23,
    bias=127,
    round_to_integer=1.5 * 2.0**23,
    ln2_high=0.693359375,
    ln2_low=-2.12194440e-4,
    lowest_exp=-104.5,
    highest_exp=89.0,
    exp_tail=tuple(1 / math.factorial(k) for k in range(2, 8)),
    log_tail=(0.66666662693, 0.40000972152, 0.28498786688, 0.24279078841),
)
DOUBLE = Format(
    mantissa=52,
    bias=1023,
    round_to_integer=1.5 * 2.0**52,
    ln2_high=6.93147180369123816490e-01,
    ln2_low=1.90821492927058770002e-10,
    lowest_exp=-746.0,
    highest_exp=710.0,
    exp_tail=tuple(1 / math.factorial(k) for k in range(2, 14)),
    log_tail=(
        6.666666666666735130e-01,
        3.999999999940941908e-01,
        2.857142874366239149e-01,
        2.222219843214978396e-01,
        1.818357216161805012e-01,
        1.531383769920937332e-01,
        1.479819860511658591e-01,
    ),
)
FORMATS = {F32: SINGLE, F64: DOUBLE}
# Cephes (Moshier, 1984): tanh x = x + x^3 P(x^2) / Q(x^2) near 0, in float64.
TANH_P = (-1.61468768441708447952e3, -9.92877231001918586564e1, -9.64399179425052238628e-1)
TANH_Q = (4.84406305325125486048e3, 2.23548839060100448583e3, 1.12811678491632931402e2, 1.0)
# The same in float32: tanh x = x + x^3 P(x^2).
TANH = (
    -3.33332819422e-1,
    1.33314422036e-1,
    -5.37397155531e-2,
    2.06390887954e-2,
    -5.70498872745e-3,
)
# N. Juffa, in float32: erf x = x + x P(x^2) near 0, else 1 - exp(x Q(x) - x).
ERF_FAR = (
    -1.28717512e-1,
    -6.34846687e-1,
    -1.06777877e-1,
    2.42546219e-2,
    -3.88396438e-3,
    3.83197126e-4,
    -1.72853470e-5,
)
ERF_NEAR = (
    1.28379166e-1,
    -3.76125336e-1,
    1.12819925e-1,
    -2.67681349e-2,
    4.99119423e-3,
    -5.96761703e-4,
)


def polynomial(x: Term, coefficients: Sequence[float]) -> Term:
    """c0 + c1 x + c2 x^2 + ... by Horner's rule."""
    out = x.same(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        out = out.fma(x, c)
    return out


def as_integer(x: Term) -> Term:
    """The bits of a float."""
    return x.convert("bitcast", INT_OF[x.dtype])


def bits_of(value: float, dtype: np.dtype[Any]) -> int:
    """The bits of a number, as an integer."""
    return int(np.array(value, dtype).view(INT_OF[dtype]))


def power_of_two(n: Term, kind: Format) -> Term:
    """2^n as a float, for an integer n in the range of normal numbers."""
    exponent = (n + kind.bias).write("shl", kind.mantissa)
    return exponent.convert("bitcast", F32 if kind is SINGLE else F64)


def clamped(x: Term, low: float, high: float) -> Term:
    """x cut to [low, high]; NaN stays."""
    above = choose(x < low, low, x)
    within: Term = choose(above > high, high, above)
    return within


def reduced(x: Term, kind: Format) -> tuple[Term, Term]:
    """An integer n and r with x = n ln 2 + r, abs(r) <= ln 2 / 2."""
    shifted = x.fma(math.log2(math.e), kind.round_to_integer)
    n = shifted - kind.round_to_integer
    r = n.fma(-kind.ln2_low, n.fma(-kind.ln2_high, x))
    return as_integer(shifted) - bits_of(kind.round_to_integer, x.dtype), r


def exp(x: Term) -> Term:
    """e^x = 2^n e^r, the power of two in two halves: so a subnormal result is rounded once."""
    kind = FORMATS[x.dtype]
    n, r = reduced(clamped(x, kind.lowest_exp, kind.highest_exp), kind)
    y = (r * r).fma(polynomial(r, kind.exp_tail), r) + 1
    half = n.write("ashr", 1)
    return y * power_of_two(half, kind) * power_of_two(n - half, kind)


def expm1(x: Term) -> Term:
    """e^x - 1 = 2 (2^(n-1) (e^r - 1) + 2^(n-1) - 1/2), exact where x is small."""
    kind = FORMATS[x.dtype]
    n, r = reduced(clamped(x, -2.0 * kind.mantissa, kind.highest_exp), kind)
    near = (r * r).fma(polynomial(r, kind.exp_tail), r)
    scale = power_of_two(n - 1, kind)
    far = scale.fma(near, scale - 0.5)
    y: Term = choose(x == 0, x, choose(n == 0, near, far + far))
    return y


def split(x: Term, kind: Format) -> tuple[Term, Term]:
    """e and m with x = m 2^e, m in [sqrt(1/2), sqrt(2)), for positive normal x; e as a float."""
    raised = as_integer(x) - bits_of(math.sqrt(0.5), x.dtype)
    e = raised.write("ashr", kind.mantissa)
    m = as_integer(x) - e.write("shl", kind.mantissa)
    return e.convert("sitofp", x.dtype), m.convert("bitcast", x.dtype)


def log_of(
    f: Term,
    e: Term,
    correction: Any,
    kind: Format,
) -> Term:
    """log(2^e (1 + f)), with a small correction added, by powers of s = f / (2 + f)."""
    s = f / (f + 2)
    z = s * s
    series = z * polynomial(z, kind.log_tail)
    half_square = f * f * 0.5
    low = e.fma(kind.ln2_low, correction)
    inner = s.fma(half_square + series, low)
    return e.fma(kind.ln2_high, f - (half_square - inner))


def with_edges(x: Term, pole: float, y: Term) -> Term:
    """y, but -inf at the pole, NaN below it, and x itself where it is +inf or NaN."""
    y = choose(x == pole, -math.inf, choose(x < pole, math.nan, y))
    kept: Term = choose(x.write("fcmp ueq", math.inf, dtype=BOOL), x, y)
    return kept


def log(x: Term) -> Term:
    """Natural logarithm; a subnormal x is lifted first."""
    kind = FORMATS[x.dtype]
    lift = kind.mantissa + 2
    subnormal = x < 2.0 ** (2 - kind.bias)
    e, m = split(choose(subnormal, x * 2.0**lift, x), kind)
    e = choose(subnormal, e - lift, e)
    return with_edges(x, 0.0, log_of(m - 1, e, 0, kind))


def log1p(x: Term) -> Term:
    """log(1 + x): the rounding error of 1 + x comes back as a correction."""
    kind = FORMATS[x.dtype]
    u = x + 1
    e, m = split(u, kind)
    lost = choose(u > 2, 1 - (u - x), x - (u - 1)) / u
    near = absolute(x) < 0.29
    f, e = choose(near, x, m - 1), choose(near, 0, e)
    y = log_of(f, e, choose(near, 0, lost), kind)
    y = choose(absolute(x) < 2.0 ** -(kind.mantissa + 2), x, y)
    return with_edges(x, -1.0, y)


def tanh(x: Term) -> Term:
    """A polynomial (float64: a quotient of two) near 0, else 1 - 2 / (e^2x + 1)."""
    kind = FORMATS[x.dtype]
    size = absolute(x)
    near = size < 0.625
    z = x * x
    grown = exp(size + size) + 1
    if kind is SINGLE:
        y: Term = choose(near, (z * x).fma(polynomial(z, TANH), x), 1 - x.same(2) / grown)
        return y.intrinsic("copysign", x)
    above = choose(near, size * z * polynomial(z, TANH_P), -2)
    below = choose(near, polynomial(z, TANH_Q), grown)
    y = choose(near, size, 1) + above / below  # one division for both
    return y.intrinsic("copysign", x)


def erf(x: Term) -> Term:
    """float32: x + x P(x^2) near 0, else 1 - e^(x Q(x) - x); float64: from the library."""
    if x.dtype == F64:
        return library("erf")(x)
    size = clamped(absolute(x), 0.0, 5.0)
    far = polynomial(size, ERF_FAR).fma(size, -size)
    far = (1 - exp(far)).intrinsic("copysign", x)
    near = polynomial(x * x, ERF_NEAR).fma(x, x)
    y: Term = choose(absolute(x) > 0.927734375, far, near)
    return y


def sqrt(x: Term) -> Term:
    """Square root, rounded once."""
    return x.intrinsic("sqrt")


def library(name: str) -> Callable[..., Term]:
    """A function of the C library, on single numbers."""

    def call(*args: Term) -> Term:
        first = args[0]
        word = name + "f" * (first.dtype == F32)
        return Term(first.function, first.function.call(word, *(arg.value for arg in args)))

    return call


# Functions of expressions, by NumPy's names, that call the C library by its own.
LIBRARY = {
    "sin": "sin",
    "cos": "cos",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arctan2": "atan2",
    "erf": "erf",
    "pow": "pow",
    "floor_divide": "fmod",
    "remainder": "fmod",
}
FUNCTIONS: dict[str, Callable[..., Term]] = {
    **{word: library(name) for word, name in LIBRARY.items()},
    "exp": exp,
    "log": log,
    "log1p": log1p,
    "expm1": expm1,
    "sqrt": sqrt,
    "tanh": tanh,
    "erf": erf,
    "floor_divide": floor_divide,
    "remainder": remainder,
}


def from_library(expression: str, dtype: np.dtype[Any]) -> bool:
    """Whether an expression needs a function that is not written in vectors."""
    words = [word for word in LIBRARY if f"{word}(" in expression]
    return bool(words) and not (words == ["erf"] and dtype == F32)


def imports(function: Function) -> set[str]:
    """Library functions that a function calls."""
    names = {name + suffix for name in LIBRARY.values() for suffix in ("", "f")}
    return {name for name in names if any(f"@{name}(" in need for need in function.needs)}
