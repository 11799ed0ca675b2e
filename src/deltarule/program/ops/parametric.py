"""Special functions with an order or a shape that is not differentiated: Bessel, polygamma, incomplete gamma.

In: parameters first, of any real dtype, then floats. Out: floats, broadcast. A derivative with respect to a
parameter is an error, never zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.errors import GradientError, TypeRuleError
from deltarule.program.families import (
    batch_elementwise,
    broadcast_shapes,
    total,
    unbroadcast,
)
from deltarule.program.lowering import Expand, Lowering, Map
from deltarule.program.ops.elementwise import exp, maximum, power, sign, zmul
from deltarule.program.ops.logic import cast, eq, select
from deltarule.program.ops.special import betaln, gamma, gammaln, of_scipy, psi, xlog1py, xlogy
from deltarule.program.primitive import ErrorSample, Primitive, Sample
from deltarule.program.types import ArrayType

FLOAT = np.dtype(np.float64)
Derivative = Callable[..., Any]
WHOLE = (
    "select(abs({0}) < 2147483648, select({0} == floor({0}), {0}, -1), -1)"  # of -1 there is none
)


def parametric(
    name: str,
    doc: str,
    derivative: Derivative,
    low: float,
    high: float,
    orders: Sequence[int] = (1,),
    whole: Sequence[int] = (),
    integer: bool = False,
    lowering: Lowering | None = None,
) -> Primitive:
    """Declare f(parameters, x) from its derivative ``(y, *parameters, x)`` with respect to x.

    It is tested for x from ``low`` to ``high``, and parameters from those in ``orders`` on. Of a parameter
    in ``whole`` that is no whole number the function is not a number. The first may have to be an
    ``integer`` by its type.
    """
    count = len(orders)

    def type_rule(*types: ArrayType) -> ArrayType:
        x = types[-1]
        if x.dtype.kind != "f" or any(t.dtype.kind not in "biuf" for t in types):
            raise TypeRuleError(f"{name} takes no {x!r}; cast it to float first, x.astype(float)")
        if integer and types[0].dtype.kind not in "iu":
            raise TypeRuleError(
                f"{name} has no order {types[0]!r}; make it an integer, n.astype(int)"
            )
        return ArrayType(broadcast_shapes(name, types), x.dtype)

    def evaluate(*args: Any) -> Any:
        *parameters, x = args
        given = [np.asarray(p).astype(x.dtype) for p in parameters]
        if integer:
            given[0] = parameters[0]
        for i in whole:
            n = given[i]
            given[i] = np.where((abs(n) < 2**31) & (n == np.floor(n)), n, -1)
        return of_scipy(name)(*given, x)

    def refuse(i: int) -> None:
        raise GradientError(
            f"{name} has no derivative with respect to its argument {i}, the order or shape; "
            "take it as a constant, dr.stop_gradient(n)"
        )

    def vjp(i: int, ct: Any, y: Any, *args: Any) -> Any:
        if i < count:
            refuse(i)
        return unbroadcast(zmul(ct, derivative(y, *args)), args[i].shape)

    def jvp(tangents: Sequence[Any], y: Any, *args: Any) -> Any:
        for i, t in enumerate(tangents[:count]):
            if t is not None:
                refuse(i)
        return total([zmul(tangents[-1], derivative(y, *args))], y)

    def samples(rng: np.random.Generator) -> list[Sample]:
        shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
            ((), ()),
            ((), (3,)),
            ((2, 1), (3,)),
            ((3,), (2, 3)),
        ]
        return [
            Sample((*(rng.integers(n, n + 3, p) for n in orders), rng.uniform(low, high, x)))
            for p, x in shapes
        ]

    places = ", ".join(f"{{{i}}}" for i in range(count + 1))
    given = [f"cast(x{i})" for i in range(count)]
    for i in whole:
        given[i] = WHOLE.format(given[i])
    if integer:
        given[0] = "x0"
    ones = [np.ones(2, int if integer and i == 0 else float) for i in range(count)]
    return Primitive(
        name,
        doc,
        type_rule=type_rule,
        evaluate=evaluate,
        vjp=vjp,
        jvp=jvp,
        batch=batch_elementwise(name),
        lowering=lowering or Map(f"special.{name}({', '.join(given)}, x{count})"),
        notation=rf"\mathrm{{{{{name}}}}}({places})",
        samples=samples,
        errors=(
            ErrorSample((*ones, np.ones(2, int)), {}, "takes no i64[2]"),
            ErrorSample((*ones, np.ones(3)), {}, "do not broadcast"),
        ),
    )


def _neighbours(f: Callable[[], Primitive], below: float, above: float) -> Derivative:
    """below f(n - 1, x) + above f(n + 1, x)."""
    return lambda y, n, x: f()(n - 1, x) * below + f()(n + 1, x) * above


jv: Primitive = parametric(
    "jv", "Bessel function J of real order.", _neighbours(lambda: jv, 0.5, -0.5), 0.5, 4
)
yv: Primitive = parametric(
    "yv", "Bessel function Y of real order.", _neighbours(lambda: yv, 0.5, -0.5), 1, 4
)
iv: Primitive = parametric(
    "iv", "Modified Bessel function I of real order.", _neighbours(lambda: iv, 0.5, 0.5), 0.5, 3
)
kv: Primitive = parametric(
    "kv", "Modified Bessel function K of real order.", _neighbours(lambda: kv, -0.5, -0.5), 1, 4
)
ive: Primitive = parametric(
    "ive",
    "I of real order times e^-|x|.",
    lambda y, n, x: (ive(n - 1, x) + ive(n + 1, x)) / 2 - sign(x) * y,
    0.5,
    4,
)
kve: Primitive = parametric(
    "kve",
    "K of real order times e^x.",
    lambda y, n, x: y - (kve(n - 1, x) + kve(n + 1, x)) / 2,
    1,
    4,
)
zeta: Primitive = parametric(
    "zeta",
    "Hurwitz's zeta function, the sum of (x + k)^-s over k = 0, 1, ...",
    lambda y, s, x: -cast(s, dtype=x.dtype) * zeta(s + 1, x),
    0.5,
    4,
    orders=(2,),
    lowering=Map("zeta(cast(x0), x1)"),
)


def _polygamma_steps(n: Any, x: Any) -> Any:
    """(-1)^(n + 1) n! zeta(n + 1, x), and psi where n is 0."""
    order, exact = cast(n, dtype=FLOAT), cast(x, dtype=FLOAT)
    sign = power(np.float64(-1), order + 1)
    size = gamma(order + 1) * zeta(order + 1, exact)
    return cast(select(eq(order, 0 * order), psi(exact), sign * size), dtype=x.dtype)


polygamma: Primitive = parametric(
    "polygamma",
    "The nth derivative of psi.",
    lambda y, n, x: polygamma(n + 1, x),
    0.5,
    4,
    lowering=Expand(_polygamma_steps),
)


def _expn_slope(y: Any, n: Any, x: Any) -> Any:
    """-E_(n-1), and of E_0 = e^-x / x what that gives."""
    n = cast(n, dtype=x.dtype)
    return select(eq(n, 0 * n), -y * (1 + 1 / x), -expn(maximum(n - 1, 0 * n), x))


expn: Primitive = parametric(
    "expn",
    "Generalized exponential integral E_n, n = 0, 1, ...; of other n not a number.",
    _expn_slope,
    0.5,
    3,
    whole=(0,),
)


def gamma_density(y: Any, a: Any, x: Any) -> Any:
    """x^(a - 1) e^-x / gamma(a)."""
    a = cast(a, dtype=x.dtype)
    return exp(xlogy(a - 1, x) - x - gammaln(a))


gammainc: Primitive = parametric(
    "gammainc", "Regularized lower incomplete gamma function.", gamma_density, 0.3, 4
)
gammaincc: Primitive = parametric(
    "gammaincc",
    "Regularized upper incomplete gamma function.",
    lambda y, a, x: -gamma_density(y, a, x),
    0.3,
    4,
)


def beta_density(y: Any, a: Any, b: Any, x: Any) -> Any:
    """x^(a - 1) (1 - x)^(b - 1) / B(a, b)."""
    a, b = cast(a, dtype=x.dtype), cast(b, dtype=x.dtype)
    return exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b))


betainc: Primitive = parametric(
    "betainc", "Regularized incomplete beta function.", beta_density, 0.2, 0.8, orders=(1, 1)
)
