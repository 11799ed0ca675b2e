"""Exponentials, logarithms and their kin in IR, on vectors; what is left to the mathematics library.

In: a ``Term`` of float32 or float64. Out: a ``Term``, within 2 ulp (float32) or 4 ulp (float64); infinities, NaN and subnormals
as NumPy has them. Sources: Cody and Waite (1980) for the reduction by multiples of ln 2; FreeBSD's msun (Ng, 1993) for log.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deltarule.compile.llvm.scalar import INT_OF, Term, absolute, choose
from deltarule.compile.llvm.text import F32, F64, Function, Value


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
    tanh_tail: tuple[float, ...]  # tanh x = x + x^3 (p0 + p1 x^2 + ...) on |x| < tanh_small
    tanh_small: float


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
    tanh_tail=(-3.33332819422e-1, 1.33314422036e-1, -5.37397155531e-2, 2.06390887954e-2, -5.70498872745e-3),
    tanh_small=0.625,
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
    tanh_tail=(),
    tanh_small=0.625,
)
FORMATS = {F32: SINGLE, F64: DOUBLE}
TANH_P = (-1.61468768441708447952e3, -9.92877231001918586564e1, -9.64399179425052238628e-1)
TANH_Q = (4.84406305325125486048e3, 2.23548839060100448583e3, 1.12811678491632931402e2, 1.0)


def polynomial(x: Term, coefficients: Sequence[float]) -> Term:
    """c0 + c1 x + c2 x^2 + ... by Horner's rule."""
    out = x.same(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        out = out.fma(x, c)
    return out


def power_of_two(n: Term, kind: Format) -> Term:
    """2^n as a float, for an integer n in the range of normal numbers."""
    real = F32 if kind is SINGLE else F64
    return (n + kind.bias).write("shl", kind.mantissa).bits(real)


def _reduce(x: Term, kind: Format) -> tuple[Term, Term]:
    """n and r with x = n ln 2 + r, |r| <= ln 2 / 2."""
    integer = INT_OF[x.dtype]
    shifted = x.fma(math.log2(math.e), kind.round_to_integer)
    n = shifted - kind.round_to_integer
    r = n.fma(-kind.ln2_high, x)
    r = n.fma(-kind.ln2_low, r)
    whole = shifted.bits(integer) - _bits(kind.round_to_integer, x.dtype)
    return whole, r


def _bits(value: float, dtype: np.dtype) -> int:
    return int(np.array(value, dtype).view(INT_OF[dtype]))


def _clamped(x: Term, low: float, high: float) -> Term:
    x = choose(x < low, low, x)
    return choose(x > high, high, x)


def exp(x: Term) -> Term:
    """e^x = 2^n e^r; the power of two in two halves, so that subnormal results are rounded once."""
    kind = FORMATS[x.dtype]
    n, r = _reduce(_clamped(x, kind.lowest_exp, kind.highest_exp), kind)
    y = polynomial(r, kind.exp_tail)
    y = (r * r).fma(y, r) + 1
    half = n.write("ashr", 1)
    return y * power_of_two(half, kind) * power_of_two(n - half, kind)


def expm1(x: Term) -> Term:
    """e^x - 1 = 2 (2^(n-1) (e^r - 1) + 2^(n-1) - 1/2): exact where x is small."""
    kind = FORMATS[x.dtype]
    n, r = _reduce(_clamped(x, -2.0 * kind.mantissa, kind.highest_exp), kind)
    tail = r.same(kind.exp_tail[-1])
    for c in reversed(kind.exp_tail[:-1]):
        tail = tail.fma(r, c)
    small = (r * r).fma(tail, r)
    scale = power_of_two(n - 1, kind)
    y = scale.fma(small, scale - 0.5)
    return choose(x == 0, x, choose(n == 0, small, y + y))


def _split(x: Term, kind: Format) -> tuple[Term, Term]:
    """e and m with x = m 2^e, m in [sqrt(1/2), sqrt(2)), for positive normal x; e as a float."""
    integer = INT_OF[x.dtype]
    root = _bits(math.sqrt(0.5), x.dtype)
    raised = x.bits(integer) - root
    e = raised.write("ashr", kind.mantissa)
    m = (x.bits(integer) - e.write("shl", kind.mantissa)).bits(x.dtype)
    return Term(x.function, x.function.convert("sitofp", e.value, x.dtype)), m


def _log_of(f: Term, e: Term, correction: Term | None, kind: Format) -> Term:
    """log(2^e (1 + f)), with a small correction added."""
    s = f / (f + 2)
    z = s * s
    series = z * polynomial(z, kind.log_tail)
    half_square = f * f * 0.5
    low = e * kind.ln2_low if correction is None else e.fma(kind.ln2_low, correction)
    inner = s.fma(half_square + series, low)
    return e.fma(kind.ln2_high, f - (half_square - inner))


def log(x: Term) -> Term:
    """Natural logarithm by powers of s = f / (2 + f), x = 2^e (1 + f)."""
    kind = FORMATS[x.dtype]
    tiny = 2.0 ** (2 - kind.bias)
    subnormal = x < tiny
    lifted = choose(subnormal, x * 2.0 ** (kind.mantissa + 2), x)
    e, m = _split(lifted, kind)
    e = choose(subnormal, e - (kind.mantissa + 2), e)
    y = _log_of(m - 1, e, None, kind)
    return _edges(x, 0.0, y)


def _edges(x: Term, pole: float, y: Term) -> Term:
    """y, but -inf at the pole, NaN below it, and x itself where it is +inf or NaN."""
    y = choose(x == pole, -math.inf, choose(x < pole, math.nan, y))
    return choose(x.compare("ueq", "", "", math.inf), x, y)


def log1p(x: Term) -> Term:
    """log(1 + x): the rounding error of 1 + x comes back as a correction."""
    kind = FORMATS[x.dtype]
    u = x + 1
    e, m = _split(u, kind)
    lost = choose(u > 2, 1 - (u - x), x - (u - 1)) / u
    near = absolute(x) < 0.29
    f = choose(near, x, m - 1)
    e = choose(near, 0, e)
    y = _log_of(f, e, choose(near, 0, lost), kind)
    y = choose(absolute(x) < 2.0 ** -(kind.mantissa + 2), x, y)
    return _edges(x, -1.0, y)


def tanh(x: Term) -> Term:
    """An odd polynomial (or quotient of two) near 0, 1 - 2 / (e^2x + 1) elsewhere; one division for both."""
    kind = FORMATS[x.dtype]
    size = absolute(x)
    small = size < kind.tanh_small
    z = x * x
    grown = exp(size + size) + 1
    if kind is SINGLE:
        near = (z * x).fma(polynomial(z, kind.tanh_tail), x)
        far = 1 - x.same(2.0) / grown
        return choose(small, near, far).intrinsic("copysign", x)
    above = choose(small, size * z * polynomial(z, TANH_P), -2.0)
    below = choose(small, polynomial(z, TANH_Q), grown)
    return (choose(small, size, 1.0) + above / below).intrinsic("copysign", x)


ERF_FAR = (-1.72853470e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1, -1.28717512e-1)
ERF_NEAR = (1.28379166e-1, -3.76125336e-1, 1.12819925e-1, -2.67681349e-2, 4.99119423e-3, -5.96761703e-4)


def erf(x: Term) -> Term:
    """float32: x + x P(x^2) near 0, else 1 - e^-Q(|x|) (coefficients of N. Juffa); float64: from the library."""
    if x.dtype == F64:
        return library("erf")(x)
    t = absolute(x)
    far = polynomial(_clamped(t, 0.0, 5.0), tuple(reversed(ERF_FAR)))
    t5 = _clamped(t, 0.0, 5.0)
    far = far.fma(t5, -t5)
    far = (1 - exp(far)).intrinsic("copysign", x)
    near = polynomial(x * x, ERF_NEAR).fma(x, x)
    return choose(t > 0.927734375, choose(x != x, x, far), near)


def sqrt(x: Term) -> Term:
    """Square root, rounded once."""
    return x.intrinsic("sqrt")


def library(name: str):
    """A function of the mathematics library, called for each lane."""

    def call(*args: Term) -> Term:
        first = args[0]
        function = first.function
        word = name + ("f" if first.dtype == F32 else "")
        lanes = first.value.lanes
        if lanes == 1:
            return Term(function, function.call(word, *(a.value for a in args)))
        out = Value("poison", first.dtype, lanes)
        for i in range(lanes):
            each = [function.shuffle(a.value, [i]) for a in args]
            y = function.call(word, *each)
            out = Value(function.pure(f"insertelement {out}, {y}, i64 {i}"), first.dtype, lanes)
        return Term(function, out)

    return call


FUNCTIONS = {
    "exp": exp,
    "log": log,
    "log1p": log1p,
    "expm1": expm1,
    "sqrt": sqrt,
    "tanh": tanh,
    "erf": erf,
    "sin": library("sin"),
    "cos": library("cos"),
    "pow": library("pow"),
}
LIBRARY = ("erf", "sin", "cos", "pow")


def imports(function: Function) -> list[str]:
    """Names of the library functions that a function calls."""
    words = {f"{name}{suffix}" for name in LIBRARY for suffix in ("", "f")}
    return sorted(word for word in words if any(f" @{word}(" in line for line in function.needs))
