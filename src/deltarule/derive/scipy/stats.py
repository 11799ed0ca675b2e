"""``scipy.stats`` on traced values: densities, probabilities and quantiles of its distributions.

In: arguments and parameters. Out: SciPy's own formulas, traced (its ``_logpdf``, ``_cdf``, ... are written in
NumPy and ``scipy.special``), with its values outside the support; ours where it calls compiled code.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import special, stats
from scipy._lib import array_api_extra

from deltarule.derive.functions.arguments import as_float
from deltarule.derive.functions.linalg import symmetric
from deltarule.derive.library import library_rule
from deltarule.derive.table import NUMPY, UFUNCS, no_rule
from deltarule.derive.tracer import Tracer
from deltarule.derive.ufuncs import joined, truth
from deltarule.errors import DeltaruleError
from deltarule.program import ops
from deltarule.program.ops.contract import swap

_where, _and, _not = NUMPY["where"], UFUNCS[np.logical_and], UFUNCS[np.logical_not]
_log, _exp, _log1p = UFUNCS[np.log], UFUNCS[np.exp], UFUNCS[np.log1p]
_gammaln, _xlogy, _xlog1py = (UFUNCS[getattr(special, n)] for n in ("gammaln", "xlogy", "xlog1py"))
_betainc, _gammainc = UFUNCS[special.betainc], UFUNCS[special.gammainc]
_gammaincc, _gammainccinv = UFUNCS[special.gammaincc], UFUNCS[special.gammainccinv]

# --- formulas of ours ---


def _t_logpdf(
    x: Any,
    df: Any,
) -> Any:
    constant = _gammaln((df + 1) / 2) - _gammaln(df / 2) - _log(np.pi * df) / 2
    return constant - (df + 1) / 2 * _log1p(x * x / df)


def _t_cdf(
    x: Any,
    df: Any,
) -> Any:
    """By the incomplete beta function; near 0, where its derivative is infinite, by the tangent."""
    near = UFUNCS[np.less](UFUNCS[np.absolute](x), 1e-9)
    safe = _where(near, 1.0, x)
    half = _betainc(df / 2, 0.5, df / (df + safe * safe)) / 2
    found = _where(UFUNCS[np.less](safe, 0.0), half, 1 - half)
    return _where(near, 0.5 + x * _exp(_t_logpdf(0 * x, df)), found)


def _gennorm_cdf(
    x: Any,
    beta: Any,
) -> Any:
    """SciPy's formula has the sign of x as a factor, which would take the derivative at 0 away."""
    near = UFUNCS[np.less](UFUNCS[np.absolute](x), 1e-9)
    safe = _where(near, 1.0, x)
    side = _where(UFUNCS[np.less](safe, 0.0), -0.5, 0.5)
    rest = _gammaincc(1 / beta, UFUNCS[np.absolute](safe) ** beta)
    slope = beta / (2 * _exp(_gammaln(1 / beta)))
    return _where(near, 0.5 + x * slope, 0.5 + side - side * rest)


def _gennorm_ppf(
    q: Any,
    beta: Any,
) -> Any:
    """At 1/2, where SciPy's formula has the sign of q - 1/2 as a factor, by the tangent."""
    near = UFUNCS[np.less](UFUNCS[np.absolute](q - 0.5), 1e-9)
    safe = _where(near, 0.75, q)
    side = _where(UFUNCS[np.less](safe, 0.5), -1.0, 1.0)
    found = side * _gammainccinv(1 / beta, 1 + side - 2 * side * safe) ** (1 / beta)
    slope = 2 * _exp(_gammaln(1 / beta)) / beta
    return _where(near, (q - 0.5) * slope, found)


def _cauchy_isf(
    q: Any,
) -> Any:
    """From the nearer end of (0, 1), which keeps the digits of large results."""
    upper = UFUNCS[np.greater](q, 0.5)
    size = 1 / UFUNCS[np.tan](np.pi * _where(upper, 1 - q, q))
    return _where(upper, -size, size)


def _binom_cdf(
    k: Any,
    n: Any,
    p: Any,
) -> Any:
    k = UFUNCS[np.floor](k)
    return _betainc(n - k, k + 1, 1 - p)


FORMULAS: dict[tuple[str, str], Callable[..., Any]] = {
    ("t", "logpdf"): _t_logpdf,
    ("t", "pdf"): lambda x, df: _exp(_t_logpdf(x, df)),
    ("t", "cdf"): _t_cdf,
    ("t", "sf"): lambda x, df: _t_cdf(-x, df),
    ("gennorm", "cdf"): _gennorm_cdf,
    ("gennorm", "sf"): lambda x, beta: _gennorm_cdf(-x, beta),
    ("gennorm", "ppf"): _gennorm_ppf,
    ("gennorm", "isf"): lambda q, beta: -_gennorm_ppf(q, beta),
    ("cauchy", "ppf"): lambda q: -_cauchy_isf(q),
    ("cauchy", "isf"): _cauchy_isf,
    ("beta", "ppf"): lambda q, a, b: UFUNCS[special.betaincinv](a, b, q),
    ("beta", "sf"): lambda x, a, b: _betainc(b, a, 1 - x),
    ("binom", "cdf"): _binom_cdf,
    ("binom", "sf"): lambda k, n, p: _betainc(UFUNCS[np.floor](k) + 1, n - UFUNCS[np.floor](k), p),
    ("nbinom", "cdf"): lambda k, n, p: _betainc(n, UFUNCS[np.floor](k) + 1, p),
    ("nbinom", "sf"): lambda k, n, p: _betainc(UFUNCS[np.floor](k) + 1, n, 1 - p),
    ("chi2", "cdf"): lambda x, df: _gammainc(df / 2, x / 2),
    ("chi2", "sf"): lambda x, df: _gammaincc(df / 2, x / 2),
    ("poisson", "cdf"): lambda k, mu: _gammaincc(UFUNCS[np.floor](k) + 1, mu),
    ("poisson", "sf"): lambda k, mu: _gammainc(UFUNCS[np.floor](k) + 1, mu),
}
EXPONENTIAL = {  # their densities are compiled code, the logarithms are not
    ("beta", "pdf"),
    ("binom", "pmf"),
    ("nbinom", "pmf"),
}
OUTSIDE = {  # below and above the support
    "pdf": (0.0, 0.0),
    "logpdf": (-np.inf, -np.inf),
    "pmf": (0.0, 0.0),
    "logpmf": (-np.inf, -np.inf),
    "cdf": (0.0, 1.0),
    "logcdf": (-np.inf, 0.0),
    "sf": (1.0, 0.0),
    "logsf": (0.0, -np.inf),
}


def _formula(
    distribution: Any,
    name: str,
) -> Callable[..., Any]:
    key = distribution.name, name
    if key in FORMULAS:
        return FORMULAS[key]
    if key in EXPONENTIAL:
        log = _formula(distribution, "log" + name)
        return lambda *args: _exp(log(*args))
    if name == "logcdf" and (distribution.name, "cdf") in FORMULAS:
        return lambda *args: _log(FORMULAS[distribution.name, "cdf"](*args))
    if name == "logsf" and (distribution.name, "sf") in FORMULAS:
        return lambda *args: _log(FORMULAS[distribution.name, "sf"](*args))
    return getattr(distribution, f"_{name}")  # type: ignore[no-any-return]


def _traced(
    distribution: Any,
    name: str,
    args: tuple[Any, ...],
) -> Any:
    """SciPy's own formula on traced values."""
    try:
        return _formula(distribution, name)(*args)
    except (DeltaruleError, TypeError, ValueError) as error:
        whole = f"stats.{distribution.name}.{name}"
        raise no_rule(named(whole), f"SciPy's formula is no NumPy code: {error}") from error


def named(name: str) -> Any:
    """Something that has the name in an error."""
    return SimpleNamespace(__name__=name, __module__="scipy")


def _inner(
    a: Any,
    b: Any,
) -> Any:
    """A point inside the support, where no formula is infinite."""
    low, high = UFUNCS[np.isfinite](a), UFUNCS[np.isfinite](b)
    first, last = _where(low, a, 0.0), _where(high, b, 0.0)
    both, one = (first + last) / 2, _where(low, first + 1.0, _where(high, last - 1.0, 0.0))
    return _where(_and(low, high), both, one)


def _numbers(*xs: Any) -> list[Any]:
    return [as_float(x) for x in xs]


def _of(
    distribution: Any,
    name: str,
    x: Any,
    args: Any,
    kwds: Any,
) -> Any:
    """The formula inside the support, SciPy's constants outside, NaN where a parameter is impossible."""
    shapes, loc, scale = distribution._parse_args(*args, **kwds)
    discrete = isinstance(distribution, stats.rv_discrete)
    x, loc, scale, *shapes = _numbers(x, loc, 1.0 if discrete else scale, *shapes)
    y = (x - loc) / scale
    a, b = distribution._get_support(*shapes)
    below, above = UFUNCS[np.less](y, a), UFUNCS[np.greater](y, b)
    if name in ("cdf", "logcdf", "sf", "logsf"):
        above = UFUNCS[np.greater_equal](y, b)
        below = below if discrete else UFUNCS[np.less_equal](y, a)
    inside = _and(_not(below), _not(above))
    if name in ("pmf", "logpmf"):
        inside = _and(inside, UFUNCS[np.equal](UFUNCS[np.floor](y), y))
    middle = UFUNCS[np.ceil](_inner(a, b)) if discrete else _inner(a, b)
    with np.errstate(all="ignore"):
        found = _traced(distribution, name, (_where(inside, y, middle), *shapes))
    if name in ("pdf", "logpdf"):
        found = found / scale if name == "pdf" else found - _log(scale)
    low, high = OUTSIDE[name]
    found = _where(inside, found, _where(above, high, low))
    right = _and(truth(distribution._argcheck(*shapes)), UFUNCS[np.greater](scale, 0.0))
    return _where(_and(right, UFUNCS[np.equal](y, y)), found, np.nan)


def _density(name: str) -> Callable[..., Any]:
    if name in ("pmf", "logpmf"):
        return lambda self, k, *args, **kwds: _of(self, name, k, args, kwds)
    return lambda self, x, *args, **kwds: _of(self, name, x, args, kwds)


def _moved(
    end: Any,
    scale: Any,
    loc: Any,
) -> Any:
    """An end of the support; one at infinity does not move."""
    bounded = UFUNCS[np.isfinite](end)
    return _where(bounded, _where(bounded, end, 0.0) * scale + loc, end)


def _quantile(name: str) -> Callable[..., Any]:
    """Of probabilities between 0 and 1; the ends of the support at these."""

    def quantile(
        self: Any,
        q: Any,
        *args: Any,
        **kwds: Any,
    ) -> Any:
        shapes, loc, scale = self._parse_args(*args, **kwds)
        q, loc, scale, *shapes = _numbers(q, loc, scale, *shapes)
        a, b = self._get_support(*shapes)
        first, last = (a, b) if name == "ppf" else (b, a)
        inside = _and(UFUNCS[np.greater](q, 0.0), UFUNCS[np.less](q, 1.0))
        found = _traced(self, name, (_where(inside, q, 0.5), *shapes)) * scale + loc
        ends = (_moved(x, scale, loc) for x in (first, last))
        end = _where(UFUNCS[np.equal](q, 0.0), *ends)
        found = _where(inside, found, end)
        right = _and(truth(self._argcheck(*shapes)), UFUNCS[np.greater](scale, 0.0))
        possible = _and(UFUNCS[np.greater_equal](q, 0.0), UFUNCS[np.less_equal](q, 1.0))
        return _where(_and(right, possible), found, np.nan)

    return quantile


for _name in ("pdf", "logpdf", "cdf", "logcdf", "sf", "logsf"):
    library_rule(getattr(stats.rv_continuous, _name))(_density(_name))
for _name in ("pmf", "logpmf", "cdf", "logcdf", "sf", "logsf"):
    library_rule(getattr(stats.rv_discrete, _name))(_density(_name))
for _name in ("ppf", "isf"):
    library_rule(getattr(stats.rv_continuous, _name))(_quantile(_name))


@library_rule(stats.rv_continuous._argcheck)
def _positive(
    self: Any,
    *args: Any,
) -> Any:
    """Unless a distribution says otherwise its parameters are positive."""
    found: Any = True
    for x in args:
        found = _and(found, UFUNCS[np.greater](x, 0))
    return found


@library_rule(array_api_extra.apply_where)
def _apply_where(
    cond: Any,
    args: Any,
    f1: Any,
    f2: Any = None,
    /,
    *,
    fill_value: Any = None,
    xp: Any = None,
) -> Any:
    """SciPy's choice between two formulas: only one of them where the condition is the same everywhere."""
    given = args if isinstance(args, tuple) else (args,)
    plain = cond
    while isinstance(plain, Tracer) and plain.known:
        plain = plain.value
    if not isinstance(plain, Tracer) and np.all(plain):
        return f1(*given)
    other = fill_value if f2 is None else f2(*given)
    if not isinstance(plain, Tracer) and not np.any(plain):
        return other
    return _where(cond, f1(*given), other)


# --- of several variables ---


def _covariance(
    cov: Any,
    n: int,
) -> Any:
    """A matrix, from one number, or those of a diagonal."""
    x = as_float(cov)
    if x.ndim == 2:
        return x
    return np.eye(n) * x


def _normal(
    x: Any,
    mean: Any,
    cov: Any,
) -> Any:
    """ln N: -(n ln 2 pi + ln det C + (x - m)^T C^-1 (x - m)) / 2, by the Cholesky factor of C."""
    x, cov = as_float(x), as_float(cov)
    n = cov.shape[0] if cov.ndim else np.shape(mean)[-1] if np.ndim(mean) else 1
    mean = as_float(np.zeros(n) if mean is None else mean)
    if n == 1 and (not x.ndim or x.shape[-1] != 1):
        x = x[..., None]
    root, maha = _distances(x - mean, _covariance(cov, n))
    return -(n * float(np.log(2 * np.pi)) + root + maha) / 2


def _distances(
    off: Any,
    cov: Any,
) -> tuple[Any, Any]:
    """ln det C, and off^T C^-1 off for each row."""
    factor = ops.cholesky(symmetric(cov, False))
    flat = NUMPY["reshape"](off, (-1, off.shape[-1]))
    seen = ops.solve_triangular(factor, swap(flat), lower=True)
    maha = NUMPY["reshape"](NUMPY["sum"](seen * seen, 0), off.shape[:-1])
    return 2 * NUMPY["sum"](_log(NUMPY["diagonal"](factor))), maha


def _check_regular(allow_singular: bool) -> None:
    if allow_singular:
        raise no_rule(
            named("stats.multivariate_normal"), "with allow_singular=True; leave the argument out"
        )


_multivariate = type(stats.multivariate_normal)
_frozen = type(stats.multivariate_normal(0, 1))


class Normal:
    """``stats.multivariate_normal(mean, cov)`` of traced parameters."""

    def __init__(
        self,
        mean: Any,
        cov: Any,
    ) -> None:
        self.mean, self.cov = mean, cov

    def logpdf(
        self,
        x: Any,
    ) -> Any:
        """Logarithm of the density."""
        return _normal(x, self.mean, self.cov)

    def pdf(
        self,
        x: Any,
    ) -> Any:
        """The density."""
        return _exp(self.logpdf(x))


@library_rule(_multivariate.__call__)
def _frozen_normal(
    self: Any,
    mean: Any = None,
    cov: Any = 1,
    allow_singular: bool = False,
    seed: Any = None,
) -> Any:
    _check_regular(allow_singular)
    return Normal(mean, cov)


@library_rule(_multivariate.logpdf)
def _normal_logpdf(
    self: Any,
    x: Any,
    mean: Any = None,
    cov: Any = 1,
    allow_singular: bool = False,
) -> Any:
    _check_regular(allow_singular)
    return _normal(x, mean, cov)


@library_rule(_multivariate.pdf)
def _normal_pdf(
    self: Any,
    x: Any,
    mean: Any = None,
    cov: Any = 1,
    allow_singular: bool = False,
) -> Any:
    return _exp(_normal_logpdf(self, x, mean, cov, allow_singular))


@library_rule(_frozen.logpdf)
def _frozen_logpdf(
    self: Any,
    x: Any,
) -> Any:
    return _normal(x, self.mean, self.cov_object.covariance)


@library_rule(_frozen.pdf)
def _frozen_pdf(
    self: Any,
    x: Any,
) -> Any:
    return _exp(_frozen_logpdf(self, x))


_t = type(stats.multivariate_t)


@library_rule(_t.logpdf)
def _multivariate_t(
    self: Any,
    x: Any,
    loc: Any = None,
    shape: Any = 1,
    df: Any = 1,
) -> Any:
    x, shape, df = as_float(x), as_float(shape), as_float(df)
    n = shape.shape[0] if shape.ndim else np.shape(loc)[-1] if np.ndim(loc) else 1
    off = x - as_float(np.zeros(n) if loc is None else loc)
    root, maha = _distances(off, _covariance(shape, n))
    whole = (df + n) / 2
    constant = _gammaln(whole) - _gammaln(df / 2) - n / 2 * _log(np.pi * df) - root / 2
    return constant - whole * _log1p(maha / df)


@library_rule(_t.pdf)
def _multivariate_t_pdf(
    self: Any,
    x: Any,
    loc: Any = None,
    shape: Any = 1,
    df: Any = 1,
) -> Any:
    return _exp(_multivariate_t(self, x, loc, shape, df))


_dirichlet = type(stats.dirichlet)


@library_rule(_dirichlet.logpdf)
def _dirichlet_logpdf(
    self: Any,
    x: Any,
    alpha: Any,
) -> Any:
    x, alpha = as_float(x), as_float(alpha)
    if x.shape[0] + 1 == alpha.shape[0]:
        x = NUMPY["concatenate"]([x, joined([1 - NUMPY["sum"](x, 0)])])
    powers = NUMPY["reshape"](alpha, (-1, *(1,) * (x.ndim - 1)))
    constant = _gammaln(NUMPY["sum"](alpha)) - NUMPY["sum"](_gammaln(alpha))
    return constant + NUMPY["sum"](_xlogy(powers - 1, x), 0)


@library_rule(_dirichlet.pdf)
def _dirichlet_pdf(
    self: Any,
    x: Any,
    alpha: Any,
) -> Any:
    return _exp(_dirichlet_logpdf(self, x, alpha))
