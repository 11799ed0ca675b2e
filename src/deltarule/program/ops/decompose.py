"""Matrices taken apart: Cholesky, eigenvalues, singular values, QR; over the last two axes.

In: float or complex matrices. Out: factors. LAPACK computes them; the derivatives are written in
products and divisions. Differences of eigenvalues or singular values are divided by: where two are equal
the derivative of their vectors is infinite, and counts only where somebody uses the vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from deltarule.errors import TypeRuleError
from deltarule.program.families import batch_elementwise, zeros_like
from deltarule.program.lowering import Lapack
from deltarule.program.ops.complex import REAL, as_kind, complex_, conj, imag, real_part
from deltarule.program.ops.contract import einsum, matmul, swap
from deltarule.program.ops.elementwise import add, div, mul, sub, zmul
from deltarule.program.ops.linalg import (
    adjoint,
    check_matrix,
    regular_matrix,
    solve_triangular,
    square_errors,
    triangle,
)
from deltarule.program.ops.shape import reshape
from deltarule.program.primitive import ErrorSample, Kink, Primitive, Sample
from deltarule.program.types import ArrayType


def _halved(x: Any) -> Any:
    """The lower triangle with half the diagonal."""
    return mul(x, _half_weights(x.shape[-1], x.dtype))


@lru_cache(maxsize=256)
def _half_weights(n: int, dtype: np.dtype[Any]) -> Any:
    return np.tri(n, dtype=dtype) - np.eye(n, dtype=dtype) / 2


def _folded(x: Any) -> Any:
    """The cotangent of a lower triangle that was read as a symmetric matrix."""
    return _halved(add(x, adjoint(x)))


def _mirrored(x: Any) -> Any:
    """The symmetric matrix of which a lower triangle is read."""
    half = _halved(x)
    return add(half, adjoint(half))


def on_diagonal(x: Any) -> Any:
    """Vectors as diagonal matrices."""
    return mul(as_row(x), np.eye(x.shape[-1], dtype=x.dtype))


def as_row(x: Any) -> Any:
    """Vectors as matrices of one row."""
    return reshape(x, shape=(*x.shape[:-1], 1, x.shape[-1]))


def _as_column(x: Any) -> Any:
    return reshape(x, shape=(*x.shape, 1))


def diagonal_of(x: Any) -> Any:
    """The diagonals of matrices."""
    return einsum(mul(x, np.eye(x.shape[-1], dtype=x.dtype)), spec=_row_sums(len(x.shape)))


def _row_sums(rank: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"[:rank]
    return f"{letters}->{letters[:-1]}"


def filled(cts: Sequence[Any], ys: Sequence[Any]) -> list[Any]:
    """Cotangents of all results, zeros where nobody uses one."""
    return [zeros_like(y) if ct is None else ct for ct, y in zip(cts, ys, strict=True)]


def reciprocal_gaps(low: Any) -> Any:
    """1 / (x_j - x_i) off the diagonal, 0 on it; infinite where two numbers are equal."""
    one = np.eye(low.shape[-1], dtype=low.dtype)
    return div(1 - one, add(sub(as_row(low), _as_column(low)), one))


def _gaps(values: Any, like: Any) -> Any:
    """The same in the dtype of vectors."""
    return as_kind(reciprocal_gaps(values), like)


def real_dtype(x: ArrayType) -> np.dtype[Any]:
    """Of the values that belong to float or complex matrices."""
    return REAL.get(x.dtype, x.dtype)


def _positive(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], list[Sample]]:
    """Symmetric matrices with positive, separated eigenvalues."""

    def samples(rng: np.random.Generator) -> list[Sample]:
        found = []
        for shape in shapes:
            turn = np.linalg.qr(rng.normal(size=shape))[0]
            values = 1 + np.arange(shape[-1]) + rng.uniform(0, 0.3, shape[-1])
            found.append(Sample(((turn * values) @ np.swapaxes(turn, -1, -2),)))
        return found

    return samples


# --- Cholesky ---


def _cholesky_type(x: ArrayType) -> ArrayType:
    check_matrix("cholesky", x)
    return x


def _cholesky_vjp(i: int, ct: Any, y: Any, x: Any) -> Any:
    turned = adjoint(y)
    middle = _halved(matmul(turned, triangle(conj(ct), True)))
    right = solve_triangular(turned, middle, lower=False)
    found = adjoint(solve_triangular(turned, adjoint(right), lower=False))
    return conj(_folded(found))


def _cholesky_jvp(tangents: Sequence[Any], y: Any, x: Any) -> Any:
    left = solve_triangular(y, _mirrored(tangents[0]), lower=True)
    return matmul(y, _halved(solve_triangular(y, adjoint(left), lower=True)))


cholesky: Primitive = Primitive(
    "cholesky",
    "Lower triangular y with y y^T the symmetric matrix whose lower triangle is x's.",
    type_rule=_cholesky_type,
    evaluate=np.linalg.cholesky,
    vjp=_cholesky_vjp,
    jvp=_cholesky_jvp,
    batch=batch_elementwise("cholesky"),
    lowering=Lapack("cholesky"),
    notation=r"\mathrm{{chol}}\,{0}",
    samples=_positive((3, 3), (1, 1), (2, 3, 3)),
    errors=square_errors(),
)

# --- symmetric eigenvalues ---


def _turned(x: Any, upper: bool) -> Any:
    return adjoint(x) if upper else x


def _eigh_type(x: ArrayType, upper: bool, driver: str) -> tuple[ArrayType, ArrayType]:
    check_matrix("eigh", x)
    return ArrayType(x.shape[:-1], real_dtype(x)), x


def _eigh(x: Any, upper: bool, driver: str) -> tuple[Any, Any]:
    """By NumPy, whose driver is evd, or by SciPy: signs and order of vectors are those of the driver."""
    if driver == "evd":
        values, vectors = np.linalg.eigh(x, "U" if upper else "L")
        return values, vectors
    from scipy.linalg import eigh

    values, vectors = np.empty(x.shape[:-1], x.real.dtype), np.empty(x.shape, x.dtype)
    for i in np.ndindex(x.shape[:-2]):
        values[i], vectors[i] = eigh(x[i], lower=not upper, driver=driver)
    return values, vectors


def _eigh_vjp(
    needs: Sequence[bool], cts: Sequence[Any], ys: Any, x: Any, upper: bool, driver: str
) -> list[Any]:
    values, vectors = ys
    if cts[1] is None:
        scaled = mul(vectors, as_row(as_kind(cts[0], x)))
        return [conj(_turned(_folded(matmul(scaled, adjoint(vectors))), upper))]
    ct_values, ct_vectors = filled(cts, ys)
    turned = zmul(matmul(adjoint(vectors), conj(ct_vectors)), _gaps(values, vectors))
    middle = add(on_diagonal(as_kind(ct_values, x)), turned)
    found = _folded(matmul(matmul(vectors, middle), adjoint(vectors)))
    return [conj(_turned(found, upper))]


def _eigh_jvp(tangents: Sequence[Any], ys: Any, x: Any, upper: bool, driver: str) -> list[Any]:
    values, vectors = ys
    seen = matmul(matmul(adjoint(vectors), _mirrored(_turned(tangents[0], upper))), vectors)
    return [real_part(diagonal_of(seen)), matmul(vectors, zmul(seen, _gaps(values, vectors)))]


_lower = {"upper": False, "driver": "evd"}
eigh: Primitive = Primitive(
    "eigh",
    "Eigenvalues, ascending, and eigenvectors of the symmetric matrix of which x has one triangle.",
    type_rule=_eigh_type,
    evaluate=_eigh,
    vjp=_eigh_vjp,
    jvp=_eigh_jvp,
    batch=batch_elementwise("eigh"),
    lowering=Lapack("eigh"),
    notation=r"\mathrm{{eigh}}\,{0}",
    samples=lambda rng: [
        Sample(s.args, {"upper": upper, "driver": driver})
        for upper, driver in ((False, "evd"), (True, "evd"))  # the signs of evr jump
        for s in _positive((3, 3), (1, 1), (2, 3, 3))(rng)
    ],
    errors=tuple(ErrorSample(e.args, _lower, e.words) for e in square_errors()),
    kinks=(Kink("equal eigenvalues", "that of the vectors is infinite; 0 where nobody uses them"),),
    special=lambda: [Sample((np.eye(2) * 3,), _lower, (None,))],
    joint=True,
)

# --- singular values ---


def _svd_type(x: ArrayType) -> tuple[ArrayType, ArrayType, ArrayType]:
    check_matrix("svd", x, square=False)
    *lead, m, n = x.shape
    k = min(m, n)
    values = ArrayType((*lead, k), real_dtype(x))
    return ArrayType((*lead, m, k), x.dtype), values, ArrayType((*lead, k, n), x.dtype)


def _phases(seen: Any, s: Any) -> Any:
    """i Im(x_jj) / 2 s_j on the diagonal: u and v turn against each other."""
    share = zmul(imag(diagonal_of(seen)), div(np.ones((), s.dtype), s + s))
    return on_diagonal(complex_(zeros_like(share), share))


def _both(x: Any) -> Any:
    return add(x, adjoint(x))


def _svd_vjp(needs: Sequence[bool], cts: Sequence[Any], ys: Any, x: Any) -> list[Any]:
    u, values, vt = ys
    if cts[0] is None and cts[2] is None:
        return [conj(matmul(mul(u, as_row(as_kind(cts[1], x))), vt))]
    ct_u, ct_s, ct_vt = filled(cts, ys)
    ct_u, ct_v = conj(ct_u), swap(ct_vt)
    s, v, gaps = as_kind(values, x), adjoint(vt), _gaps(mul(values, values), x)
    seen_u, seen_v = matmul(adjoint(u), ct_u), matmul(vt, ct_v)
    left = mul(_both(zmul(seen_u, gaps)), as_row(s))
    right = mul(_both(zmul(seen_v, gaps)), _as_column(s))
    middle = add(add(left, right), on_diagonal(as_kind(ct_s, x)))
    if x.dtype.kind == "c":
        middle = add(middle, _phases(sub(seen_u, seen_v), values))
    found = matmul(matmul(u, middle), vt)
    m, n = x.shape[-2:]
    if m > n:
        outside = sub(ct_u, matmul(u, seen_u))
        found = add(found, matmul(_over(outside, s), vt))
    if n > m:
        outside = sub(ct_v, matmul(v, seen_v))
        found = add(found, matmul(u, adjoint(_over(outside, s))))
    return [conj(found)]


def _over(x: Any, s: Any) -> Any:
    """Columns divided by singular values, 0 where the column is."""
    return zmul(x, div(np.ones((), s.dtype), as_row(s)))


def _svd_jvp(tangents: Sequence[Any], ys: Any, x: Any) -> list[Any]:
    u, values, vt = ys
    t, s, v, gaps = tangents[0], as_kind(values, x), adjoint(vt), _gaps(mul(values, values), x)
    seen = matmul(matmul(adjoint(u), t), v)
    turn_u = zmul(_both(mul(seen, as_row(s))), gaps)
    turn_v = zmul(_both(mul(seen, _as_column(s))), gaps)
    if x.dtype.kind == "c":
        phases = _phases(seen, values)
        turn_u, turn_v = add(turn_u, phases), sub(turn_v, phases)
    du, dv = matmul(u, turn_u), matmul(v, turn_v)
    m, n = x.shape[-2:]
    if m > n:
        du = add(du, _over(sub(matmul(t, v), matmul(u, seen)), s))
    if n > m:
        dv = add(dv, _over(sub(matmul(adjoint(t), u), matmul(v, adjoint(seen))), s))
    return [du, real_part(diagonal_of(seen)), adjoint(dv)]


svd: Primitive = Primitive(
    "svd",
    "Singular values s in descending order, with u and v^T of as many columns and rows: x = u diag(s) v^T.",
    type_rule=_svd_type,
    evaluate=lambda x: tuple(np.linalg.svd(x, full_matrices=False)),
    vjp=_svd_vjp,
    jvp=_svd_jvp,
    batch=batch_elementwise("svd"),
    lowering=Lapack("svd"),
    notation=r"\mathrm{{svd}}\,{0}",
    samples=lambda rng: [
        Sample((_separated(rng, shape),)) for shape in ((3, 3), (4, 2), (2, 4), (2, 3, 2), (1, 1))
    ],
    errors=(ErrorSample((np.ones(3),), {}, "over the last two axes"),),
    kinks=(Kink("equal or zero singular values", "as of equal eigenvalues"),),
    special=lambda: [Sample((np.eye(2) * 3,), derivative=(None,))],
    joint=True,
)


def _separated(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Matrices whose singular values are 1.5, 3, 4.5, ..."""
    u, s, vt = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
    return (u * (1.5 * np.arange(s.shape[-1], 0, -1))) @ vt


# --- QR ---


def _qr_type(x: ArrayType) -> tuple[ArrayType, ArrayType]:
    check_matrix("qr", x, square=False)
    *lead, m, n = x.shape
    if m < n:
        raise TypeRuleError(f"qr: at least as many rows as columns are wanted, not {x!r}")
    return x, ArrayType((*lead, n, n), x.dtype)


def _qr_vjp(needs: Sequence[bool], cts: Sequence[Any], ys: Any, x: Any) -> list[Any]:
    q, r = ys
    ct_q, ct_r = map(conj, filled(cts, ys))
    seen = sub(matmul(r, adjoint(triangle(ct_r, False))), matmul(adjoint(ct_q), q))
    whole = add(ct_q, matmul(q, _mirrored(seen)))
    return [conj(adjoint(solve_triangular(r, adjoint(whole), lower=False)))]


def _qr_jvp(tangents: Sequence[Any], ys: Any, x: Any) -> list[Any]:
    q, r = ys
    moved = swap(solve_triangular(swap(r), swap(tangents[0]), lower=True))
    seen = matmul(adjoint(q), moved)
    below = mul(seen, np.tri(r.shape[-1], k=-1, dtype=r.dtype))
    turn = sub(below, adjoint(below))
    if x.dtype.kind == "c":  # the diagonal of r is real
        none = imag(diagonal_of(seen))
        turn = add(turn, on_diagonal(complex_(zeros_like(none), none)))
    dq = add(matmul(q, turn), sub(moved, matmul(q, seen)))
    return [dq, matmul(sub(seen, turn), r)]


qr: Primitive = Primitive(
    "qr",
    "Orthogonal columns q and an upper triangle r with x = q r.",
    type_rule=_qr_type,
    evaluate=lambda x: tuple(np.linalg.qr(x)),
    vjp=_qr_vjp,
    jvp=_qr_jvp,
    batch=batch_elementwise("qr"),
    lowering=Lapack("qr"),
    notation=r"\mathrm{{qr}}\,{0}",
    samples=lambda rng: (
        [Sample((regular_matrix(rng, (3, 3)),))]
        + [Sample((rng.normal(size=shape),)) for shape in ((4, 2), (2, 3, 2), (1, 1))]
    ),
    errors=(
        ErrorSample((np.ones(3),), {}, "over the last two axes"),
        ErrorSample((np.ones((2, 3)),), {}, "at least as many rows"),
    ),
    joint=True,
)
