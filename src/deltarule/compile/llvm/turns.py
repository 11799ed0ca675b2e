"""Angles as quarter turns and a rest: size = n pi / 2 + r.

In: a ``Term`` that is not negative. Out: n and r. Sources: Cody and Waite (1980) for angles with few turns;
Payne and Hanek (1983) for the others, one at a time: their product with 2 / pi, of which only the bits around
the point are computed.
"""

from __future__ import annotations

import math
from functools import cache

from deltarule.compile.llvm.exponential import rounded
from deltarule.compile.llvm.library import in_each_lane, rescued
from deltarule.compile.llvm.scalar import INT_OF, Term
from deltarule.compile.llvm.text import ATTRIBUTES, BOOL, F32, F64, number

FAR = 1e6  # up to here there are fewer than 2^20 quarter turns
# pi / 2 in parts of 33 bits, whose products with so many are exact, and a last one.
QUARTER = {
    F32: (float.fromhex("0x1.921fb544p+0"), 6.077100506506192e-11),
    F64: (
        float.fromhex("0x1.921fb544p+0"),
        float.fromhex("0x1.0b4611a6p-34"),
        float.fromhex("0x1.3198a2ep-69"),
        8.4784276603689e-32,
    ),
}
BITS = 1216  # of 2 / pi; the largest float64 needs 1161


def quarter_turns(size: Term) -> tuple[Term, Term]:
    """n, of which the last two bits count, and r with abs(r) <= pi / 4; float32 in float64."""
    n, bits = rounded(size, 2 / math.pi, 0)
    n, wide = (x.convert("fpext", F64) if x.dtype == F32 else x for x in (n, size))
    r = wide
    for part in QUARTER[size.dtype]:
        r = n.fma(-part, r)
    many = size.write("fcmp uge", FAR, dtype=BOOL)
    kind = INT_OF[size.dtype]
    bits = rescued(bits, many, lambda: far("far_count", wide).convert("fptosi", kind))
    r = rescued(r, many, lambda: far("far_rest", wide))
    return bits, r.convert("fptrunc", F32) if size.dtype == F32 else r


def far(word: str, size: Term) -> Term:
    """What a function gives for each of many angles."""
    needs = size.function.needs
    needs.add(f"@two_over_pi = private constant i{BITS + 256} {two_over_pi()}")
    needs.add("declare i64 @llvm.umin.i64(i64, i64)")
    return in_each_lane(word, of_a_far_one(word), size)


def arctan_of_inverse(n: int) -> int:
    """2^BITS arctan(1 / n), with bits to spare below."""
    term = total = (1 << (BITS + 64)) // n
    for k in range(3, BITS, 2):
        term //= -n * n
        total += term // k
    return total


@cache
def two_over_pi() -> int:
    """2^BITS 2 / pi, cut; by Machin's formula, pi = 16 arctan(1 / 5) - 4 arctan(1 / 239)."""
    pi = 16 * arctan_of_inverse(5) - 4 * arctan_of_inverse(239)
    return (1 << (2 * BITS + 65)) // pi


@cache
def of_a_far_one(word: str) -> str:
    """A function of x = m 2^(e - 1075), from its quarter turns modulo 4: 192 bits, 190 behind the point."""
    return f"""define internal double @{word}(double %x) {ATTRIBUTES} {{
  %bits = bitcast double %x to i64
  %e = lshr i64 %bits, 52
  %fraction = and i64 %bits, {2**52 - 1}
  %m = or i64 %fraction, {2**52}
  %unused = sub i64 {BITS + 1075 - 190}, %e
  %below = call i64 @llvm.umin.i64(i64 %unused, i64 {BITS})
  %byte = lshr i64 %below, 3
  %place = getelementptr i8, ptr @two_over_pi, i64 %byte
  %piece = load i200, ptr %place, align 1
  %bit = and i64 %below, 7
  %shift = zext i64 %bit to i200
  %shifted = lshr i200 %piece, %shift
  %digits = trunc i200 %shifted to i192
  %factor = zext i64 %m to i192
  %turns = mul i192 %digits, %factor
{ENDS[word]}
  ret double %y
}}
"""


ENDS = {
    "far_count": f"""  %raised = add i192 %turns, {2**189}
  %whole = lshr i192 %raised, 190
  %count = trunc i192 %whole to i64
  %y = uitofp i64 %count to double""",
    "far_rest": f"""  %behind = shl i192 %turns, 2
  %signed = sitofp i192 %behind to double
  %rest = fmul double %signed, {number(math.pi / 2 * 2.0**-192, F64)}
  %finite = fcmp olt double %x, {number(math.inf, F64)}
  %y = select i1 %finite, double %rest, double {number(math.nan, F64)}""",
}
