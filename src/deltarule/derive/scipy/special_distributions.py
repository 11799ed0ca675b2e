"""Distributions and counts of ``scipy.special`` on traced values; loaded with the rest of it.

In: floats, or integers that become floats. Out: formulas of incomplete gamma and beta functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from deltarule.derive.functions.arguments import as_float
from deltarule.derive.library import library_rule
from deltarule.derive.scipy.special import special_rule
from deltarule.derive.table import UFUNCS
from deltarule.derive.ufuncs import common
from deltarule.errors import GradientError
from deltarule.program import ops


@special_rule("gdtr")
def _gdtr(rate: Any, shape: Any, x: Any) -> Any:
    return ops.gammainc(shape, rate * x)


@special_rule("gdtrc")
def _gdtrc(rate: Any, shape: Any, x: Any) -> Any:
    return ops.gammaincc(shape, rate * x)


@special_rule("chdtr")
def _chdtr(freedom: Any, x: Any) -> Any:
    return ops.gammainc(freedom / 2, x / 2)


@special_rule("chdtrc")
def _chdtrc(freedom: Any, x: Any) -> Any:
    return ops.gammaincc(freedom / 2, x / 2)


@special_rule("chdtri")
def _chdtri(freedom: Any, p: Any) -> Any:
    return 2 * ops.gammainccinv(freedom / 2, p)


def counts_rule(name: str) -> Callable[[Callable[..., Any]], None]:
    """Declare the rule of a ufunc that cuts counts to integers, on floats that are cut already, and p."""

    def declare(f: Callable[..., Any]) -> None:
        def rule(*args: Any) -> Any:
            *counts, p = common(*map(as_float, args))
            return f(*map(ops.floor, counts), p)

        UFUNCS[getattr(special, name)] = rule

    return declare


def _parts(k: Any, n: Any) -> tuple[Any, Any, Any]:
    """Whether 0 <= k < n, and k + 1 and n - k, or 1 where that is not so."""
    some = ops.and_(ops.ge(k, 0 * k), ops.lt(k, n))
    one = k.dtype.type(1)
    return some, ops.select(some, k + 1, one), ops.select(some, n - k, one)


@counts_rule("bdtr")
def _bdtr(k: Any, n: Any, p: Any) -> Any:
    """At most k of n; all of n are certain, fewer than none and more than n not a number."""
    some, more, rest = _parts(k, n)
    whole = ops.select(ops.eq(k, n), p.dtype.type(1), p.dtype.type(np.nan))
    return ops.select(some, ops.betainc(rest, more, 1 - p), whole)


@counts_rule("bdtrc")
def _bdtrc(k: Any, n: Any, p: Any) -> Any:
    """More than k of n."""
    some, more, rest = _parts(k, n)
    none = ops.select(ops.eq(k, n), p.dtype.type(0), p.dtype.type(np.nan))
    none = ops.select(ops.lt(k, 0 * k), p.dtype.type(1), none)
    return ops.select(some, ops.betainc(more, rest, p), none)


@counts_rule("nbdtr")
def _nbdtr(k: Any, n: Any, p: Any) -> Any:
    """At most k failures before n successes; fewer than none is not a number."""
    return ops.select(ops.lt(k, 0 * k), p.dtype.type(np.nan), ops.betainc(n, k + 1, p))


@counts_rule("nbdtrc")
def _nbdtrc(k: Any, n: Any, p: Any) -> Any:
    return ops.select(ops.lt(k, 0 * k), p.dtype.type(np.nan), ops.betainc(k + 1, n, 1 - p))


@special_rule("pdtr")
def _pdtr(k: Any, mean: Any) -> Any:
    return ops.gammaincc(ops.floor(k) + 1, mean)


@special_rule("pdtrc")
def _pdtrc(k: Any, mean: Any) -> Any:
    return ops.gammainc(ops.floor(k) + 1, mean)


# --- Python functions ---


def _counts(n: Any, k: Any, found: Callable[[Any, Any], Any]) -> Any:
    """found(n, k) where 0 <= k <= n, else 0."""
    n, k = common(as_float(n), as_float(k))
    zero = n.dtype.type(0)
    inside = ops.and_(ops.and_(ops.le(k, n), ops.ge(n, zero)), ops.ge(k, zero))
    safe = ops.select(inside, n, zero + 1), ops.select(inside, k, zero + 1)
    return ops.select(inside, found(*safe), zero)


@library_rule(special.comb)
def _comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    if exact:
        raise GradientError("special.comb(..., exact=True) is of integers; leave exact out")
    return _counts(N + k - 1 if repetition else N, k, ops.binom)


@library_rule(special.perm)
def _perm(N: Any, k: Any, exact: bool = False) -> Any:
    if exact:
        raise GradientError("special.perm(..., exact=True) is of integers; leave exact out")
    return _counts(N, k, lambda n, k: ops.poch(n - k + 1, k))


@library_rule(special.factorial)
def _factorial(n: Any, exact: bool = False, extend: str = "zero") -> Any:
    if exact or extend != "zero":
        raise GradientError("special.factorial has a derivative with exact=False, extend='zero'")
    x = as_float(n)
    below = ops.lt(x, x.dtype.type(0))
    found = ops.gamma(ops.select(below, x.dtype.type(0), x) + 1)
    return ops.select(below, x.dtype.type(0), found)
