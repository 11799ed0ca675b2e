"""Convolutions and polynomials, highest power first.

In: coefficients. Out: sums of products of neighbours; values, derivatives and fits of polynomials.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import as_array, as_float, same_dtype
from deltarule.derive.functions.linalg import _eigvals, columns
from deltarule.derive.library import library_rule
from deltarule.derive.table import NUMPY, UFUNCS, no_rule, rule
from deltarule.derive.tracer import Tracer
from deltarule.program import ops

_matmul, _atleast_1d = UFUNCS[np.matmul], NUMPY["atleast_1d"]


@rule(np.convolve)
def _convolve(
    a: Any,
    v: Any,
    mode: str = "full",
) -> Any:
    a, v = same_dtype([_atleast_1d(as_array(x)) for x in (a, v)])
    if a.ndim > 1 or v.ndim > 1 or not a.size or not v.size:
        raise ValueError(f"np.convolve takes two vectors, not shapes {a.shape} and {v.shape}")
    if a.shape[0] < v.shape[0]:
        a, v = v, a
    n, m = a.shape[0], v.shape[0]
    reach = m - 1
    padded = ops.pad(a, shape=(n + 2 * reach,), start=(reach,), step=(1,))
    windows = padded[np.arange(n + reach)[:, None] + np.arange(m)]
    start, size = _window(mode, n, reach)
    return _matmul(windows, v[::-1])[start : start + size]


def _window(
    mode: str,
    n: int,
    reach: int,
) -> tuple[int, int]:
    """Which of the full results a mode keeps."""
    known = {"full": (0, n + reach), "same": (reach // 2, n), "valid": (reach, n - reach)}
    if mode not in known:
        raise ValueError(f"mode is 'full', 'same' or 'valid', not {mode!r}")
    return known[mode]


@rule(np.correlate)
def _correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    a, v = same_dtype([_atleast_1d(as_array(x)) for x in (a, v)])
    if a.shape[0] < v.shape[0]:
        return NUMPY["conj"](_correlate(v, a, mode)[::-1])
    return _convolve(a, NUMPY["conj"](v)[::-1], mode)


@rule(np.polyval)
def _polyval(
    p: Any,
    x: Any,
) -> Any:
    x = as_array(x)
    found: Any = 0 * x
    for coefficient in as_array(p):
        found = found * x + coefficient
    return found


@rule(np.vander)
def _vander(
    x: Any,
    N: int | None = None,
    increasing: bool = False,
) -> Any:
    x = as_array(x)
    n = x.shape[0] if N is None else N
    powers = np.arange(n) if increasing else np.arange(n)[::-1]
    return ops.reshape(x, shape=(x.shape[0], 1)) ** powers


def _same_length(
    a1: Any,
    a2: Any,
) -> list[Any]:
    """Coefficients with zeros in front of the shorter ones."""
    given = same_dtype([_atleast_1d(as_array(x)) for x in (a1, a2)])
    n = max(x.shape[0] for x in given)
    return [ops.pad(x, shape=(n,), start=(n - x.shape[0],), step=(1,)) for x in given]


@rule(np.polyadd)
def _polyadd(
    a1: Any,
    a2: Any,
) -> Any:
    return UFUNCS[np.add](*_same_length(a1, a2))


@rule(np.polysub)
def _polysub(
    a1: Any,
    a2: Any,
) -> Any:
    return UFUNCS[np.subtract](*_same_length(a1, a2))


@rule(np.polymul)
def _polymul(
    a1: Any,
    a2: Any,
) -> Any:
    return _convolve(a1, a2)


@rule(np.polyder)
def _polyder(
    p: Any,
    m: int = 1,
) -> Any:
    x = as_array(p)
    for _ in range(m):
        x = x[:-1] * np.arange(x.shape[0] - 1, 0, -1)
    return x


@rule(np.polyint)
def _polyint(
    p: Any,
    m: int = 1,
    k: Any = None,
) -> Any:
    x = as_float(p)
    constants = NUMPY["broadcast_to"](as_array(0.0 if k is None else k), (m,))
    for i in range(m):
        powers = np.arange(x.shape[0], 0, -1)
        x = NUMPY["concatenate"]([x / powers, ops.reshape(constants[i], shape=(1,))])
    return x


@rule(np.polyfit)
def _polyfit(
    x: Any,
    y: Any,
    deg: int,
    rcond: Any = None,
    full: bool = False,
    w: Any = None,
    cov: bool = False,
) -> Any:
    if full or cov:
        raise no_rule(np.polyfit, "with full or cov; traced are the coefficients")
    x, y = same_dtype([as_float(x), as_float(y)])
    return weighted_fit(_vander(x, deg + 1), y, w, rcond)


def weighted_fit(
    left: Any,
    y: Any,
    w: Any,
    rcond: Any,
) -> Any:
    """Coefficients of the columns of ``left``, whose weighted sum is nearest to y."""
    if w is not None:
        weights = as_float(w)
        left = left * weights[:, None]
        y = y * (weights if y.ndim == 1 else weights[:, None])
    size = ops.sqrt(ops.sum(left * left, axes=(0,)))
    cut = left.shape[0] * float(np.finfo(left.dtype).eps) if rcond is None else float(rcond)
    found = columns(_matmul, ops.pinv(left / size, rcond=cut), y)
    return found / (size if found.ndim == 1 else size[:, None])


@rule(np.polydiv)
def _polydiv(
    u: Any,
    v: Any,
) -> tuple[Any, Any]:
    """Long division: each coefficient of the quotient takes its multiple of v away."""
    left, right = same_dtype([_atleast_1d(as_float(x)) for x in (u, v)])
    m, n = left.shape[0], right.shape[0]
    found = []
    for k in range(m - n + 1):
        share = left[k] / right[0]
        found.append(share)
        place = ops.pad(right, shape=(m,), start=(k,), step=(1,))
        left = left - share * place
    if not found:
        return 0 * left[:1], left
    rest = left[max(m - n + 1, 0) :] if n > 1 else 0 * left[:1]
    return NUMPY["stack"](found), _without_zeros(rest, 1e-14)


def _without_zeros(
    x: Any,
    tolerance: float,
) -> Any:
    """Without zeros in front, one coefficient left; but coefficients that a derivative depends on stay."""
    if isinstance(x, Tracer) and (x.active or not x.known):
        return x
    start = 0
    while start < x.shape[0] - 1 and bool(abs(x[start]) <= tolerance):
        start += 1
    return x[start:]


@rule(np.poly)
def _poly(seq_of_zeros: Any) -> Any:
    """The product of x - z over all zeros; of a matrix its characteristic polynomial."""
    zeros = _atleast_1d(as_array(seq_of_zeros))
    real = zeros.dtype.kind != "c"
    if zeros.ndim == 2:
        zeros = _eigvals(zeros)
    found: Any = np.ones(1, zeros.dtype if zeros.dtype.kind in "fc" else float)
    for i in range(zeros.shape[0]):
        found = _convolve(found, NUMPY["stack"]([1 + 0 * zeros[i], -zeros[i]]))
    return NUMPY["real"](found) if real else found


@rule(np.roots)
def _roots(p: Any) -> Any:
    """The eigenvalues of the companion matrix."""
    x = as_float(_without_zeros(_atleast_1d(as_array(p)), 0.0))
    n = x.shape[0]
    if n < 2:
        return np.zeros(0, x.dtype)
    if known_to_be(x[0], 0.0):
        raise ValueError(
            "np.roots: the first coefficient is 0, so that one root less is there, and the derivative by "
            "that coefficient is lost; leave it out, p[1:]"
        )
    below = NUMPY["pad"](np.eye(n - 2, dtype=x.dtype), [(0, 0), (0, 1)])
    found = _eigvals(NUMPY["concatenate"]([-x[None, 1:] / x[0], below]))
    zeros = [i for i in range(n - 1) if known_to_be(found[i], 0.0)]
    return found[[i for i in range(n - 1) if i not in zeros] + zeros] if zeros else found


def known_to_be(
    x: Any,
    number: float,
) -> bool:
    """Whether the number is known, and that one."""
    return bool(x == number) if getattr(x, "known", True) else False


@library_rule(np.poly1d.__init__)
def _poly1d(
    self: Any,
    c_or_r: Any,
    r: bool = False,
    variable: str | None = None,
) -> None:
    """The class keeps traced coefficients; zeros in front stay where a derivative depends on them."""
    given = _atleast_1d(as_array(c_or_r))
    self._coeffs = _poly(given) if r else _without_zeros(given, 0.0)
    self._variable = variable or "x"
