"""Sines and cosines, and the angles that they come from.

In: terms of float32 or float64. Out: a ``Term``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.compile.llvm.polynomials import ARCSIN, ARCTAN, COS, SIN, polynomial
from deltarule.compile.llvm.scalar import Term, absolute, as_float, as_integer, choose, is_negative
from deltarule.compile.llvm.text import F32, F64
from deltarule.compile.llvm.turns import quarter_turns

HALF_PI: dict[np.dtype[Any], tuple[float, float]] = {  # as a sum of two numbers
    F32: (1.5707963705062866, -4.3711390001862426e-08),
    F64: (1.5707963267948966, 6.123233995736766e-17),
}


def turned(size: Term, turns: int) -> Term:
    """sin(size + turns pi / 2), for size >= 0."""
    bits, r = quarter_turns(size)
    bits = bits + turns
    z = r * r
    sine = (z * r).fma(polynomial(z, SIN[r.dtype]), r)
    cosine = (z * z).fma(polynomial(z, COS[r.dtype]), (r * -0.5).fma(r, 1))
    y = choose((bits & 1) == 0, sine, cosine)
    sign = (bits & 2).write("shl", 8 * size.dtype.itemsize - 2)
    return as_float(as_integer(y).write("xor", sign))


def sin(x: Term) -> Term:
    """Sine."""
    size = absolute(x)
    sign = as_integer(x) & -(2 ** (8 * x.dtype.itemsize - 1))
    return as_float(as_integer(turned(size, 0)).write("xor", sign))


def cos(x: Term) -> Term:
    """Cosine."""
    return turned(absolute(x), 1)


def angle(t: Term, high: Term, low: Term) -> Term:
    """high + low + arctan(t), for abs(t) <= 1; low is small."""
    z = t * t
    return high + (t + (z * t).fma(polynomial(z, ARCTAN[t.dtype]), low))


def arctan(x: Term) -> Term:
    """Angle of tangent x; that of a large one is pi / 2 - arctan(1 / x)."""
    high, low = HALF_PI[x.dtype]
    size = absolute(x)
    steep = size > 1
    t = choose(steep, -1 / size, size)
    y = angle(t, x.same(choose(steep, high, 0)), x.same(choose(steep, low, 0)))
    return y.intrinsic("copysign", x)


def arctan2(a: Term, b: Term) -> Term:
    """Angle of the point (b, a): of a quotient that is at most 1, from the nearest axis."""
    rise, run = absolute(a), absolute(b)
    steep, back = rise > run, is_negative(b)
    above, below = choose(steep, run, rise), choose(steep, rise, run)
    t = choose(above == below, choose(above > 0, 1, 0), above / below)
    t = choose(steep.write("xor", back), -t, t)
    high, low = (
        a.same(choose(steep, half, choose(back, a.same(2 * half), 0))) for half in HALF_PI[a.dtype]
    )
    return angle(t, high, low).intrinsic("copysign", a)


def chord(x: Term) -> tuple[Term, Term, Term]:
    """Whether abs(x) > 1/2; s = x, or there half the chord sqrt((1 - abs(x)) / 2); and arcsin(s) - s."""
    size = absolute(x)
    far = size > 0.5
    z = choose(far, 0.5 - size * 0.5, size * size)
    s = choose(far, z.intrinsic("sqrt"), x)
    return far, s, s * z * polynomial(z, ARCSIN[x.dtype])


def arcsin(x: Term) -> Term:
    """Angle of sine x; near 1 it is pi / 2 - 2 arcsin(s)."""
    high, low = HALF_PI[x.dtype]
    far, s, rest = chord(x)
    both = s + s
    left = high - both
    lost = (high - left) - both
    y: Term = choose(far, left - ((rest + rest) - (low + lost)), s + rest)
    return y.intrinsic("copysign", x)


def arccos(x: Term) -> Term:
    """Angle of cosine x; 2 arcsin(s) near 1, pi - 2 arcsin(s) near -1."""
    high, low = HALF_PI[x.dtype]
    far, s, rest = chord(x)
    turned = high - (s + (rest - low))
    half = choose(x < 0, turned, s + rest)
    y: Term = choose(far, half + half, turned)
    return y
