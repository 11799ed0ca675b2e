"""``scipy.linalg`` on traced values; loaded when SciPy's module is.

In: matrices. Out: NumPy's rules under SciPy's names and arguments. ``check_finite`` and the ``overwrite``
arguments change no value and are let pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from deltarule.derive.functions import linalg as ours
from deltarule.derive.functions.arguments import as_float
from deltarule.derive.functions.linalg import columns, matrices, symmetric
from deltarule.derive.library import library_rule
from deltarule.derive.table import NUMPY, UFUNCS, no_rule
from deltarule.errors import BranchError
from deltarule.program import ops
from deltarule.program.ops.complex import COMPLEX
from deltarule.program.ops.contract import swap
from deltarule.program.ops.linalg import adjoint, triangle

_matmul = UFUNCS[np.matmul]


def wide(x: Any) -> Any:
    """In double precision."""
    return ops.cast(x, dtype=np.result_type(x.dtype, float))


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
    if kind in ("sym", "symmetric"):
        a = symmetric(a, not lower, mirrored=swap)
    elif kind in ("her", "hermitian", "pos", "positive"):
        a = symmetric(a, not lower)
    elif kind in ("lower", "upper"):
        return columns(
            _triangular(swap(a) if transposed else a, (kind == "lower") ^ transposed), a, b
        )
    elif kind in ("diagonal", "tridiagonal"):
        a = _band(a, kind == "tridiagonal")
    elif kind not in ("gen", "general", "banded"):
        raise no_rule(linalg.solve, f"with assume_a={assume_a!r}")
    return columns(ops.solve, swap(a) if transposed else a, b)


def _band(a: Any, neighbours: int) -> Any:
    """The diagonal, and those beside it where there are neighbours."""
    rows = np.arange(a.shape[-1])
    return a * (abs(rows[:, None] - rows) <= neighbours).astype(a.dtype)


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
    if turned:
        a = adjoint(a) if trans in (2, "C") else swap(a)
    return columns(_triangular(a, bool(lower) ^ turned), a, b)


@library_rule(linalg.cholesky)
def _cholesky(
    a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> Any:
    found = ops.cholesky(symmetric(as_float(a), not lower))
    return found if lower else adjoint(found)


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
    first = columns(_triangular(c if lower else adjoint(c), True), c, b)
    return columns(_triangular(adjoint(c) if lower else c, False), c, first)


@library_rule(linalg.inv)
def _inv(
    a: Any,
    overwrite_a: bool = False,
    check_finite: bool = True,
    *,
    assume_a: str | None = None,
    lower: bool = False,
) -> Any:
    x = as_float(a)
    if assume_a is None:
        return ops.inv(x)
    return _solve(x, np.eye(x.shape[-1], dtype=x.dtype), lower, assume_a=assume_a)


@library_rule(linalg.det)
def _det(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """In float64, whatever the matrix is in."""
    return ops.det(wide(as_float(a)))


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
    if atol is not None:
        raise no_rule(linalg.pinv, "with atol; traced is rtol")
    cut = max(x.shape[-2:]) * float(np.finfo(x.dtype).eps) if rtol is None else float(rtol)
    found = ops.pinv(x, rcond=cut)
    return (found, ours._matrix_rank(x, rtol=cut)) if return_rank else found


@library_rule(linalg.pinvh)
def _pinvh(
    a: Any,
    atol: Any = None,
    rtol: Any = None,
    lower: bool = True,
    return_rank: bool = False,
    check_finite: bool = True,
) -> Any:
    x = symmetric(as_float(a), not lower)
    return _pinv(x, atol=atol, rtol=rtol, return_rank=return_rank)


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
    found, left, rank, values = ours._lstsq(a, b, cond)
    one = found.ndim == 1 and left.ndim == 1 and left.shape[0] == 1
    return found, NUMPY["reshape"](left, ()) if one else left, rank, values


@library_rule(linalg.norm)
def _norm(
    a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True
) -> Any:
    return ours._norm(a, ord, axis, keepdims)


def _eigen(
    a: Any, b: Any, lower: bool, kind: int, driver: str | None, chosen: Any, by_value: Any
) -> Any:
    """Of a v = w v; with a second matrix of a v = w b v, a b v = w v, or b a v = w v."""
    if by_value is not None:
        raise no_rule(linalg.eigh, "with subset_by_value; index the result")
    if b is None:
        upper = not lower
        x = symmetric(as_float(a), upper)
        values, vectors = ops.eigh(x, upper=upper, driver=driver or "evr")
    else:
        values, vectors = _generalized(a, b, lower, kind)
    if chosen is None:
        return values, vectors
    first, last = chosen
    return values[first : last + 1], vectors[:, first : last + 1]


def _generalized(a: Any, b: Any, lower: bool, kind: int) -> Any:
    """By the Cholesky factor of b, as LAPACK does it."""
    a, b = (symmetric(x, not lower) for x in matrices(a, b))
    factor = ops.cholesky(b)
    if kind == 1:
        left = ops.solve_triangular(factor, a, lower=True)
        middle = ops.solve_triangular(factor, adjoint(left), lower=True)
    else:
        middle = _matmul(_matmul(adjoint(factor), a), factor)
    values, vectors = ops.eigh(symmetric(middle, False), upper=False, driver="evd")
    if kind == 3:
        return values, _matmul(factor, vectors)
    return values, ops.solve_triangular(adjoint(factor), vectors, lower=False)


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
    found = _eigen(a, b, lower, type, driver, subset_by_index, subset_by_value)
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
    return _eigen(a, b, lower, type, driver, subset_by_index, subset_by_value)[0]


def _tridiagonal(d: Any, e: Any, select: str, select_range: Any) -> Any:
    if select not in ("a", "i"):
        raise no_rule(linalg.eigh_tridiagonal, f"with select={select!r}; index the result")
    d, e = matrices(d, e)
    beside = NUMPY["diag"](e, 1)
    whole = NUMPY["diag"](d) + beside + swap(beside)
    return _eigen(whole, None, True, 1, "evd", select_range if select == "i" else None, None)


@library_rule(linalg.eigh_tridiagonal)
def _eigh_tridiagonal(
    d: Any,
    e: Any,
    eigvals_only: bool = False,
    select: str = "a",
    select_range: Any = None,
    check_finite: bool = True,
    tol: float = 0.0,
    lapack_driver: str = "auto",
) -> Any:
    found = _tridiagonal(d, e, select, select_range)
    return found[0] if eigvals_only else found


@library_rule(linalg.eigvalsh_tridiagonal)
def _eigvalsh_tridiagonal(
    d: Any,
    e: Any,
    select: str = "a",
    select_range: Any = None,
    check_finite: bool = True,
    tol: float = 0.0,
    lapack_driver: str = "auto",
) -> Any:
    return _tridiagonal(d, e, select, select_range)[0]


@library_rule(linalg.eig)
def _eig(
    a: Any,
    b: Any = None,
    left: bool = False,
    right: bool = True,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    homogeneous_eigvals: bool = False,
) -> Any:
    if left or homogeneous_eigvals:
        raise no_rule(linalg.eig, "with left or homogeneous_eigvals; traced are right vectors")
    x = as_float(a) if b is None else ops.solve(*matrices(b, a))
    values, vectors = ops.eig(ops.cast(x, dtype=COMPLEX.get(x.dtype, x.dtype)))
    real = ours._known_to_be_real(values) and x.dtype.kind != "c"
    return (values, ops.real(vectors) if real else vectors) if right else values


@library_rule(linalg.eigvals)
def _eigvals(
    a: Any,
    b: Any = None,
    overwrite_a: bool = False,
    check_finite: bool = True,
    homogeneous_eigvals: bool = False,
) -> Any:
    return _eig(a, b, right=False, homogeneous_eigvals=homogeneous_eigvals)


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


def _rank(values: Any, shape: tuple[int, ...], rcond: Any) -> Any:
    """How many singular values count; known numbers decide it, or a full rank is taken."""
    eps = float(np.finfo(values.dtype).eps) * max(shape) if rcond is None else rcond
    try:
        return int(sum(bool(v > eps * values[0]) for v in values))
    except BranchError as error:
        raise BranchError(
            "the rank that scipy.linalg.orth and null_space ask for decides the shape of their result: "
            f"it is not known while compiling. Slice np.linalg.svd instead ({error})"
        ) from None


@library_rule(linalg.orth)
def _orth(A: Any, rcond: Any = None) -> Any:
    u, s, _ = ops.svd(as_float(A))
    return u[:, : _rank(s, np.shape(A), rcond)]


@library_rule(linalg.null_space)
def _null_space(
    A: Any,
    rcond: Any = None,
    *,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    _, s, vt = ours._svd(A)
    return adjoint(vt[_rank(s, np.shape(A), rcond) :])


@library_rule(linalg.qr)
def _qr(
    a: Any,
    overwrite_a: bool = False,
    lwork: Any = None,
    mode: str = "full",
    pivoting: bool = False,
    check_finite: bool = True,
) -> Any:
    known = {"full": "complete", "economic": "reduced", "r": "complete"}
    if pivoting or mode not in known:
        raise no_rule(linalg.qr, f"with mode={mode!r}, pivoting={pivoting}; write mode='economic'")
    q, r = ours._qr(a, known[mode])
    return (r,) if mode == "r" else (q, r)
