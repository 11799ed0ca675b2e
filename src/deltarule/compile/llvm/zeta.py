"""Hurwitz's zeta function, sum of (q + k)^-s over k = 0, 1, ..., for which SciPy has no C function.

In: s and q, two ``Term`` of one dtype. Out: a ``Term``, computed in float64. The first terms are added up,
the others are their integral and its corrections (Euler and Maclaurin).
"""

from __future__ import annotations

import math

from deltarule.compile.llvm.library import rescued
from deltarule.compile.llvm.power import power
from deltarule.compile.llvm.scalar import Term, cast, choose
from deltarule.compile.llvm.text import F64, I64, Value, constant

ADDED = 10  # terms
FAR = 1e8  # from this q on the integral and half a term are all
EPSILON = 2.0**-53
CORRECTIONS: tuple[float, ...] = (  # B(2k) / (2k)!, B Bernoulli's numbers
    1 / 12,
    -1 / 720,
    1 / 30240,
    -1 / 1209600,
    1 / 47900160,
    -691 / 1307674368000,
    1 / 74724249600,
    -3617 / 10670622842880000,
    43867 / 5109094217170944000,
    -174611 / 802857662698291200000,
    77683 / 14101100039391805440000,
    -236364091 / 1693824136731743669452800000,
)


def zeta(s: Term, q: Term) -> Term:
    """The sum for s > 1; where q < 0, it has terms before and behind 0, and s must be whole."""
    found, s, q = s.dtype, cast(s, F64), cast(q, F64)
    below = q < 0
    whole = q == q.intrinsic("floor")
    size = choose(below, -q, q)
    rest = size - size.intrinsic(
        "floor"
    )  # of q = -2.3 the terms are at -2.3 -1.3 -0.3, 0.7 1.7 ...
    y = above(s, choose(below, 1 - rest, q))
    odd = s * 0.5 != (s * 0.5).intrinsic("floor")

    def before() -> Term:
        near, far = above(s, rest), above(s, 1 - q)
        far = choose(far == far, far, 0)  # not a number where s is infinite
        both = choose(odd, (y - near) + far, (y + near) - far)
        chosen: Term = choose(s == s.intrinsic("floor"), both, math.nan)
        return chosen

    y = rescued(y, below, before)
    y = choose((q < 0.5) & whole, math.inf, y)
    y = choose(s < 1, math.nan, choose(s == 1, math.inf, y))
    return cast(y, found)


def above(s: Term, q: Term) -> Term:
    """The sum for q > 0."""
    f, lanes = s.function, s.value.lanes
    with f.loop(ADDED, [constant(0, F64, lanes)] * 2) as loop:
        number = f.convert("sitofp", Value(loop.index, I64), F64)
        last = power(q + Term(f, f.spread(number, lanes)), -s)
        loop.next = [(Term(f, loop.carried[0]) + last).value, last.value]
    total, last = Term(f, loop.results[0]), Term(f, loop.results[1])
    w = q + (ADDED - 1)
    inverse = 1 / (w * w)
    series = s.same(CORRECTIONS[-1])
    for k in range(len(CORRECTIONS) - 2, -1, -1):
        series = ((s + (2 * k + 1)) * (s + (2 * k + 2)) * inverse).fma(series, CORRECTIONS[k])
    found = total + last * (w / (s - 1) - 0.5 + s / w * series)
    found = choose(last < total * EPSILON, total, found)
    far = (s.same(1) / (s - 1) + s.same(0.5) / q) * power(q, 1 - s)
    return choose(q > FAR, far, found)  # type: ignore[no-any-return]
