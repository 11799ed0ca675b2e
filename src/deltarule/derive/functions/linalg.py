"""``numpy.linalg`` on traced values.

In: matrices over the last two axes. Out: solutions, factors, norms. What reads one triangle of a symmetric
matrix (``cholesky``, ``eigh``) has the derivative among symmetric matrices: half from either triangle.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import as_array, as_float, axes_of, same_dtype
from deltarule.derive.functions.product import _dot
from deltarule.derive.functions.reduce import _sum, reduced, squared_size
from deltarule.derive.table import NUMPY, UFUNCS, no_rule, rule
from deltarule.derive.tracer import Tracer
from deltarule.errors import BranchError
from deltarule.program import ops
from deltarule.program.ops.complex import COMPLEX
from deltarule.program.ops.linalg import adjoint, triangle

_matmul = UFUNCS[np.matmul]
_reshape, _moveaxis = NUMPY["reshape"], NUMPY["moveaxis"]
_Eigen: Any = type(np.linalg.eigh(np.eye(1)))
_Singular: Any = type(np.linalg.svd(np.eye(1)))
_Factors: Any = type(np.linalg.qr(np.eye(1)))
_Determinant: Any = type(np.linalg.slogdet(np.eye(1)))
_Eig: Any = type(np.linalg.eig(np.eye(1)))


def matrices(*xs: Any) -> list[Any]:
    """Arguments as floats of one dtype."""
    return same_dtype([as_float(x) for x in xs])


def columns(solution: Any, a: Any, b: Any) -> Any:
    """``solution(a, b)`` for a right side that is a vector or a matrix."""
    if b.ndim > 1:
        return solution(a, b)
    found = solution(a, ops.reshape(b, shape=(*b.shape, 1)))
    return ops.reshape(found, shape=found.shape[:-1])


@rule(np.linalg.solve)
def _solve(a: Any, b: Any) -> Any:
    return columns(ops.solve, *matrices(a, b))


@rule(np.linalg.inv)
def _inv(a: Any) -> Any:
    return ops.inv(as_float(a))


@rule(np.linalg.det)
def _det(a: Any) -> Any:
    return ops.det(as_float(a))


@rule(np.linalg.slogdet)
def _slogdet(a: Any) -> Any:
    x = as_float(a)
    if x.dtype.kind != "c":
        return _Determinant(*ops.slogdet(x))
    found = ops.logdet(x)
    angle = ops.imag(found)
    return _Determinant(ops.complex(ops.cos(angle), ops.sin(angle)), ops.real(found))


@rule(np.linalg.pinv)
def _pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    cut = rcond if rtol is None else rtol
    x = symmetric(as_float(a), False) if hermitian else as_float(a)
    return ops.pinv(x, rcond=None if cut is None else float(cut))


@rule(np.linalg.lstsq)
def _lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Any, Any, Any, Any]:
    a, b = matrices(a, b)
    m, n = a.shape
    cut = float(np.finfo(a.dtype).eps) * max(m, n) if rcond is None else float(rcond)
    x = columns(_matmul, ops.pinv(a, rcond=cut), b)
    values = ops.svd(a)[1]
    rank = ops.cast(_sum(ops.gt(values, cut * values[0])), dtype=np.dtype(np.int32))
    left = np.zeros(0, values.dtype)
    if m > n and not (rank.known and rank < n):
        off = b - _matmul(a, x)
        left = _sum(squared_size(off), 0, keepdims=b.ndim == 1)
    return x, left, rank, values


@rule(np.linalg.tensorinv)
def _tensorinv(a: Any, ind: int = 2) -> Any:
    x = as_float(a)
    rows, rest = x.shape[:ind], x.shape[ind:]
    flat = ops.reshape(x, shape=(math.prod(rows), math.prod(rest)))
    return ops.reshape(ops.inv(flat), shape=(*rest, *rows))


@rule(np.linalg.tensorsolve)
def _tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    a, b = matrices(a, b)
    if axes is not None:
        last = axes_of(axes, a.ndim)
        a = NUMPY["transpose"](a, [i for i in range(a.ndim) if i not in last] + list(last))
    shape = a.shape[b.ndim :]
    flat = ops.reshape(a, shape=(b.size, math.prod(shape)))
    return ops.reshape(columns(ops.solve, flat, NUMPY["ravel"](b)), shape=shape)


@rule(np.linalg.vecdot)
def _vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return _sum(UFUNCS[np.multiply](UFUNCS[np.conjugate](x1), x2), axis)


# --- factors ---


def symmetric(x: Any, upper: bool, mirrored: Callable[[Any], Any] = adjoint) -> Any:
    """The matrix equal to its mirror image, Hermitian by default, of which one triangle is read; its
    derivative is shared by both triangles."""
    mean = (x + mirrored(x)) / 2
    if _same(x, mean):
        return mean
    half = triangle(x, not upper)
    inner = np.eye(x.shape[-1], dtype=x.dtype)
    read = half + mirrored(half) - half * inner
    return mean + ops.stop_gradient(read - mean)


def _same(x: Any, y: Any) -> bool:
    """Whether the numbers of both are known, and equal."""
    a, b = (z.value if isinstance(z, Tracer) and z.known else z for z in (x, y))
    return not isinstance(a, Tracer) and not isinstance(b, Tracer) and np.array_equal(a, b)


@rule(np.linalg.cholesky)
def _cholesky(a: Any, /, *, upper: bool = False) -> Any:
    found = ops.cholesky(symmetric(as_float(a), upper))
    return adjoint(found) if upper else found


@rule(np.linalg.eigh)
def _eigh(a: Any, UPLO: str = "L") -> Any:
    if UPLO.upper() not in ("L", "U"):
        raise ValueError(f"UPLO is 'L' or 'U', not {UPLO!r}")
    upper = UPLO.upper() == "U"
    return _Eigen(*ops.eigh(symmetric(as_float(a), upper), upper=upper, driver="evd"))


@rule(np.linalg.eigvalsh)
def _eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return _eigh(a, UPLO)[0]


@rule(np.linalg.eig)
def _eig(a: Any) -> Any:
    """Complex, but for a real matrix whose values are known, and real: as NumPy has it."""
    x = as_float(a)
    if x.dtype.kind == "c":
        return _Eig(*ops.eig(x))
    values, vectors = ops.eig(ops.cast(x, dtype=COMPLEX[x.dtype]))
    if _known_to_be_real(values):
        values, vectors = ops.real(values), ops.real(vectors)
    return _Eig(values, vectors)


def _known_to_be_real(z: Any) -> bool:
    try:
        return not np.any(z.imag != 0)
    except BranchError:  # not known, while compiling
        return False


@rule(np.linalg.eigvals)
def _eigvals(a: Any) -> Any:
    return _eig(a)[0]


@rule(np.linalg.svd)
def _svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    if hermitian:
        return _svd_of_symmetric(a, compute_uv)
    x = as_float(a)
    u, s, vt = ops.svd(x)
    if not compute_uv:
        return s
    m, n = x.shape[-2:]
    if full_matrices and m > n:
        u = ops.concatenate(u, ops.complement(x, factor="u"), axis=x.ndim - 1)
    if full_matrices and m < n:
        more = adjoint(ops.complement(adjoint(x), factor="v"))
        vt = ops.concatenate(vt, more, axis=x.ndim - 2)
    return _Singular(u, s, vt)


def _svd_of_symmetric(a: Any, compute_uv: bool) -> Any:
    """The sizes of the eigenvalues, largest first; the signs go with the rows."""
    values, vectors = _eigh(a)
    sizes = UFUNCS[np.absolute](values)
    order = NUMPY["argsort"](sizes, -1)[..., ::-1]
    s = NUMPY["take_along_axis"](sizes, order, -1)
    if not compute_uv:
        return s
    u = NUMPY["take_along_axis"](vectors, order[..., None, :], -1)
    signs = NUMPY["take_along_axis"](UFUNCS[np.sign](values), order, -1)
    vt = adjoint(u * signs[..., None, :])
    return _Singular(u, s, vt)


@rule(np.linalg.svdvals)
def _svdvals(x: Any, /) -> Any:
    return ops.svd(as_float(x))[1]


@rule(np.linalg.qr)
def _qr(a: Any, mode: str = "reduced") -> Any:
    x = as_float(a)
    m, n = x.shape[-2:]
    if mode not in ("reduced", "r", "complete"):
        raise no_rule(np.linalg.qr, f"with mode={mode!r}; write mode='reduced'")
    q, r = ops.qr(x[..., :m])
    if m < n:
        r = ops.concatenate(r, _matmul(adjoint(q), x[..., m:]), axis=x.ndim - 1)
    if mode == "complete" and m > n:
        q = ops.concatenate(q, ops.complement(x, factor="q"), axis=x.ndim - 1)
        r = NUMPY["pad"](r, [(0, 0)] * (x.ndim - 2) + [(0, m - n), (0, 0)])
    return r if mode == "r" else _Factors(q, r)


# --- norms and numbers ---


@rule(np.linalg.norm)
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = as_float(x)
    if axis is None and (
        ord is None or (ord in ("f", "fro") and x.ndim == 2) or (ord == 2 and x.ndim == 1)
    ):
        return ops.root(reduced(ops.sum, squared_size(x), None, keepdims))
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if len(axes) == 1:
        return _vector_norm(x, 2 if ord is None else ord, axes[0], keepdims)
    if len(axes) != 2:
        raise ValueError(
            f"np.linalg.norm is that of a vector or a matrix, not along the axes {axis}"
        )
    return _matrix_norm(x, ord, axes, keepdims)


def _vector_norm(x: Any, order: Any, axis: Any, keepdims: bool) -> Any:
    if isinstance(order, str):
        raise ValueError(f"a vector has no norm ord={order!r}")
    size = UFUNCS[np.absolute](x)
    if order == 0:
        return _sum(ops.cast(ops.ne(x, 0 * x), dtype=size.dtype), axis, keepdims=keepdims)
    if order == 1:
        return reduced(ops.sum, size, axis, keepdims)
    if order == 2:
        return ops.root(reduced(ops.sum, squared_size(x), axis, keepdims))
    if abs(order) == np.inf:
        return reduced(ops.max if order > 0 else ops.min, size, axis, keepdims)
    total = _sum(size**order, axis, keepdims=keepdims)
    none = ops.eq(total, 0 * total)
    one, zero = size.dtype.type(1), size.dtype.type(0)
    return ops.select(none, zero, ops.select(none, one, total) ** (1 / order))


def _matrix_norm(x: Any, order: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    pair = axes_of(axes, x.ndim)
    matrix = _moveaxis(x, axes, (-2, -1))
    if order in (None, "f", "fro"):
        found = ops.root(reduced(ops.sum, squared_size(matrix), (-2, -1), False))
    elif order in ("nuc", 2, -2):
        values = ops.svd(matrix)[1]
        combine = {"nuc": ops.sum, 2: ops.max, -2: ops.min}[order]
        found = reduced(combine, values, -1, False)
    elif abs(order) in (1, np.inf):
        sums = reduced(ops.sum, UFUNCS[np.absolute](matrix), -2 if abs(order) == 1 else -1, False)
        found = reduced(ops.max if order > 0 else ops.min, sums, -1, False)
    else:
        raise ValueError(f"a matrix has no norm ord={order!r}")
    shape = tuple(1 if i in pair else n for i, n in enumerate(x.shape))
    return ops.reshape(found, shape=shape) if keepdims else found


@rule(np.linalg.vector_norm)
def _norm_of_vectors(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    x = as_float(x)
    axes = axes_of(axis, x.ndim)
    rest = [i for i in range(x.ndim) if i not in axes]
    lined = NUMPY["transpose"](x, [*rest, *axes])
    flat = _reshape(lined, (*(x.shape[i] for i in rest), -1))
    found = _vector_norm(flat, ord, -1, False)
    shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    return ops.reshape(found, shape=shape) if keepdims else found


@rule(np.linalg.matrix_norm)
def _norm_of_matrices(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return _norm(x, ord, (-2, -1), keepdims)


@rule(np.linalg.cond)
def _cond(x: Any, p: Any = None) -> Any:
    x = as_float(x)
    if p in (None, 2, -2):
        values = ops.svd(x)[1]
        ratio = values[..., 0] / values[..., -1]
        return 1 / ratio if p == -2 else ratio
    axes = (-2, -1)
    return _norm(x, p, axes) * _norm(ops.inv(x), p, axes)


@rule(np.linalg.matrix_rank)
def _matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    x = as_float(A)
    if x.ndim < 2:
        return ops.cast(NUMPY["any"](x), dtype=np.dtype(int))
    values = UFUNCS[np.absolute](_eigvalsh(x)) if hermitian else ops.svd(x)[1]
    eps = max(x.shape[-2:]) * float(np.finfo(x.dtype).eps) if rtol is None else rtol
    limit = reduced(ops.max, values, -1, True) * eps if tol is None else as_array(tol)[..., None]
    return _sum(UFUNCS[np.greater](values, limit), -1)


@rule(np.linalg.multi_dot)
def _multi_dot(arrays: Sequence[Any], *, out: Any = None) -> Any:
    found, *rest = arrays
    for x in rest:
        found = _dot(found, x)
    return found


@rule(np.linalg.matrix_power)
def _matrix_power(a: Any, n: int) -> Any:
    a = as_array(a)
    if n < 0:
        a, n = _inv(a), -n
    found = 0 * a + np.eye(a.shape[-1], dtype=a.dtype) if n == 0 else None
    while n:
        if n % 2:
            found = a if found is None else _matmul(found, a)
        n //= 2
        a = _matmul(a, a) if n else a
    return found
