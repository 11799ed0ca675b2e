"""Smooth functions stay smooth: derivatives of every order, at zero, at ties, at the seams of a formula.

In: functions, and the same in arbitrary precision (mpmath). Out: agreement of three derivatives.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy import stats

import deltarule as dr

SAME = "sinh cosh tan asin acos atan asinh atanh exp expm1 tanh sin cos".split()
NUMPY_NAMES = {name: name.replace("a", "arc", 1) for name in SAME if name.startswith("a")}
PAIRS = {name: (getattr(np, NUMPY_NAMES.get(name, name)), getattr(mpmath, name)) for name in SAME}
PAIRS |= {f"power {n}": (lambda x, n=n: x**n, lambda x, n=n: x**n) for n in range(1, 5)}
PAIRS |= {
    "power of two": (lambda x: 2**x, lambda x: mpmath.mpf(2) ** x),
    "log1p": (np.log1p, lambda x: mpmath.log(1 + x)),
    "exp2": (np.exp2, lambda x: mpmath.mpf(2) ** x),
    "square": (np.square, lambda x: x * x),
    "reciprocal": (lambda x: np.reciprocal(1 + x), lambda x: 1 / (1 + x)),
    "softplus": (lambda x: np.logaddexp(0, x), lambda x: mpmath.log(1 + mpmath.exp(x))),
    "logaddexp": (lambda x: np.logaddexp(x, -x), lambda x: mpmath.log(2 * mpmath.cosh(x))),
    "logaddexp2": (
        lambda x: np.logaddexp2(x, 0),
        lambda x: mpmath.log(1 + mpmath.mpf(2) ** x, 2),
    ),
    "sinc": (np.sinc, lambda x: mpmath.sinc(mpmath.pi * x)),
    "hypot": (lambda x: np.hypot(x, 1.0), lambda x: mpmath.sqrt(x * x + 1)),
    "arctan2": (lambda x: np.arctan2(x, 1.0), mpmath.atan),
    "prod": (lambda x: np.prod(np.array([x, x, x + 1])), lambda x: x * x * (x + 1)),
    "cumprod": (lambda x: np.cumprod(np.array([x, x, x + 1]))[-1], lambda x: x * x * (x + 1)),
    "polyval": (lambda x: np.polyval([1.0, 2.0, 3.0], x), lambda x: (x + 2) * x + 3),
    "matrix_power": (
        lambda x: np.linalg.matrix_power(np.array([[x, 1.0], [1.0, x]]), 3)[0, 0],
        lambda x: x**3 + 3 * x,
    ),
    "einsum": (lambda x: np.einsum("i,i,i->", *[np.array([x, x])] * 3), lambda x: 2 * x**3),
    "logsumexp": (
        lambda x: (
            np.log(np.sum(np.exp(np.array([x, 0.0, -x]) - abs(dr.value(x))))) + abs(dr.value(x))
        ),
        lambda x: mpmath.log(mpmath.exp(x) + 1 + mpmath.exp(-x)),
    ),
    "product with zero": (lambda x: x * np.sin(x), lambda x: x * mpmath.sin(x)),
}


@pytest.mark.parametrize("x", [0.0, 0.3, -0.3])
@pytest.mark.parametrize("name", PAIRS)
def test_three_derivatives(name, x):
    f, exact = PAIRS[name]
    with mpmath.workdps(40):
        expected = [float(mpmath.diff(exact, mpmath.mpf(x), order)) for order in range(4)]
    found = [float(f(np.float64(x)))]
    for _ in range(3):
        f = dr.grad(f)
        found.append(float(f(x)))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "f", [np.sinh, np.arcsinh, np.cbrt, np.logaddexp, np.hypot, np.sinc, np.tanh]
)
def test_far_out(f):
    far = np.array([-1e300, -700.0, -1e-300, -0.0, 0.0, 1e-12, 700.0, 1e300, -np.inf, np.inf])
    far = far if f is not np.arcsinh else far[:-2]
    args = (far,) if getattr(f, "nin", 1) == 1 else (far, far[::-1].copy())
    kept = []
    with np.errstate(all="ignore"):
        dr.grad(lambda _, *xs: kept.append(dr.value(f(*xs))) or _)(1.0, *args)
        np.testing.assert_allclose(kept[0], f(*args), rtol=1e-12, atol=1e-15)


def test_ties_of_logaddexp():
    equal = np.array([-np.inf, np.inf, 3.0])
    kept = []
    with np.errstate(all="ignore"):
        dr.grad(lambda _, a, b: kept.append(dr.value(np.logaddexp(a, b))) or _)(1.0, equal, equal)
        np.testing.assert_allclose(kept[0], np.logaddexp(equal, equal))
    h = dr.hessian(lambda w: np.sum(np.logaddexp(0, w)))(np.zeros(2))
    np.testing.assert_allclose(h, 0.25 * np.eye(2))


@pytest.mark.parametrize(
    ("f", "exact", "x"),
    [
        (np.exp2, lambda x: mpmath.mpf(2) ** x, np.linspace(-1070, 1020, 50)),
        (np.arccosh, mpmath.acosh, 1 + 2.0 ** np.arange(-52, 500, 20)),
    ],
)
def test_close_where_a_plain_formula_is_not(f, exact, x):
    y = dr.compile(lambda x: f(x))(x)
    with mpmath.workdps(40):
        wanted = np.array([float(exact(mpmath.mpf(a))) for a in x.tolist()])
    np.testing.assert_allclose(y, wanted, rtol=8 * np.finfo("f8").eps, atol=0)


def test_slopes_of_the_generalized_normal_distribution_at_its_centre():
    """SciPy's formulas have a sign as a factor, which is 0 there."""
    density = stats.gennorm.pdf(0.0, 1.5)
    assert dr.grad(lambda x: stats.gennorm.cdf(x, 1.5))(0.0) == pytest.approx(density)
    assert dr.grad(lambda q: stats.gennorm.ppf(q, 1.5))(0.5) == pytest.approx(1 / density)
    assert dr.grad(lambda q: stats.gennorm.isf(q, 1.5))(0.5) == pytest.approx(-1 / density)
