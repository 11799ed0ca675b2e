"""Convolutions and polynomials, highest power first.

In: coefficients. Out: sums of products of neighbours; values, derivatives and fits of polynomials.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import as_array, as_float, same_dtype
from deltarule.derive.functions.linalg import columns
from deltarule.derive.table import NUMPY, UFUNCS, no_rule, rule
from deltarule.program import ops

_matmul, _atleast_1d = UFUNCS[np.matmul], NUMPY["atleast_1d"]


@rule(np.convolve)
def _convolve(a: Any, v: Any, mode: str = "full") -> Any:
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


def _window(mode: str, n: int, reach: int) -> tuple[int, int]:
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
def _polyval(p: Any, x: Any) -> Any:
    x = as_array(x)
    found: Any = 0 * x
    for coefficient in as_array(p):
        found = found * x + coefficient
    return found


@rule(np.vander)
def _vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    x = as_array(x)
    n = x.shape[0] if N is None else N
    powers = np.arange(n) if increasing else np.arange(n)[::-1]
    return ops.reshape(x, shape=(x.shape[0], 1)) ** powers


def _same_length(a1: Any, a2: Any) -> list[Any]:
    """Coefficients with zeros in front of the shorter ones."""
    given = same_dtype([_atleast_1d(as_array(x)) for x in (a1, a2)])
    n = max(x.shape[0] for x in given)
    return [ops.pad(x, shape=(n,), start=(n - x.shape[0],), step=(1,)) for x in given]


@rule(np.polyadd)
def _polyadd(a1: Any, a2: Any) -> Any:
    return UFUNCS[np.add](*_same_length(a1, a2))


@rule(np.polysub)
def _polysub(a1: Any, a2: Any) -> Any:
    return UFUNCS[np.subtract](*_same_length(a1, a2))


@rule(np.polymul)
def _polymul(a1: Any, a2: Any) -> Any:
    return _convolve(a1, a2)


@rule(np.polyder)
def _polyder(p: Any, m: int = 1) -> Any:
    x = as_array(p)
    for _ in range(m):
        x = x[:-1] * np.arange(x.shape[0] - 1, 0, -1)
    return x


@rule(np.polyint)
def _polyint(p: Any, m: int = 1, k: Any = None) -> Any:
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
    left = _vander(x, deg + 1)
    if w is not None:
        weights = as_float(w)
        left = left * weights[:, None]
        y = y * (weights if y.ndim == 1 else weights[:, None])
    size = ops.sqrt(ops.sum(left * left, axes=(0,)))
    cut = x.shape[0] * float(np.finfo(x.dtype).eps) if rcond is None else float(rcond)
    found = columns(_matmul, ops.pinv(left / size, rcond=cut), y)
    return found / (size if found.ndim == 1 else size[:, None])
