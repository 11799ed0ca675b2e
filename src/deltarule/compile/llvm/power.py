"""Powers, x^y = 2^(y log2 x).

In: two ``Term`` of one dtype. Out: a ``Term``. An error of the logarithm is multiplied by y: float32 takes
it in float64, float64 as a sum of two numbers (the way of FreeBSD's msun; Ng, 1993). Products are of
numbers of 26 bits, so they are exact.
"""

from __future__ import annotations

import math

from deltarule.compile.llvm.exponential import (
    clamped,
    exp_less_1,
    in_halves,
    power_of_two,
    rounded,
    split,
)
from deltarule.compile.llvm.library import from_c, rescued
from deltarule.compile.llvm.polynomials import DOUBLE_LOG, SINGLE_EXP2, SINGLE_LOG2, polynomial
from deltarule.compile.llvm.scalar import Term, absolute, as_float, as_integer, choose, is_negative
from deltarule.compile.llvm.text import BOOL, F32, F64

# 2 / (3 ln 2), as a sum of two numbers
SCALE_HIGH, SCALE_LOW = 0.9617966860532761, 7.872699542894897e-09


def head(x: Term) -> Term:
    """The first 26 bits of a float64."""
    return as_float(as_integer(x) & -(2**27))


def log2_in_two(x: Term) -> tuple[Term, Term]:
    """log2 of a positive normal float64 as head + rest, to about 2^-65 of it.

    With s = f / (2 + f) it is e + 2 / (3 ln 2) s (3 + s^2 + ...).
    """
    e, m = split(x)
    f = m - 1
    below = f + 2
    below_head = head(below)
    below_rest = f - (below_head - 2)
    inverse = 1 / below
    s = f * inverse
    s_head = head(s)
    s_rest = ((f - s_head * below_head) - s_head * below_rest) * inverse
    z, square = s * s, s_head * s_head
    series = (z * z).fma(polynomial(z, DOUBLE_LOG), s_rest * (s_head + s))
    t = head(square + 3 + series)
    t_rest = series - ((t - 3) - square)
    u, v = s_head * t, s_rest * t + t_rest * s
    p = head(u + v)
    p_rest = v - (p - u)
    high, low = p * SCALE_HIGH, p * SCALE_LOW + p_rest * (SCALE_HIGH + SCALE_LOW)
    found = head(high + low + e)
    return found, low - ((found - e) - high)


def double_power(x: Term, y: Term) -> Term:
    """x^y in float64, for positive normal x and finite y."""
    log_head, log_rest = log2_in_two(x)
    y = clamped(y, -(2.0**65), 2.0**65)  # that far only 1^y is not 0 or infinite
    y_head = head(y)
    high, low = y_head * log_head, (y - y_head) * log_head + y * log_rest
    total = high + low
    within = clamped(total, -1100.0, 1100.0)
    low = choose(within == total, low - (total - high), 0)
    n, bits = rounded(within, 1.0, 2 * 1023)
    return in_halves(
        exp_less_1((within - n) * math.log(2), low * math.log(2)) + 1,
        bits,
    )


def single_power(x: Term, y: Term) -> Term:
    """x^y in float32, for positive x and finite y: computed in float64."""
    x, y = x.convert("fpext", F64), y.convert("fpext", F64)
    e, m = split(x)
    s = (m - 1) / (m + 1)
    log2 = s.fma(polynomial(s * s, SINGLE_LOG2), e)
    within = clamped(y * log2, -200.0, 200.0)
    n, bits = rounded(within, 1.0, 1023)
    found = polynomial(within - n, SINGLE_EXP2) * power_of_two(bits)
    return found.convert("fptrunc", F32)


def power(x: Term, y: Term) -> Term:
    """x^y; of a negative x where y is an integer, else NaN."""
    single = x.dtype == F32
    size = absolute(x)
    found = (single_power if single else double_power)(size, y)
    of_zero = choose(y > 0, 0, choose(y < 0, x.same(math.inf), 1))
    found = choose(size == 0, of_zero, found)
    half = y * 0.5
    odd = (half.intrinsic("floor") != half) & (y.intrinsic("floor") == y)
    found = choose(is_negative(x) & odd, -found, found)
    found = choose((x < 0) & (y.intrinsic("floor") != y), math.nan, found)
    strange = size.write("fcmp uge", math.inf, dtype=BOOL)
    strange = strange | absolute(y).write("fcmp uge", math.inf, dtype=BOOL)
    if not single:
        strange = strange | ((size < 2.0**-1022) & (size != 0))
    return rescued(found, strange, lambda: from_c("pow", x, y))
