"""Rounding, whole quotients and remainders: constant between jumps.

In: arrays of one dtype, broadcast. Out: an array of their common shape.
"""

from __future__ import annotations

import numpy as np

from deltarule.program.families import elementwise
from deltarule.program.primitive import Kink, Sample
from deltarule.program.samples import array, span

floor = elementwise(
    "floor",
    evaluate=np.floor,
    partials=[None],
    scalar="floor(x0)",
    notation=r"\lfloor {0} \rfloor",
    samples=span(0.1, 0.9),
    kinds="f",
    kinks=(Kink("x an integer", "0, as everywhere"),),
    doc="Largest integer not above x. Its derivative is zero.",
)

rint = elementwise(
    "rint",
    evaluate=np.rint,
    partials=[None],
    scalar="rint(x0)",
    notation=r"\mathrm{{round}}({0})",
    samples=span(0.6, 1.4),
    kinds="f",
    kinks=(Kink("x halfway between integers", "0, as everywhere"),),
    doc="Nearest integer, halves to the even one. Its derivative is zero.",
)

floor_divide = elementwise(
    "floor_divide",
    evaluate=np.floor_divide,
    partials=[None, None],
    scalar="floor_divide(x0, x1)",
    notation=r"\lfloor {0} / {1} \rfloor",
    samples=span(0.1, 0.9, (1.2, 2), arity=2),
    kinds="iuf",
    kinks=(Kink("a / b an integer", "0, as everywhere"),),
    doc="Largest integer not above a / b. Its derivative is zero.",
)

remainder = elementwise(
    "remainder",
    evaluate=np.remainder,
    partials=[1, lambda y, a, b: -floor_divide(a, b)],
    singular=(1,),
    scalar="remainder(x0, x1)",
    notation=r"{0} \bmod {1}",
    samples=span(2.4, 2.6, (0.95, 1.05), arity=2),
    kinds="iuf",
    kinks=(Kink("a / b an integer", "d/da = 1, d/db = -a / b"),),
    special=lambda: [
        Sample(array([3.0, -3.0], [1.5, 2.0]), derivative=array([1.0, 1.0], [-2.0, 2.0]))
    ],
    doc="Remainder of a division, with the sign of the divisor.",
)
