"""Whole quotients and remainders as NumPy has them: the remainder has the sign of the divisor.

In: two ``Term`` of one dtype. Out: a ``Term``. Integers divided by 0 give 0; floats follow CPython's
``divmod``, exact where a / b rounds up to an integer.
"""

from __future__ import annotations

from deltarule.compile.llvm.library import from_c, rescued
from deltarule.compile.llvm.scalar import Term, absolute, as_float, as_integer, choose
from deltarule.compile.llvm.text import BOOL, F32, F64

MANY = 2.0**24  # times the divisor is exact, in two parts


def floor_divide(a: Term, b: Term) -> Term:
    """The largest integer not above a / b."""
    return (float_divmod(a, b) if a.dtype.kind == "f" else integer_divmod(a, b))[0]


def remainder(a: Term, b: Term) -> Term:
    """a - b floor(a / b)."""
    return (float_divmod(a, b) if a.dtype.kind == "f" else integer_divmod(a, b))[1]


def float_divmod(a: Term, b: Term) -> tuple[Term, Term]:
    """Quotient and remainder of floats."""
    rest = rest_of(a, b)
    quotient = (a - rest) / b
    turn = (rest != 0) & ((b < 0) != (rest < 0))
    signed_zero = a.same(0).intrinsic("copysign", b)
    modulus = choose(turn, rest + b, choose(rest != 0, rest, signed_zero))
    quotient = choose(turn, quotient - 1, quotient)
    whole = quotient.intrinsic("floor")
    whole = choose(quotient - whole > 0.5, whole + 1, whole)
    whole = choose(quotient == 0, a.same(0).intrinsic("copysign", a / b), whole)
    return choose(b == 0, a / b, whole), modulus


def rest_of(a: Term, b: Term) -> Term:
    """a - b trunc(a / b), exact; float32 in float64."""
    if a.dtype == F32:
        wide = rest_of(a.convert("fpext", F64), b.convert("fpext", F64))
        return wide.convert("fptrunc", F32)
    above, below = absolute(a), absolute(b)
    ratio = above / below
    count = ratio.intrinsic("trunc")
    head = as_float(as_integer(below) & -(2**27))
    rest = (above - count * head) - count * (below - head)
    rest = choose(rest < 0, rest + below, rest)  # the ratio was rounded up
    rest = choose(above < below, above, rest).intrinsic("copysign", a)
    many = ratio.write("fcmp uge", MANY, dtype=BOOL)
    return rescued(rest, many, lambda: from_c("fmod", a, b))


def integer_divmod(a: Term, b: Term) -> tuple[Term, Term]:
    """Quotient and remainder of integers; the processor never divides by 0, or the least by -1."""
    by_zero = b == 0
    if a.dtype.kind == "u":
        divisor = choose(by_zero, 1, b)
        quotient, rest = a.write("udiv", divisor), a.write("urem", divisor)
        return choose(by_zero, 0, quotient), choose(by_zero, 0, rest)
    by_minus_one = b == -1
    divisor = choose(by_zero | by_minus_one, 1, b)
    quotient, rest = a.write("sdiv", divisor), a.write("srem", divisor)
    turn = (rest != 0) & ((rest < 0) != (b < 0))
    quotient = choose(by_minus_one, -a, choose(turn, quotient - 1, quotient))
    rest = choose(turn, rest + b, rest)
    return choose(by_zero, 0, quotient), choose(by_zero | by_minus_one, 0, rest)
