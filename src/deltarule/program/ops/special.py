"""Special functions, element by element: of errors, gammas and Bessel, and products with logarithms.

In: floats of one dtype, broadcast. Out: an array of their common shape. SciPy evaluates what is no formula of
elementary functions; machine code calls the same functions by their C pointers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.program.families import elementwise
from deltarule.program.ops.elementwise import div, exp, log, log1p, sign
from deltarule.program.ops.logic import eq, select
from deltarule.program.primitive import Kink, Primitive, Sample
from deltarule.program.samples import Samples, array, span

ROOT_PI = float(np.sqrt(np.pi))
ROOT_TWO_PI = float(np.sqrt(2 * np.pi))


def of_scipy(name: str, place: int | None = None) -> Callable[..., Any]:
    """SciPy's function of that name, in float64, or one of its results, in the dtype of the last argument."""

    def evaluate(*args: Any) -> Any:
        from scipy import special

        exact = (np.asarray(x, np.float64 if x.dtype.kind == "f" else np.int64) for x in args)
        with np.errstate(all="ignore"):
            found = getattr(special, name)(*exact)
        return np.asarray(found if place is None else found[place], args[-1].dtype)[()]

    return evaluate


def scipy_function(
    name: str,
    doc: str,
    partials: list[Any],
    samples: Samples,
    singular: tuple[int, ...] = (),
    result: tuple[str, int] | None = None,
) -> Primitive:
    """Declare a function of SciPy, or a ``result`` of one that has several: its name and their place."""
    places = ", ".join(f"{{{i}}}" for i in range(len(partials)))
    function, place = result or (name, None)
    given = ", ".join(f"x{i}" for i in range(len(partials)))
    return elementwise(
        name,
        evaluate=of_scipy(function, place),
        partials=partials,
        singular=singular,
        scalar=f"special.{function}({given})" + ("" if result is None else f"[{place}]"),
        notation=rf"\mathrm{{{{{name.replace('_', ' ')}}}}}({places})",
        samples=samples,
        kinds="f",
        doc=doc,
    )


# --- errors and the normal distribution ---

erfc = scipy_function(
    "erfc",
    "1 - erf x, exact where that is small.",
    [lambda y, x: exp(-x * x) * (-2 / ROOT_PI)],
    span(-2, 2),
)
erfcx: Primitive = scipy_function(
    "erfcx",
    "e^(x x) erfc x; dy = 2 x y - 2 / sqrt(pi).",
    [lambda y, x: 2 * x * y - 2 / ROOT_PI],
    span(-1, 2),
)
erfinv = scipy_function(
    "erfinv",
    "Inverse of erf.",
    [lambda y, x: exp(y * y) * (ROOT_PI / 2)],
    span(-0.9, 0.9),
    singular=(0,),
)
erfcinv = scipy_function(
    "erfcinv",
    "Inverse of erfc.",
    [lambda y, x: exp(y * y) * (-ROOT_PI / 2)],
    span(0.1, 1.9),
    singular=(0,),
)
ndtr = scipy_function(
    "ndtr",
    "Distribution function of the standard normal distribution.",
    [lambda y, x: exp(-x * x / 2) / ROOT_TWO_PI],
    span(-3, 3),
)
log_ndtr = scipy_function(
    "log_ndtr",
    "Logarithm of ndtr, exact far below 0.",
    [lambda y, x: exp(-x * x / 2 - y) / ROOT_TWO_PI],
    span(-4, 3),
)
ndtri = scipy_function(
    "ndtri",
    "Inverse of ndtr.",
    [lambda y, x: exp(y * y / 2) * ROOT_TWO_PI],
    span(0.1, 0.9),
    singular=(0,),
)
dawsn = scipy_function(
    "dawsn", "Dawson's integral, dy = 1 - 2 x y.", [lambda y, x: 1 - 2 * x * y], span(-2, 2)
)
exp1 = scipy_function(
    "exp1",
    "Exponential integral E1, dy = -e^-x / x.",
    [lambda y, x: -exp(-x) / x],
    span(0.3, 3),
    singular=(0,),
)
expi = scipy_function(
    "expi",
    "Exponential integral Ei, dy = e^x / x.",
    [lambda y, x: exp(x) / x],
    span(0.3, 3),
    singular=(0,),
)

# --- products with logarithms ---


def _ratio(x: Any, y: Any) -> Any:
    """x / y, and 0 where x is 0."""
    none = eq(x, 0 * x)
    return select(none, 0 * x, div(x, select(none, 0 * y + 1, y)))


xlogy = elementwise(
    "xlogy",
    evaluate=of_scipy("xlogy"),
    partials=[lambda z, x, y: log(y), lambda z, x, y: _ratio(x, y)],
    singular=(0, 1),
    scalar="select(x0 == 0, select(x1 == x1, 0, x1), x0 * log(x1))",
    notation=r"{0} \ln {1}",
    samples=span(-2, 2, (0.3, 2), arity=2),
    kinds="f",
    kinks=(Kink("x = y = 0", "d/dx infinite, 0 where the cotangent is 0; d/dy = 0"),),
    special=lambda: [
        Sample(
            array([0.0, 0.0, 2.0], [0.0, 1.0, 0.0]), derivative=(None, array([0.0, 0.0, np.inf])[0])
        )
    ],
    doc="x ln y, 0 where x is 0.",
)
xlog1py = elementwise(
    "xlog1py",
    evaluate=of_scipy("xlog1py"),
    partials=[lambda z, x, y: log1p(y), lambda z, x, y: _ratio(x, 1 + y)],
    singular=(0, 1),
    scalar="select(x0 == 0, select(x1 == x1, 0, x1), x0 * log1p(x1))",
    notation=r"{0} \ln(1 + {1})",
    samples=span(-2, 2, (-0.7, 2), arity=2),
    kinds="f",
    kinks=(Kink("x = 0, y = -1", "as xlogy at 0"),),
    special=lambda: [
        Sample(array([0.0, 2.0], [-1.0, -1.0]), derivative=(None, array([0.0, np.inf])[0]))
    ],
    doc="x ln(1 + y), 0 where x is 0.",
)
logit = elementwise(
    "logit",
    evaluate=of_scipy("logit"),
    partials=[lambda y, x: 1 / (x * (1 - x))],
    singular=(0,),
    scalar="select(abs(x0 - 0.5) < 0.25, log1p((2 * x0 - 1) / (1 - x0)), log(x0 / (1 - x0)))",
    notation=r"\mathrm{{logit}}\,{0}",
    samples=span(0.1, 0.9),
    kinds="f",
    kinks=(Kink("x = 0 and x = 1", "infinite; 0 where the cotangent is 0"),),
    special=lambda: [Sample(array([0.0, 0.5, 1.0]), derivative=array([np.inf, 4.0, np.inf]))],
    doc="Inverse of the logistic function, ln(x / (1 - x)).",
)

# --- gamma functions ---

gammaln = scipy_function(
    "gammaln",
    "Logarithm of the size of the gamma function.",
    [lambda y, x: psi(x)],
    span(0.3, 4),
    singular=(0,),
)
gamma: Primitive = scipy_function(
    "gamma", "Gamma function.", [lambda y, x: y * psi(x)], span(0.3, 4), singular=(0,)
)
rgamma: Primitive = scipy_function(
    "rgamma", "Reciprocal of the gamma function.", [lambda y, x: -y * psi(x)], span(0.3, 4)
)


def _trigamma(y: Any, x: Any) -> Any:
    from deltarule.program.ops.parametric import polygamma

    return polygamma(np.int64(1), x)


psi: Primitive = scipy_function(
    "psi", "Derivative of the logarithm of gamma.", [_trigamma], span(0.3, 4), singular=(0,)
)
beta: Primitive = scipy_function(
    "beta",
    "Beta function, gamma(a) gamma(b) / gamma(a + b).",
    [lambda y, a, b: y * (psi(a) - psi(a + b)), lambda y, a, b: y * (psi(b) - psi(a + b))],
    span(0.4, 3, arity=2),
)
betaln: Primitive = scipy_function(
    "betaln",
    "Logarithm of the size of the beta function.",
    [lambda y, a, b: psi(a) - psi(a + b), lambda y, a, b: psi(b) - psi(a + b)],
    span(0.4, 3, arity=2),
)

# --- Bessel functions of order 0 and 1; order 2 gives the derivative of order 1 at 0, too ---


def _second(name: str) -> Callable[[Any], Any]:
    def of_order_two(x: Any) -> Any:
        from deltarule.program.primitive import TABLE

        return TABLE[name](np.int64(2), x)

    return of_order_two


_jv, _yv, _iv, _ive, _kv, _kve = (_second(name) for name in ("jv", "yv", "iv", "ive", "kv", "kve"))
j0: Primitive = scipy_function("j0", "Bessel function J0.", [lambda y, x: -j1(x)], span(-4, 4))
j1: Primitive = scipy_function(
    "j1", "Bessel function J1.", [lambda y, x: (j0(x) - _jv(x)) / 2], span(-4, 4)
)
y0: Primitive = scipy_function(
    "y0", "Bessel function Y0.", [lambda y, x: -y1(x)], span(0.5, 4), singular=(0,)
)
y1: Primitive = scipy_function(
    "y1", "Bessel function Y1.", [lambda y, x: (y0(x) - _yv(x)) / 2], span(0.5, 4), singular=(0,)
)
i0: Primitive = scipy_function(
    "i0", "Modified Bessel function I0.", [lambda y, x: i1(x)], span(-3, 3)
)
i1: Primitive = scipy_function(
    "i1", "Modified Bessel function I1.", [lambda y, x: (i0(x) + _iv(x)) / 2], span(-3, 3)
)
i0e: Primitive = scipy_function(
    "i0e", "I0 e^-|x|.", [lambda y, x: i1e(x) - sign(x) * y], span(0.2, 4)
)
i1e: Primitive = scipy_function(
    "i1e",
    "I1 e^-|x|.",
    [lambda y, x: (i0e(x) + _ive(x)) / 2 - sign(x) * y],
    span(0.2, 4),
)
k0: Primitive = scipy_function(
    "k0", "Modified Bessel function K0.", [lambda y, x: -k1(x)], span(0.5, 4), singular=(0,)
)
k1: Primitive = scipy_function(
    "k1",
    "Modified Bessel function K1.",
    [lambda y, x: -(k0(x) + _kv(x)) / 2],
    span(0.5, 4),
    singular=(0,),
)
k0e: Primitive = scipy_function(
    "k0e", "K0 e^x.", [lambda y, x: y - k1e(x)], span(0.5, 4), singular=(0,)
)
k1e: Primitive = scipy_function(
    "k1e", "K1 e^x.", [lambda y, x: y - (k0e(x) + _kve(x)) / 2], span(0.5, 4), singular=(0,)
)
