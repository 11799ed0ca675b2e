"""Linear equations that ``scipy.linalg`` solves in a special way, traced: by LU factors, with bands, with
patterns, with a matrix on either side.

In: matrices, or what stands for them. Out: factors and solutions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from deltarule.derive.functions.arguments import as_array, as_float
from deltarule.derive.functions.linalg import columns, matrices
from deltarule.derive.library import library_rule
from deltarule.derive.scipy.matrices import _circulant, _toeplitz
from deltarule.derive.table import NUMPY, UFUNCS, no_rule
from deltarule.program import ops
from deltarule.program.ops.banded import shifted
from deltarule.program.ops.complex import conj
from deltarule.program.ops.contract import swap
from deltarule.program.ops.linalg import adjoint

_matmul, _concatenate = UFUNCS[np.matmul], NUMPY["concatenate"]

# --- LU ---


def _rows(
    x: Any,
    order: Any,
) -> Any:
    """The rows of matrices in an order."""
    if x.ndim == 2:
        return x[order]
    return NUMPY["take_along_axis"](x, as_array(order)[..., None], -2)


def _factored(x: Any) -> tuple[Any, Any]:
    """Both factors in one matrix of x's shape, and the row exchanges."""
    m, n = x.shape[-2:]
    swaps = ops.pivots(ops.stop_gradient(x))
    ordered = _rows(x, ops.exchanged(swaps, rows=m))
    k = min(m, n)
    found = ops.lu(ordered[..., :k, :k])
    if m > n:
        more = ops.solve_triangular(swap(found), swap(ordered[..., k:, :]), lower=True)
        found = _concatenate([found, swap(more)], -2)
    if n > m:
        more = ops.solve_triangular(_lower(found), ordered[..., k:], lower=True)
        found = _concatenate([found, more], -1)
    return found, swaps


def _lower(packed: Any) -> Any:
    """The lower factor, ones on its diagonal."""
    m, n = packed.shape[-2:]
    k = min(m, n)
    return packed[..., :k] * np.tri(m, k, -1, packed.dtype) + np.eye(m, k, dtype=packed.dtype)


@library_rule(linalg.lu_factor)
def _lu_factor(
    a: Any,
    overwrite_a: bool = False,
    check_finite: bool = True,
) -> Any:
    return _factored(as_float(a))


@library_rule(linalg.lu)
def _lu(
    a: Any,
    permute_l: bool = False,
    overwrite_a: bool = False,
    check_finite: bool = True,
    p_indices: bool = False,
) -> Any:
    x = as_float(a)
    packed, swaps = _factored(x)
    m, n = x.shape[-2:]
    k = min(m, n)
    lower, upper = _lower(packed), NUMPY["triu"](packed[..., :k, :])
    back = NUMPY["argsort"](ops.exchanged(swaps, rows=m), -1)
    if permute_l:
        return _rows(lower, back), upper
    if p_indices:
        return ops.cast(back, dtype=np.dtype(np.int32)), lower, upper
    places = ops.eq(back[..., None], np.arange(m))
    return (
        ops.cast(places, dtype=ops.real(x).dtype if x.dtype.kind == "c" else x.dtype),
        lower,
        upper,
    )


@library_rule(linalg.lu_solve)
def _lu_solve(
    lu_and_piv: Any,
    b: Any,
    trans: int = 0,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:
    """Two triangles, and the rows in their order before or after."""
    packed, swaps = lu_and_piv
    lu, b = matrices(packed, b)
    order = ops.exchanged(as_array(swaps), rows=lu.shape[-1])
    lower = _lower(lu)

    def forth(
        lu: Any,
        b: Any,
    ) -> Any:
        first = ops.solve_triangular(lower, _rows(b, order), lower=True)
        return ops.solve_triangular(lu, first, lower=False)

    def back(
        lu: Any,
        b: Any,
    ) -> Any:
        turn = swap if trans == 1 else adjoint
        first = ops.solve_triangular(turn(lu), b, lower=True)
        found = ops.solve_triangular(turn(lower), first, lower=False)
        return _rows(found, NUMPY["argsort"](order, -1))

    return columns(back if trans else forth, lu, b)


# --- bands and patterns ---


@library_rule(linalg.solve_banded)
def _solve_banded(
    l_and_u: Any,
    ab: Any,
    b: Any,
    overwrite_ab: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:
    lower, upper = (int(n) for n in l_and_u)

    def solution(
        ab: Any,
        b: Any,
    ) -> Any:
        return ops.solve_banded(ab, b, lower=lower, upper=upper)

    return columns(solution, *matrices(ab, b))


@library_rule(linalg.solveh_banded)
def _solveh_banded(
    ab: Any,
    b: Any,
    overwrite_ab: bool = False,
    overwrite_b: bool = False,
    lower: bool = False,
    check_finite: bool = True,
) -> Any:
    """The other diagonals are those given, moved along; of the main one the real part is read."""
    ab, b = matrices(ab, b)
    n = ab.shape[-2] - 1
    given = [ab[..., i, :] for i in range(n + 1)]
    main = 0 if lower else n
    given[main] = (given[main] + conj_of(given[main])) / 2
    if lower:
        above = [shifted(conj_of(given[k]), -k, ab.ndim - 2) for k in range(n, 0, -1)]
        whole = NUMPY["stack"]([*above, *given], -2)
    else:
        below = [shifted(conj_of(given[n - k]), k, ab.ndim - 2) for k in range(1, n + 1)]
        whole = NUMPY["stack"]([*given, *below], -2)
    return columns(lambda ab, b: ops.solve_banded(ab, b, lower=n, upper=n), whole, b)


def conj_of(x: Any) -> Any:
    """The conjugate of complex numbers."""
    return conj(x) if x.dtype.kind == "c" else x


def _toeplitz_of(c_or_cr: Any) -> Any:
    return _toeplitz(*c_or_cr) if isinstance(c_or_cr, tuple) else _toeplitz(c_or_cr)


@library_rule(linalg.solve_toeplitz)
def _solve_toeplitz(
    c_or_cr: Any,
    b: Any,
    check_finite: bool = True,
) -> Any:
    return columns(ops.solve, *matrices(_toeplitz_of(c_or_cr), b))


@library_rule(linalg.matmul_toeplitz)
def _matmul_toeplitz(
    c_or_cr: Any,
    x: Any,
    check_finite: bool = False,
    workers: Any = None,
) -> Any:
    return _matmul(_toeplitz_of(c_or_cr), as_array(x))


@library_rule(linalg.solve_circulant)
def _solve_circulant(
    c: Any,
    b: Any,
    singular: str = "raise",
    tol: Any = None,
    caxis: int = -1,
    baxis: int = 0,
    outaxis: int = 0,
) -> Any:
    if singular != "raise" or (caxis, baxis, outaxis) != (-1, 0, 0):
        raise no_rule(linalg.solve_circulant, "with singular or other axes; traced are c and b")
    return columns(ops.solve, *matrices(_circulant(c), b))


# --- a matrix on either side ---


@library_rule(linalg.solve_sylvester)
def _solve_sylvester(
    a: Any,
    b: Any,
    q: Any,
) -> Any:
    return ops.sylvester(*matrices(a, b, q))


@library_rule(linalg.solve_continuous_lyapunov)
def _solve_continuous_lyapunov(
    a: Any,
    q: Any,
) -> Any:
    a, q = matrices(a, q)
    return ops.sylvester(a, adjoint(a), q)


@library_rule(linalg.solve_discrete_lyapunov)
def _solve_discrete_lyapunov(
    a: Any,
    q: Any,
    method: str | None = None,
) -> Any:
    """a x a^H - x + q = 0, brought to a continuous equation by (a - 1)^-1 (a + 1)."""
    a, q = matrices(a, q)
    eye = np.eye(a.shape[-1], dtype=a.dtype)
    turned = adjoint(a)
    behind = ops.inv(turned + eye)
    left = _matmul(turned - eye, behind)
    right = 2 * _matmul(_matmul(ops.inv(a + eye), q), behind)
    return ops.sylvester(adjoint(left), left, -right)
