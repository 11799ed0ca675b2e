"""``scipy.linalg`` on traced values; loaded when SciPy's module is.

In: matrices. Out: NumPy's rules under SciPy's names and arguments. ``check_finite`` and the ``overwrite``
arguments change no value and are let pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from deltarule.derive.functions import linalg as ours
from deltarule.derive.functions.arguments import as_array, as_float, at
from deltarule.derive.functions.linalg import columns, matrices, symmetric
from deltarule.derive.library import library_rule
from deltarule.derive.table import NUMPY, UFUNCS, no_rule
from deltarule.program import ops
from deltarule.program.ops.contract import swap
from deltarule.program.ops.linalg import triangle

_matmul = UFUNCS[np.matmul]


@library_rule(linalg.solve)
def _solve(
    a: Any,
    b: Any,
    lower: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    assume_a: str | None = None,
    transposed: bool = False,
) -> Any:
    a, b = matrices(a, b)
    kind = (assume_a or "general").split()[0]
    if kind in ("sym", "symmetric", "her", "hermitian", "pos", "positive"):
        a = symmetric(a, not lower)
    elif kind in ("lower", "upper"):
        return columns(
            _triangular(swap(a) if transposed else a, (kind == "lower") ^ transposed), a, b
        )
    elif kind not in ("gen", "general", "diagonal", "tridiagonal", "banded"):
        raise no_rule(linalg.solve, f"with assume_a={assume_a!r}")
    return columns(ops.solve, swap(a) if transposed else a, b)


def _triangular(a: Any, lower: bool) -> Any:
    """Solution with a triangle of ``a``, as a function of (anything, right side)."""
    return lambda _, b: ops.solve_triangular(a, b, lower=lower)


@library_rule(linalg.solve_triangular)
def _solve_triangular(
    a: Any,
    b: Any,
    trans: Any = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:
    a, b = matrices(a, b)
    if unit_diagonal:
        eye = np.eye(a.shape[-1], dtype=a.dtype)
        a = a * (1 - eye) + eye
    turned = trans not in (0, "N")
    return columns(_triangular(swap(a) if turned else a, bool(lower) ^ turned), a, b)


@library_rule(linalg.cholesky)
def _cholesky(
    a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> Any:
    found = ops.cholesky(symmetric(as_float(a), not lower))
    return found if lower else swap(found)


@library_rule(linalg.cho_factor)
def _cho_factor(
    a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> Any:
    x = as_float(a)
    found = _cholesky(x, lower)
    other = triangle(x, not lower) * (1 - np.eye(x.shape[-1], dtype=x.dtype))
    return found + other, lower


@library_rule(linalg.cho_solve)
def _cho_solve(
    c_and_lower: Any, b: Any, overwrite_b: bool = False, check_finite: bool = True
) -> Any:
    factor, lower = c_and_lower
    c, b = matrices(factor, b)
    first = columns(_triangular(c if lower else swap(c), True), c, b)
    return columns(_triangular(swap(c) if lower else c, False), c, first)


@library_rule(linalg.inv)
def _inv(
    a: Any,
    overwrite_a: bool = False,
    check_finite: bool = True,
    *,
    assume_a: str | None = None,
    lower: bool = False,
) -> Any:
    if assume_a not in (None, "gen", "general"):
        raise no_rule(linalg.inv, f"with assume_a={assume_a!r}; leave the argument out")
    return ops.inv(as_float(a))


@library_rule(linalg.det)
def _det(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    return ops.det(as_float(a))


@library_rule(linalg.pinv)
def _pinv(
    a: Any,
    *,
    atol: Any = None,
    rtol: Any = None,
    return_rank: bool = False,
    check_finite: bool = True,
) -> Any:
    x = as_float(a)
    if atol is not None or return_rank:
        raise no_rule(linalg.pinv, "with atol or return_rank; traced is rtol")
    cut = max(x.shape[-2:]) * float(np.finfo(x.dtype).eps) if rtol is None else float(rtol)
    return ops.pinv(x, rcond=cut)


@library_rule(linalg.lstsq)
def _lstsq(
    a: Any,
    b: Any,
    cond: Any = None,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    lapack_driver: Any = None,
) -> Any:
    return ours._lstsq(a, b, cond)


@library_rule(linalg.norm)
def _norm(
    a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True
) -> Any:
    return ours._norm(a, ord, axis, keepdims)


def _check_eigen(function: Any, b: Any, subset_by_index: Any, subset_by_value: Any) -> None:
    if b is not None or subset_by_index is not None or subset_by_value is not None:
        raise no_rule(function, "with b or a subset; slice the result")


def _factors(a: Any, lower: bool, driver: str | None) -> Any:
    upper = not lower
    return ops.eigh(symmetric(as_float(a), upper), upper=upper, driver=driver or "evr")


@library_rule(linalg.eigh)
def _eigh(
    a: Any,
    b: Any = None,
    *,
    lower: bool = True,
    eigvals_only: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    driver: str | None = None,
) -> Any:
    _check_eigen(linalg.eigh, b, subset_by_index, subset_by_value)
    found = _factors(a, lower, driver)
    return found[0] if eigvals_only else found


@library_rule(linalg.eigvalsh)
def _eigvalsh(
    a: Any,
    b: Any = None,
    *,
    lower: bool = True,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    driver: str | None = None,
) -> Any:
    _check_eigen(linalg.eigvalsh, b, subset_by_index, subset_by_value)
    return _factors(a, lower, driver)[0]


@library_rule(linalg.svd)
def _svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    found = ours._svd(a, full_matrices, compute_uv)
    return tuple(found) if compute_uv else found


@library_rule(linalg.svdvals)
def _svdvals(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    return ops.svd(as_float(a))[1]


@library_rule(linalg.qr)
def _qr(
    a: Any,
    overwrite_a: bool = False,
    lwork: Any = None,
    mode: str = "full",
    pivoting: bool = False,
    check_finite: bool = True,
) -> Any:
    known = {"full": "complete", "economic": "reduced", "r": "r"}
    if pivoting or mode not in known:
        raise no_rule(linalg.qr, f"with mode={mode!r}, pivoting={pivoting}; write mode='economic'")
    found = ours._qr(a, known[mode])
    return (found,) if mode == "r" else tuple(found)


@library_rule(linalg.expm)
def _expm(A: Any) -> Any:
    return ops.expm(as_float(A))


# --- matrices of a pattern ---


@library_rule(linalg.block_diag)
def _block_diag(*arrs: Any) -> Any:
    parts = [NUMPY["atleast_2d"](x) for x in matrices(*arrs)]
    width = sum(x.shape[1] for x in parts)
    rows, before = [], 0
    for x in parts:
        start, step = (0, before), (1, 1)
        rows.append(ops.pad(x, shape=(x.shape[0], width), start=start, step=step))
        before += x.shape[1]
    return ops.concatenate(*rows, axis=0)


@library_rule(linalg.toeplitz)
def _toeplitz(c: Any, r: Any = None) -> Any:
    first = as_array(c)
    column, row = (NUMPY["ravel"](x) for x in (first, first if r is None else r))
    m, n = column.shape[0], row.shape[0]
    values = NUMPY["concatenate"]([column[::-1], row[1:]])
    return values[np.arange(m)[::-1, None] + np.arange(n)]


@library_rule(linalg.circulant)
def _circulant(c: Any) -> Any:
    x = as_array(c)
    n = x.shape[-1]
    return at(x, x.ndim - 1, (np.arange(n)[:, None] - np.arange(n)) % n)


@library_rule(linalg.hankel)
def _hankel(c: Any, r: Any = None) -> Any:
    column = NUMPY["ravel"](as_array(c))
    row = 0 * column if r is None else NUMPY["ravel"](as_array(r))
    values = NUMPY["concatenate"]([column, row[1:]])
    return values[np.arange(column.shape[0])[:, None] + np.arange(row.shape[0])]
