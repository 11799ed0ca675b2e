"""Sines, cosines, and the angles that they come from.

In: arrays of one dtype, broadcast. Out: an array of their common shape.
"""

from __future__ import annotations

import numpy as np

from deltarule.program.families import elementwise
from deltarule.program.ops.elementwise import sqrt
from deltarule.program.primitive import Kink, Primitive, Sample
from deltarule.program.samples import array, span

sin = elementwise(
    "sin",
    evaluate=np.sin,
    partials=[lambda y, x: cos(x)],
    scalar="sin(x0)",
    notation=r"\sin({0})",
    samples=span(-4, 4),
    doc="Sine.",
)

cos: Primitive = elementwise(
    "cos",
    evaluate=np.cos,
    partials=[lambda y, x: -sin(x)],
    scalar="cos(x0)",
    notation=r"\cos({0})",
    samples=span(-4, 4),
    doc="Cosine.",
)

arctan = elementwise(
    "arctan",
    evaluate=np.arctan,
    partials=[lambda y, x: 1 / (1 + x * x)],
    scalar="arctan(x0)",
    notation=r"\arctan({0})",
    samples=span(-3, 3),
    special=lambda: [Sample(array([0.0, 1e9]), derivative=array([1.0, 1e-18]))],
    doc="Inverse of the tangent.",
)

arcsin = elementwise(
    "arcsin",
    evaluate=np.arcsin,
    partials=[lambda y, x: 1 / sqrt((1 - x) * (1 + x))],
    singular=(0,),
    scalar="arcsin(x0)",
    notation=r"\arcsin({0})",
    samples=span(-0.8, 0.8),
    kinks=(Kink("|x| = 1", "infinite; 0 where the cotangent is 0"),),
    special=lambda: [Sample(array([-1.0, 0.0, 1.0]), derivative=array([np.inf, 1.0, np.inf]))],
    doc="Inverse of the sine.",
)

arccos = elementwise(
    "arccos",
    evaluate=np.arccos,
    partials=[lambda y, x: -1 / sqrt((1 - x) * (1 + x))],
    singular=(0,),
    scalar="arccos(x0)",
    notation=r"\arccos({0})",
    samples=span(-0.8, 0.8),
    kinks=(Kink("|x| = 1", "infinite; 0 where the cotangent is 0"),),
    special=lambda: [Sample(array([-1.0, 0.0, 1.0]), derivative=array([-np.inf, -1.0, -np.inf]))],
    doc="Inverse of the cosine.",
)

arctan2 = elementwise(
    "arctan2",
    evaluate=np.arctan2,
    partials=[lambda y, a, b: b / (a * a + b * b), lambda y, a, b: -a / (a * a + b * b)],
    singular=(0, 1),
    scalar="arctan2(x0, x1)",
    notation=r"\mathrm{{atan2}}({0}, {1})",
    samples=span(0.3, 3, (-2, 2), arity=2),
    kinds="f",
    kinks=(Kink("a = b = 0", "not a number; 0 where the cotangent is 0"),),
    special=lambda: [
        Sample(array([0.0, 2.0], [2.0, 0.0]), derivative=array([0.5, 0.0], [0.0, -0.5]))
    ],
    doc="Angle of the point (b, a), counted from the first axis.",
)
