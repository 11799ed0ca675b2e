"""Exponentials, logarithms, tanh and erf.

In: a ``Term`` of float32 or float64. Out: a ``Term``. Sources: Cody and Waite (1980) for the reduction by
multiples of ln 2; FreeBSD's msun (Ng, 1993) for logarithms; Juffa for the form of erf.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from deltarule.compile.llvm.polynomials import ERF, ERFC, EXP, LOG, TANH, polynomial
from deltarule.compile.llvm.scalar import Term, absolute, as_float, as_integer, bits_of, choose
from deltarule.compile.llvm.text import BOOL, F32, F64

ERF_NEAR = {F32: 0.927734375, F64: 1.0}
LOG2_E = math.log2(math.e)


@dataclass(frozen=True, slots=True)
class Format:
    """What the algorithms need to know of a floating-point format."""

    mantissa: int  # bits stored
    bias: int
    ln2_high: float  # ln 2 in few bits, so that small multiples are exact
    ln2_low: float
    lowest_exp: float  # e^x is 0 below
    highest_exp: float  # and infinite above
    one: float  # tanh and erf are 1 above


FORMATS = {
    F32: Format(
        mantissa=23,
        bias=127,
        ln2_high=0.693359375,
        ln2_low=-2.12194440e-4,
        lowest_exp=-104.5,
        highest_exp=89.0,
        one=10.0,
    ),
    F64: Format(
        mantissa=52,
        bias=1023,
        ln2_high=6.93147180369123816490e-01,
        ln2_low=1.90821492927058770002e-10,
        lowest_exp=-746.0,
        highest_exp=710.0,
        one=20.0,
    ),
}


def at_most(x: Term, high: float) -> Term:
    """x cut to high; NaN stays."""
    within: Term = choose(x > high, high, x)
    return within


def clamped(x: Term, low: float, high: float) -> Term:
    """x cut to [low, high]; NaN stays."""
    return at_most(choose(x < low, low, x), high)


def rounded(x: Term, factor: float, added: int) -> tuple[Term, Term]:
    """The integer n nearest to x * factor, as a float; and n + added in the last bits of an integer.

    Adding 3 * 2^(mantissa - 1) leaves no bits for a fraction: the integer is in the last ones. Those before
    it vanish when it is shifted to where the exponent is.
    """
    start = 1.5 * 2.0 ** FORMATS[x.dtype].mantissa + added
    shifted = x.fma(factor, start)
    return shifted - start, as_integer(shifted)


def power_of_two(bits: Term) -> Term:
    """The float whose exponent field is in the last bits of an integer."""
    return as_float(bits.write("shl", FORMATS[F32 if bits.dtype.itemsize == 4 else F64].mantissa))


def reduced(x: Term, added: int) -> tuple[Term, Term, Term, Term]:
    """n and r with x = n ln 2 + r, abs(r) <= ln 2 / 2: n, n + added in the last bits, r in two parts."""
    kind = FORMATS[x.dtype]
    n, bits = rounded(x, LOG2_E, added)
    return n, bits, n.fma(-kind.ln2_high, x), n * -kind.ln2_low


def exp_less_1(high: Term, low: Term) -> Term:
    """e^(high + low) - 1, where low is small beside high."""
    r = high + low
    return high + (r * r).fma(polynomial(r, EXP[r.dtype]), low)


def in_halves(y: Term, bits: Term) -> Term:
    """2^n y, for n + 2 bias in the last bits: by two factors, so that a subnormal is rounded once."""
    half = bits.write("lshr", 1)
    return y * power_of_two(half) * power_of_two(bits - half)


def exp(x: Term) -> Term:
    """e^x = 2^n e^r."""
    kind = FORMATS[x.dtype]
    _, bits, high, low = reduced(clamped(x, kind.lowest_exp, kind.highest_exp), 2 * kind.bias)
    return in_halves(exp_less_1(high, low) + 1, bits)


def exp_within(x: Term) -> Term:
    """e^x where that is a normal number."""
    _, bits, high, low = reduced(x, FORMATS[x.dtype].bias)
    return (exp_less_1(high, low) + 1) * power_of_two(bits)


def expm1(x: Term) -> Term:
    """e^x - 1 = 2 (2^(n-1) (e^r - 1) + 2^(n-1) - 1/2), exact where x is small."""
    kind = FORMATS[x.dtype]
    within = clamped(x, -2.0 * kind.mantissa, kind.highest_exp)
    n, bits, high, low = reduced(within, kind.bias - 1)
    near = exp_less_1(high, low)
    scale = power_of_two(bits)
    far = scale.fma(near, scale - 0.5)
    y: Term = choose(n == 0, near, far + far)
    return y.intrinsic("copysign", x)


def split(x: Term) -> tuple[Term, Term]:
    """e and m with x = m 2^e, m in [sqrt(1/2), sqrt(2)), for positive normal x; e as a float."""
    mantissa = FORMATS[x.dtype].mantissa
    e = (as_integer(x) - bits_of(math.sqrt(0.5), x.dtype)).write("ashr", mantissa)
    m = as_integer(x) - e.write("shl", mantissa)
    return e.convert("sitofp", x.dtype), as_float(m)


def log_of(
    f: Term,
    e: Term,
    correction: Any,
    tail: tuple[float, ...],
) -> Term:
    """log(2^e (1 + f)), with a small correction added, by powers of s = f / (2 + f)."""
    kind = FORMATS[f.dtype]
    s = f / (f + 2)
    z = s * s
    half_square = f * f * 0.5
    low = e.fma(kind.ln2_low, correction)
    inner = s.fma(z.fma(polynomial(z, tail), half_square), low)
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
    subnormal = x < 2.0 ** (1 - kind.bias)
    e, m = split(choose(subnormal, x * 2.0**lift, x))
    e = choose(subnormal, e - lift, e)
    return with_edges(x, 0.0, log_of(m - 1, e, 0, LOG[x.dtype]))


def log1p(x: Term) -> Term:
    """log(1 + x): the rounding error of 1 + x comes back as a correction."""
    kind = FORMATS[x.dtype]
    u = x + 1
    e, m = split(u)
    lost = choose(u > 2, 1 - (u - x), x - (u - 1)) / u
    near = absolute(x) < 0.29
    f, e = choose(near, x, m - 1), choose(near, 0, e)
    y = log_of(f, e, choose(near, 0, lost), LOG[x.dtype])
    y = choose(absolute(x) < 2.0 ** -(kind.mantissa + 2), x, y)
    return with_edges(x, -1.0, y)


def tanh(x: Term) -> Term:
    """A polynomial near 0, else 1 - 2 / (e^2x + 1)."""
    kind = FORMATS[x.dtype]
    size = at_most(absolute(x), kind.one)
    z = size * size
    near = (z * size).fma(polynomial(z, TANH[x.dtype]), size)
    _, bits, high, low = reduced(size + size, kind.bias)
    power = power_of_two(bits)
    far = 1 - x.same(2) / power.fma(exp_less_1(high, low), power + 1)
    y: Term = choose(size < 0.625, near, far)
    return y.intrinsic("copysign", x)


def sigmoid(x: Term) -> Term:
    """1 / (1 + e^-x) = 2^n / (2^n + e^r) for x = n ln 2 - r; e^r - 1 needs no rounding to e^r."""
    kind = FORMATS[x.dtype]
    within = clamped(-x, -2 * kind.one, -kind.lowest_exp)
    _, minus_n, high, low = reduced(within, 0)
    zero = bits_of(1.5 * 2.0**kind.mantissa, x.dtype)
    bits = (2 * zero + 2 * kind.bias) - minus_n
    half = bits.write("lshr", 1)
    first, second = power_of_two(half), power_of_two(bits - half)
    below = first.fma(second, exp_less_1(high, low)) + 1
    return first / below * second


def erf(x: Term) -> Term:
    """x + x P(x^2) near 0, else 1 - e^(x Q(x) - x)."""
    size = at_most(absolute(x), 4.0 if x.dtype == F32 else 6.0)
    far = 1 - exp_within(polynomial(size, ERFC[x.dtype]).fma(size, -size))
    near = polynomial(size * size, ERF[x.dtype]).fma(size, size)
    y: Term = choose(size > ERF_NEAR[x.dtype], far, near)
    return y.intrinsic("copysign", x)


def sqrt(x: Term) -> Term:
    """Square root, rounded once."""
    return x.intrinsic("sqrt")
