"""Matrices that ``scipy.linalg`` makes of others, traced: those of a pattern, and functions of matrices.

In: coefficients, matrices. Out: matrices made of them; exponentials, roots, logarithms, sines.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from deltarule.derive.functions.arguments import as_array, as_float, at
from deltarule.derive.functions.linalg import _matrix_power, matrices
from deltarule.derive.functions.polynomial import _window
from deltarule.derive.library import library_rule
from deltarule.derive.scipy.linalg import wide
from deltarule.derive.table import NUMPY, UFUNCS
from deltarule.program import ops
from deltarule.program.ops.complex import COMPLEX
from deltarule.program.ops.linalg import adjoint

_matmul = UFUNCS[np.matmul]

# --- functions ---


@library_rule(linalg.expm)
def _expm(A: Any) -> Any:
    return ops.expm(as_float(A))


@library_rule(linalg.expm_frechet)
def _expm_frechet(
    A: Any,
    E: Any,
    method: Any = None,
    compute_expm: bool = True,
    check_finite: bool = True,
) -> Any:
    """e^A, and its derivative along E: the upper right block of e^[[A, E], [0, A]]."""
    a, e = matrices(A, E)
    n = a.shape[-1]
    whole = ops.expm(NUMPY["block"]([[a, e], [0 * a, a]]))
    return (whole[:n, :n], whole[:n, n:]) if compute_expm else whole[:n, n:]


def _root(
    function: Any,
    primitive: Any,
    x: Any,
    **attrs: Any,
) -> Any:
    """Complex where that of known numbers is; where they are not known that of a real matrix is real."""
    value = x
    while getattr(value, "known", False):
        value = value.value
    if x.dtype.kind == "f" and isinstance(value, np.ndarray):
        found = function(value, *attrs.values())
        x = ops.cast(x, dtype=COMPLEX[x.dtype]) if found.dtype.kind == "c" else x
    return primitive(x, **attrs)


@library_rule(linalg.sqrtm)
def _sqrtm(
    A: Any,
    disp: Any = None,
    blocksize: Any = None,
) -> Any:
    return _root(linalg.sqrtm, ops.sqrtm, as_float(A))


@library_rule(linalg.logm)
def _logm(
    A: Any,
    disp: Any = None,
) -> Any:
    return _root(linalg.logm, ops.logm, wide(as_float(A)))


@library_rule(linalg.fractional_matrix_power)
def _fractional_matrix_power(
    A: Any,
    t: Any,
) -> Any:
    power = float(t)
    if power.is_integer():
        return _matrix_power(A, int(power))
    return _root(linalg.fractional_matrix_power, ops.powerm, wide(as_float(A)), power=power)


def _of_exponentials(
    A: Any,
    turn: complex,
) -> tuple[Any, Any]:
    """Half of e^(i x) + e^(-i x), and of their difference, or the same without i."""
    x = as_float(A)
    if turn != 1:
        x = turn * ops.cast(x, dtype=COMPLEX.get(x.dtype, x.dtype))
    up, down = ops.expm(x), ops.expm(-x)
    return (up + down) / 2, (up - down) / 2


def _as_given(
    y: Any,
    A: Any,
) -> Any:
    return y if as_float(A).dtype.kind == "c" else ops.real(y)


@library_rule(linalg.cosm)
def _cosm(A: Any) -> Any:
    return _as_given(_of_exponentials(A, 1j)[0], A)


@library_rule(linalg.sinm)
def _sinm(A: Any) -> Any:
    return _as_given(-1j * _of_exponentials(A, 1j)[1], A)


@library_rule(linalg.tanm)
def _tanm(A: Any) -> Any:
    return ops.solve(_cosm(A), _sinm(A))


@library_rule(linalg.coshm)
def _coshm(A: Any) -> Any:
    return _of_exponentials(A, 1)[0]


@library_rule(linalg.sinhm)
def _sinhm(A: Any) -> Any:
    return _of_exponentials(A, 1)[1]


@library_rule(linalg.tanhm)
def _tanhm(A: Any) -> Any:
    return ops.solve(*_of_exponentials(A, 1))


@library_rule(linalg.polar)
def _polar(
    a: Any,
    side: str = "right",
) -> Any:
    """Orthogonal and symmetric factor: x = u p, or x = p u."""
    if side not in ("left", "right"):
        raise ValueError(f"side is 'left' or 'right', not {side!r}")
    x = as_float(a)
    m, n = x.shape[-2:]
    u = ops.polar(x) if m >= n else adjoint(ops.polar(adjoint(x)))
    p = _matmul(adjoint(u), x) if side == "right" else _matmul(x, adjoint(u))
    return u, (p + adjoint(p)) / 2


@library_rule(linalg.orthogonal_procrustes)
def _orthogonal_procrustes(
    A: Any,
    B: Any,
    check_finite: bool = True,
) -> Any:
    a, b = matrices(A, B)
    product = _matmul(adjoint(a), b)
    return ops.polar(product), NUMPY["sum"](ops.svd(product)[1])


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
def _toeplitz(
    c: Any,
    r: Any = None,
) -> Any:
    column = NUMPY["atleast_1d"](as_array(c))
    row = UFUNCS[np.conjugate](column) if r is None else NUMPY["atleast_1d"](as_array(r))
    m, n = column.shape[-1], row.shape[-1]
    values = NUMPY["concatenate"]([column[..., ::-1], row[..., 1:]], -1)
    return values[..., np.arange(m)[::-1, None] + np.arange(n)]


@library_rule(linalg.circulant)
def _circulant(c: Any) -> Any:
    x = NUMPY["atleast_1d"](as_array(c))
    n = x.shape[-1]
    return at(x, x.ndim - 1, (np.arange(n)[:, None] - np.arange(n)) % n)


@library_rule(linalg.hankel)
def _hankel(
    c: Any,
    r: Any = None,
) -> Any:
    column = NUMPY["ravel"](as_array(c))
    row = 0 * column if r is None else NUMPY["ravel"](as_array(r))
    values = NUMPY["concatenate"]([column, row[1:]])
    return values[np.arange(column.shape[0])[:, None] + np.arange(row.shape[0])]


@library_rule(linalg.companion)
def _companion(a: Any) -> Any:
    x = as_float(a)
    return NUMPY["concatenate"]([-x[None, 1:] / x[0], np.eye(x.shape[0] - 2, x.shape[0] - 1)])


@library_rule(linalg.fiedler)
def _fiedler(a: Any) -> Any:
    x = as_array(a)
    return UFUNCS[np.absolute](x[..., :, None] - x[..., None, :])


@library_rule(linalg.leslie)
def _leslie(
    f: Any,
    s: Any,
) -> Any:
    first, below = matrices(f, s)
    rows = NUMPY["pad"](NUMPY["diag"](below), [(0, 0), (0, 1)])
    return NUMPY["concatenate"]([first[None], rows])


@library_rule(linalg.convolution_matrix)
def _convolution_matrix(
    a: Any,
    n: int,
    mode: str = "full",
) -> Any:
    x = as_array(a)
    m = x.shape[-1]
    start, size = _window(mode, max(m, n), min(m, n) - 1)
    place = np.arange(start, start + size)[:, None] - np.arange(n)
    inside = (place >= 0) & (place < m)
    return at(x, x.ndim - 1, np.where(inside, place, 0)) * inside.astype(x.dtype)


@library_rule(linalg.diagsvd)
def _diagsvd(
    s: Any,
    M: int,
    N: int,
) -> Any:
    x = as_array(s)
    whole = NUMPY["diag"](x)
    return ops.pad(whole, shape=(M, N), start=(0, 0), step=(1, 1))


@library_rule(linalg.khatri_rao)
def _khatri_rao(
    a: Any,
    b: Any,
) -> Any:
    a, b = as_array(a), as_array(b)
    found = a[..., :, None, :] * b[..., None, :, :]
    return NUMPY["reshape"](found, (*found.shape[:-3], -1, found.shape[-1]))
