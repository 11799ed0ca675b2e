"""Operations on each element: one declaration each, from which families derive all rules.

In: arrays of one dtype, broadcast. Out: an array of their common shape.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.program.families import (
    batch_elementwise,
    elementwise,
    elementwise_type,
    total,
    unbroadcast,
)
from deltarule.program.lowering import Map
from deltarule.program.ops.logic import cast, eq, gt, lt, select
from deltarule.program.primitive import ErrorSample, Kink, Primitive, Sample
from deltarule.program.samples import array, span

add = elementwise(
    "add",
    evaluate=operator.add,
    partials=[1, 1],
    scalar="x0 + x1",
    notation="{0} + {1}",
    samples=span(-3, 3, arity=2),
    kinds="biufc",
    doc="Sum, y = a + b.",
)

sub = elementwise(
    "sub",
    evaluate=operator.sub,
    partials=[1, -1],
    scalar="x0 - x1",
    notation="{0} - {1}",
    samples=span(-3, 3, arity=2),
    kinds="iufc",
    doc="Difference, y = a - b.",
)

mul = elementwise(
    "mul",
    evaluate=operator.mul,
    partials=[lambda y, a, b: b, lambda y, a, b: a],
    scalar="x0 * x1",
    notation=r"{0} \cdot {1}",
    samples=span(-3, 3, arity=2),
    kinds="biufc",
    doc="Product, y = a b.",
)

square = elementwise(
    "square",
    evaluate=lambda x: x * x,
    partials=[lambda y, x: x + x],
    scalar="x0 * x0",
    notation="{{{0}}}^2",
    samples=span(-3, 3),
    kinds="f",
    doc="Square, y = x^2.",
)

div = elementwise(
    "div",
    evaluate=operator.truediv,
    partials=[lambda y, a, b: 1 / b, lambda y, a, b: -y / b],
    singular=(0, 1),
    scalar="x0 / x1",
    notation=r"\frac{{{0}}}{{{1}}}",
    samples=span(-3, 3, (0.5, 2), arity=2),
    kinks=(Kink("b = 0", "infinite; 0 where the cotangent is 0"),),
    special=lambda: [
        Sample(
            array([1.0, -2.0], [0.0, 0.0]), derivative=array([np.inf, np.inf], [-np.inf, np.inf])
        )
    ],
    doc="Quotient, y = a / b.",
)


_where, _count = np.where, np.count_nonzero  # themselves, also while a trace is open


def _zmul(ct: Any, p: Any) -> Any:
    if isinstance(p, np.floating):
        if abs(p) < np.inf:
            return ct * p
    elif _count(np.isfinite(p)) == p.size:
        return ct * p
    with np.errstate(invalid="ignore", over="ignore"):
        found = ct * p
        total = np.add.reduce(found, None) if found.ndim else found
        if total - total == 0:  # so all are finite
            return found
        return _where(ct == 0, ct.dtype.type(0), found)[()]


def _zmul_vjp(i: int, ct: Any, y: Any, a: Any, p: Any) -> Any:
    """The product rule. It is a that decides in both terms: where it is 0, an infinite cotangent of p
    counts nothing."""
    return unbroadcast(zmul(ct, p) if i == 0 else zmul(a, ct), (a, p)[i].shape)


def _zmul_jvp(tangents: Sequence[Any], y: Any, a: Any, p: Any) -> Any:
    ta, tp = tangents
    terms = ([] if ta is None else [zmul(ta, p)]) + ([] if tp is None else [zmul(a, tp)])
    return total(terms, y)


zmul = Primitive(
    "zmul",
    "Product of a cotangent and a partial derivative, 0 where the cotangent is 0 even if "
    "the partial is infinite.",
    type_rule=elementwise_type("zmul", "fc"),
    evaluate=_zmul,
    vjp=_zmul_vjp,
    jvp=_zmul_jvp,
    batch=batch_elementwise("zmul"),
    lowering=Map("select(x0 == 0, 0, x0 * x1)"),
    notation=r"{0} \cdot {1}",
    samples=span(-3, 3, arity=2),
    errors=(
        ErrorSample((np.ones(2), np.ones(3)), {}, "do not broadcast"),
        ErrorSample((np.ones(2, bool), np.ones(2, bool)), {}, "takes no bool[2]"),
    ),
    kinks=(Kink("ct = 0 and p infinite", "0, and so is the derivative with respect to p"),),
    special=lambda: [
        Sample(array([0.0, 2.0], [3.0, 0.0]), derivative=array([3.0, 0.0], [0.0, 2.0])),
        Sample(array([0.0, 2.0], [np.inf, 1.0]), derivative=array([np.inf, 1.0], [0.0, 2.0])),
    ],
)

neg = elementwise(
    "neg",
    evaluate=operator.neg,
    partials=[-1],
    scalar="-x0",
    notation="-{0}",
    samples=span(-3, 3),
    kinds="iufc",
    doc="Negative, y = -x.",
)

exp = elementwise(
    "exp",
    evaluate=np.exp,
    partials=[lambda y, x: y],
    scalar="exp(x0)",
    notation=r"e^{{{0}}}",
    samples=span(-3, 3),
    special=lambda: [Sample(array([-1000.0, 0.0]), derivative=array([0.0, 1.0]))],
    doc="Exponential, y = e^x.",
)

log = elementwise(
    "log",
    evaluate=np.log,
    partials=[lambda y, x: 1 / x],
    singular=(0,),
    scalar="log(x0)",
    notation=r"\ln {0}",
    samples=span(0.2, 3),
    kinks=(Kink("x = 0", "infinite; 0 where the cotangent is 0"),),
    special=lambda: [Sample(array([0.0, 1.0]), derivative=array([np.inf, 1.0]))],
    doc="Natural logarithm, y = ln x.",
)

log1p = elementwise(
    "log1p",
    evaluate=np.log1p,
    partials=[lambda y, x: 1 / (1 + x)],
    singular=(0,),
    scalar="log1p(x0)",
    notation=r"\ln(1 + {0})",
    samples=span(-0.8, 3),
    kinks=(Kink("x = -1", "infinite; 0 where the cotangent is 0"),),
    special=lambda: [Sample(array([-1.0, 1e-20]), derivative=array([np.inf, 1.0]))],
    doc="Logarithm of 1 + x, exact for small x.",
)

expm1 = elementwise(
    "expm1",
    evaluate=np.expm1,
    partials=[lambda y, x: y + 1],
    scalar="expm1(x0)",
    notation=r"e^{{{0}}} - 1",
    samples=span(-3, 3),
    special=lambda: [Sample(array([1e-20, 0.0]), derivative=array([1.0, 1.0]))],
    doc="e^x - 1, exact for small x.",
)

sqrt = elementwise(
    "sqrt",
    evaluate=np.sqrt,
    partials=[lambda y, x: 0.5 / y],
    singular=(0,),
    scalar="sqrt(x0)",
    notation=r"\sqrt{{{0}}}",
    samples=span(0.2, 3),
    kinks=(Kink("x = 0", "infinite; 0 where the cotangent is 0"),),
    special=lambda: [Sample(array([0.0, 4.0]), derivative=array([np.inf, 0.25]))],
    doc="Square root.",
)


def _root_slope(y: Any, x: Any) -> Any:
    """1 / (2 y), and 0 where y is 0."""
    if isinstance(y, np.floating) and y:
        return 0.5 / y
    none = eq(y, 0 * y)
    return select(none, 0 * y, 0.5 / select(none, 0 * y + 1, y))


root = elementwise(
    "root",
    evaluate=np.sqrt,
    partials=[_root_slope],
    scalar="sqrt(x0)",
    notation=r"\sqrt{{{0}}}",
    samples=span(0.2, 3),
    kinds="f",
    kinks=(Kink("x = 0", "0, the least of the possible subgradients of a norm or a deviation"),),
    special=lambda: [Sample(array([0.0, 4.0]), derivative=array([0.0, 0.25]))],
    doc="Square root of a sum of squares: its derivative is 0 at 0.",
)

tanh = elementwise(
    "tanh",
    evaluate=np.tanh,
    partials=[lambda y, x: 1 - y * y],
    scalar="tanh(x0)",
    notation=r"\tanh({0})",
    samples=span(-3, 3),
    special=lambda: [Sample(array([0.0, 1000.0]), derivative=array([1.0, 0.0]))],
    doc="Hyperbolic tangent.",
)


def _sigmoid(x: Any) -> Any:
    z = np.exp(-np.abs(x))
    return np.where(x >= 0, np.ones((), x.dtype), z)[()] / (1 + z)


sigmoid = elementwise(
    "sigmoid",
    evaluate=_sigmoid,
    partials=[lambda y, x: y * (1 - y)],
    scalar="sigmoid(x0)",
    notation=r"\frac{{1}}{{1 + e^{{-{0}}}}}",
    samples=span(-4, 4),
    kinds="f",
    special=lambda: [Sample(array([0.0, -1000.0, 1000.0]), derivative=array([0.25, 0.0, 0.0]))],
    doc="Logistic function, y = 1 / (1 + e^-x), without overflow.",
)

relu = elementwise(
    "relu",
    evaluate=lambda x: np.maximum(x, 0),
    partials=[lambda y, x: cast(gt(x, 0 * x), dtype=x.dtype)],
    scalar="select(x0 < 0, 0, x0)",
    notation=r"\max(0, {0})",
    samples=span(0.2, 3),
    kinds="f",
    kinks=(Kink("x = 0", "0, as PyTorch, JAX and TensorFlow do"),),
    special=lambda: [Sample(array([-2.0, 0.0, 3.0]), derivative=array([0.0, 0.0, 1.0]))],
    doc="Rectifier, y = max(0, x).",
)


def _erf(x: Any) -> Any:
    from scipy.special import erf

    return erf(x).astype(x.dtype, copy=False)


erf = elementwise(
    "erf",
    evaluate=_erf,
    partials=[lambda y, x: exp(-x * x) * (2 / np.pi**0.5)],
    scalar="erf(x0)",
    notation=r"\mathrm{{erf}}({0})",
    samples=span(-2, 2),
    kinds="f",
    special=lambda: [Sample(array([0.0, 30.0]), derivative=array([2 / np.pi**0.5, 0.0]))],
    doc="Error function.",
)


def _power_base(y: Any, x: Any, n: Any) -> Any:
    """n x^(n-1), and 0 where n is 0, even at x = 0."""
    if isinstance(n, np.number) and n:
        return x * n if n == 2 else n * power(x, n - 1)
    return zmul(n, power(x, n - 1))


def _power_exponent(y: Any, x: Any, n: Any) -> Any:
    """y ln x, and 0 where x is 0."""
    return zmul(log(select(eq(x, 0 * x), 0 * x + 1, x)), y)


power = elementwise(
    "power",
    evaluate=operator.pow,
    partials=[_power_base, _power_exponent],
    singular=(0, 1),
    scalar="pow(x0, x1)",
    notation="{{{0}}}^{{{1}}}",
    samples=span(0.3, 2, (-2, 2), arity=2),
    kinds="iufc",
    kinks=(
        Kink("n = 0", "d/dx x^0 = 0 everywhere, at x = 0 too"),
        Kink("x = 0", "d/dn 0^n = 0, as JAX and PyTorch do; d/dx infinite where n < 1"),
    ),
    special=lambda: [
        Sample(
            array([0.0, 0.0, 0.0], [0.0, 2.0, 0.5]),
            derivative=array([0.0, 0.0, np.inf], [0.0, 0.0, 0.0]),
        ),
        Sample(array([-2.0, -2.0], [2.0, 3.0]), derivative=(np.array([-4.0, 12.0]), None)),
    ],
    doc="Power, y = x^n.",
)


def _share(chosen: Any) -> Any:
    return lambda y, a, b: cast(chosen(a, b), dtype=a.dtype) + 0.5 * cast(eq(a, b), dtype=a.dtype)


maximum = elementwise(
    "maximum",
    evaluate=np.maximum,
    partials=[_share(lambda a, b: gt(a, b)), _share(lambda a, b: gt(b, a))],
    scalar="maximum(x0, x1)",
    notation=r"\max({0}, {1})",
    samples=span(-3, 0, (0.2, 3), arity=2),
    kinds="biuf",
    kinks=(Kink("a = b", "1/2 each"),),
    special=lambda: [
        Sample(array([1.0, 3.0], [1.0, 2.0]), derivative=array([0.5, 1.0], [0.5, 0.0]))
    ],
    doc="The larger of two.",
)

minimum = elementwise(
    "minimum",
    evaluate=np.minimum,
    partials=[_share(lambda a, b: lt(a, b)), _share(lambda a, b: lt(b, a))],
    scalar="minimum(x0, x1)",
    notation=r"\min({0}, {1})",
    samples=span(-3, 0, (0.2, 3), arity=2),
    kinds="biuf",
    kinks=(Kink("a = b", "1/2 each"),),
    special=lambda: [
        Sample(array([1.0, 3.0], [1.0, 2.0]), derivative=array([0.5, 0.0], [0.5, 1.0]))
    ],
    doc="The smaller of two.",
)

abs_ = elementwise(
    "abs",
    evaluate=np.abs,
    partials=[lambda y, x: sign(x)],
    scalar="abs(x0)",
    notation=r"\left|{0}\right|",
    samples=span(0.2, 3),
    kinds="iuf",
    kinks=(Kink("x = 0", "0"),),
    special=lambda: [Sample(array([-2.0, 0.0, 3.0]), derivative=array([-1.0, 0.0, 1.0]))],
    doc="Absolute value.",
)

sign: Primitive = elementwise(
    "sign",
    evaluate=np.sign,
    partials=[None],
    scalar="select(x0 > 0, 1, select(x0 < 0, -1, x0))",
    notation=r"\mathrm{{sgn}}({0})",
    samples=span(-3, 3),
    kinds="iuf",
    kinks=(Kink("x = 0", "sign 0, derivative 0 everywhere"),),
    doc="Sign: -1, 0 or 1. Its derivative is zero.",
)
