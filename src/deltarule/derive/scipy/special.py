"""``scipy.special`` on traced values; loaded when SciPy's module is.

In: floats, or integers that become floats. Out: primitives, or formulas of them that keep their precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from deltarule.derive.functions.arguments import Axis, as_float, axes_of
from deltarule.derive.functions.reduce import _max, _sum
from deltarule.derive.library import library_rule
from deltarule.derive.table import NUMPY, UFUNCS
from deltarule.derive.ufuncs import casting, operand, truth
from deltarule.errors import GradientError, TypeRuleError
from deltarule.program import ops
from deltarule.program.primitive import Traced

UNARY = """
    erf erfc erfcx erfinv erfcinv ndtr log_ndtr ndtri dawsn exp1 expi logit gammaln gamma rgamma psi
    j0 j1 y0 y1 i0 i0e i1 i1e k0 k0e k1 k1e erfi ndtri_exp cosm1 wrightomega spence ellipk ellipe ellipkm1
""".split()
BINARY = "xlogy xlog1py beta betaln owens_t poch binom powm1".split()
PARAMETRIC = """
    jv yn yv iv ive kn kv kve expn struve modstruve
    gammainc gammaincc gammaincinv gammainccinv betainc betaincc betaincinv betainccinv
    stdtr stdtrit fdtr fdtrc fdtri
""".split()
WITH_ORDER = """
    eval_legendre eval_chebyt eval_chebyu eval_hermite eval_hermitenorm eval_laguerre
    eval_genlaguerre eval_gegenbauer eval_jacobi
""".split()
SEVERAL = {
    "sici": (ops.sine_integral, ops.cosine_integral),
    "fresnel": (ops.fresnel_sine, ops.fresnel_cosine),
    "airy": (ops.airy_ai, ops.airy_ai_slope, ops.airy_bi, ops.airy_bi_slope),
}
SAME = {"yn": "yv", "kn": "kv"}


def special_rule(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the rule of a ufunc of SciPy, written for operands that are cast already."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        ufunc = getattr(special, name)
        UFUNCS[ufunc] = casting(ufunc, f)
        return f

    return declare


for _name in UNARY + BINARY:
    special_rule(_name)(getattr(ops, _name))
special_rule("expit")(ops.sigmoid)
special_rule("log1p")(ops.log1p)
special_rule("expm1")(ops.expm1)
special_rule("cbrt")(UFUNCS[np.cbrt])
special_rule("exp2")(UFUNCS[np.exp2])


for _name, _results in SEVERAL.items():
    special_rule(_name)(lambda x, results=_results: tuple(f(x) for f in results))


def parameter(p: Any) -> Any:
    """A parameter stays what it is; Python's numbers become NumPy's."""
    p = operand(p)
    return p if hasattr(p, "dtype") else np.asarray(p)[()]


def order(n: Any, name: str) -> Any:
    """An order as an integer: traced as one, or a known number that is whole."""
    n = parameter(n)
    if n.dtype.kind == "b" or (n.dtype.kind == "f" and not isinstance(n, Traced)):
        whole = np.asarray(n).astype(np.int64)
        if np.any(whole != n):
            raise TypeRuleError(f"{name} of order {n} has no derivative here; orders are integers")
        return whole[()]
    return n


def _with_parameters(name: str) -> None:
    """Parameters, then a float."""
    primitive = getattr(ops, SAME.get(name, name))
    with_order = name in WITH_ORDER

    def rule(*args: Any) -> Any:
        *parameters, x = args
        given = [parameter(p) for p in parameters]
        if with_order:
            given[0] = order(given[0], name)
        return primitive(*given, as_float(operand(x)))

    UFUNCS[getattr(special, name)] = rule


for _name in PARAMETRIC + WITH_ORDER:
    _with_parameters(_name)


@special_rule("exp10")
def _exp10(x: Any) -> Any:
    return x.dtype.type(10) ** x


@special_rule("gammasgn")
def _gammasgn(x: Any) -> Any:
    """1 for x > 0; below, it changes at each whole number."""
    one = x.dtype.type(1)
    odd = ops.ne(ops.remainder(ops.floor(x), 2 * one), 0 * one)
    return ops.select(ops.and_(ops.lt(x, 0 * one), odd), -one, one)


@special_rule("loggamma")
def _loggamma(x: Any) -> Any:
    """Of real numbers: not a number below 0."""
    none = x.dtype.type(np.nan)
    return ops.select(ops.lt(x, 0 * none), none, ops.gammaln(x))


@special_rule("log_expit")
def _log_expit(x: Any) -> Any:
    return -UFUNCS[np.logaddexp](-x, x.dtype.type(0))


@special_rule("entr")
def _entr(x: Any) -> Any:
    return ops.select(ops.lt(x, 0 * x), x.dtype.type(-np.inf), -ops.xlogy(x, x))


@special_rule("rel_entr")
def _rel_entr(x: Any, y: Any) -> Any:
    zero = x.dtype.type(0)
    none = ops.and_(ops.eq(x, zero), ops.ge(y, zero))
    defined = ops.and_(ops.gt(x, zero), ops.gt(y, zero))
    one = x.dtype.type(1)
    ratio = ops.select(defined, x, one) / ops.select(defined, y, one)
    found = ops.select(defined, x, zero) * ops.log(ratio)
    outside = ops.select(none, ops.xlogy(x, x), x.dtype.type(np.inf))
    found = ops.select(defined, found, outside)
    return ops.select(ops.ne(x + y, x + y), x + y, found)


@special_rule("kl_div")
def _kl_div(x: Any, y: Any) -> Any:
    return _rel_entr(x, y) - x + y


@special_rule("exprel")
def _exprel(x: Any) -> Any:
    """(e^x - 1) / x, by its series near 0."""
    near = ops.lt(ops.abs(x), x.dtype.type(1e-3))
    safe = ops.select(near, x.dtype.type(1), x)
    series = 1 + x / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5 * (1 + x / 6))))
    return ops.select(near, series, ops.expm1(safe) / safe)


@special_rule("boxcox")
def _boxcox(x: Any, power: Any) -> Any:
    """(x^n - 1) / n, and ln x where n is 0."""
    log = ops.log(x)
    return log * _exprel(power * log)


@special_rule("boxcox1p")
def _boxcox1p(x: Any, power: Any) -> Any:
    log = ops.log1p(x)
    return log * _exprel(power * log)


def _log1p_over(u: Any) -> Any:
    """ln(1 + u) / u, by its series near 0."""
    near = ops.lt(ops.abs(u), u.dtype.type(1e-3))
    safe = ops.select(near, u.dtype.type(1), u)
    series = 1 - u * (1 / 2 - u * (1 / 3 - u * (1 / 4 - u * (1 / 5 - u / 6))))
    return ops.select(near, series, ops.log1p(safe) / safe)


@special_rule("inv_boxcox")
def _inv_boxcox(x: Any, power: Any) -> Any:
    """(1 + n x)^(1 / n), and e^x where n is 0."""
    return ops.exp(x * _log1p_over(power * x))


@special_rule("inv_boxcox1p")
def _inv_boxcox1p(x: Any, power: Any) -> Any:
    return ops.expm1(x * _log1p_over(power * x))


@special_rule("huber")
def _huber(delta: Any, r: Any) -> Any:
    size = ops.abs(r)
    return ops.select(ops.le(size, delta), r * r / 2, delta * (size - delta / 2))


@special_rule("pseudo_huber")
def _pseudo_huber(delta: Any, r: Any) -> Any:
    ratio = r / delta
    square = ratio * ratio
    return delta * delta * square / (1 + ops.sqrt(1 + square))


# --- Python functions ---


@library_rule(special.logsumexp)
def _logsumexp(
    a: Any, axis: Axis = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    x = as_float(a)
    weights = None if b is None else as_float(b)
    if weights is not None:
        shape = np.broadcast_shapes(x.shape, weights.shape)
        x, weights = (NUMPY["broadcast_to"](v, shape) for v in (x, weights))
        x = ops.select(truth(weights), x, x.dtype.type(-np.inf))
    axes = axes_of(axis, x.ndim)
    real = ops.real(x) if x.dtype.kind == "c" else x
    highest = ops.stop_gradient(_max(real, axes, keepdims=True, initial=-np.inf))
    highest = ops.select(UFUNCS[np.isfinite](highest), highest, highest.dtype.type(0))
    parts = ops.exp(x - highest)
    total = _sum(parts if weights is None else weights * parts, axes, keepdims=True)
    sign = UFUNCS[np.sign](total)
    size = UFUNCS[np.absolute](total) if return_sign else total
    found = ops.log(size) + highest
    if not keepdims:
        found, sign = (NUMPY["squeeze"](y, axes) for y in (found, sign))
    return (found, sign) if return_sign else found


@library_rule(special.log_softmax)
def _log_softmax(x: Any, axis: Axis = None) -> Any:
    x = as_float(x)
    moved = x - ops.stop_gradient(_max(x, axis, keepdims=True))
    return moved - ops.log(_sum(ops.exp(moved), axis, keepdims=True))


@library_rule(special.softmax)
def _softmax(x: Any, axis: Axis = None) -> Any:
    x = as_float(x)
    parts = ops.exp(x - ops.stop_gradient(_max(x, axis, keepdims=True)))
    return parts / _sum(parts, axis, keepdims=True)


@library_rule(special.multigammaln)
def _multigammaln(a: Any, d: int) -> Any:
    x = as_float(a)
    found: Any = d * (d - 1) / 4 * float(np.log(np.pi))
    for j in range(int(d)):
        found = found + ops.gammaln(x - j / 2)
    return found


@library_rule(special.zeta)
def _zeta(x: Any, q: Any = None, out: None = None) -> Any:
    if q is None:
        raise GradientError(
            "scipy.special.zeta(x) has no derivative; that of zeta(s, q) with respect to q is known"
        )
    return ops.zeta(parameter(x), as_float(q))


@library_rule(special.polygamma)
def _polygamma(n: Any, x: Any) -> Any:
    return ops.polygamma(parameter(n), as_float(x))


def _spherical(name: str, below: int, above: int) -> None:
    """A spherical Bessel function, or its derivative by its neighbours."""
    f = getattr(ops, name)

    @library_rule(getattr(special, name))
    def rule(n: Any, z: Any, derivative: bool = False) -> Any:
        n, x = order(n, name), as_float(z)
        if not derivative:
            return f(n, x)
        lower = f(ops.maximum(n - 1, 0 * n), x)
        return (below * n * lower + above * (n + 1) * f(n + 1, x)) / (2 * n + 1)


_spherical("spherical_jn", 1, -1)
_spherical("spherical_yn", 1, -1)
_spherical("spherical_in", 1, 1)


if hasattr(special, "softplus"):

    @library_rule(special.softplus)
    def _softplus(x: Any) -> Any:
        x = as_float(x)
        return UFUNCS[np.logaddexp](x, x.dtype.type(0))
