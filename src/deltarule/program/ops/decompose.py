"""Matrices taken apart: Cholesky, eigenvalues, singular values, QR; over the last two axes.

In: float matrices. Out: factors. LAPACK computes them through NumPy; the derivatives are written in products
and divisions. Differences of eigenvalues or singular values are divided by: where two are equal the
derivative of their vectors is infinite, and counts only where somebody uses the vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.errors import TypeRuleError
from deltarule.program.families import batch_elementwise, zeros_like
from deltarule.program.ops.contract import einsum, matmul, swap
from deltarule.program.ops.elementwise import add, div, mul, sub, zmul
from deltarule.program.ops.linalg import (
    LAPACK,
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
    weights = np.tri(x.shape[-1], dtype=x.dtype) - np.eye(x.shape[-1], dtype=x.dtype) / 2
    return mul(x, weights)


def _folded(x: Any) -> Any:
    """The cotangent of a lower triangle that was read as a symmetric matrix."""
    return _halved(add(x, swap(x)))


def _mirrored(x: Any) -> Any:
    """The symmetric matrix of which a lower triangle is read."""
    half = _halved(x)
    return add(half, swap(half))


def _on_diagonal(x: Any) -> Any:
    """Vectors as diagonal matrices."""
    return mul(_as_row(x), np.eye(x.shape[-1], dtype=x.dtype))


def _as_row(x: Any) -> Any:
    return reshape(x, shape=(*x.shape[:-1], 1, x.shape[-1]))


def _as_column(x: Any) -> Any:
    return reshape(x, shape=(*x.shape, 1))


def _diagonal(x: Any) -> Any:
    return einsum(mul(x, np.eye(x.shape[-1], dtype=x.dtype)), spec=_row_sums(len(x.shape)))


def _row_sums(rank: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"[:rank]
    return f"{letters}->{letters[:-1]}"


def _filled(cts: Sequence[Any], ys: Sequence[Any]) -> list[Any]:
    return [zeros_like(y) if ct is None else ct for ct, y in zip(cts, ys, strict=True)]


def _reciprocal_gaps(low: Any) -> Any:
    """1 / (x_j - x_i) off the diagonal, 0 on it; infinite where two numbers are equal."""
    one = np.eye(low.shape[-1], dtype=low.dtype)
    return div(1 - one, add(sub(_as_row(low), _as_column(low)), one))


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
    middle = _halved(matmul(swap(y), triangle(ct, True)))
    right = solve_triangular(swap(y), middle, lower=False)
    found = swap(solve_triangular(swap(y), swap(right), lower=False))
    return _folded(found)


def _cholesky_jvp(tangents: Sequence[Any], y: Any, x: Any) -> Any:
    left = solve_triangular(y, _mirrored(tangents[0]), lower=True)
    return matmul(y, _halved(solve_triangular(y, swap(left), lower=True)))


cholesky: Primitive = Primitive(
    "cholesky",
    "Lower triangular y with y y^T the symmetric matrix whose lower triangle is x's.",
    type_rule=_cholesky_type,
    evaluate=np.linalg.cholesky,
    vjp=_cholesky_vjp,
    jvp=_cholesky_jvp,
    batch=batch_elementwise("cholesky"),
    lowering=LAPACK,
    notation=r"\mathrm{{chol}}\,{0}",
    samples=_positive((3, 3), (1, 1), (2, 3, 3)),
    errors=square_errors(),
)

# --- symmetric eigenvalues ---


def _turned(x: Any, upper: bool) -> Any:
    return swap(x) if upper else x


def _eigh_type(x: ArrayType, upper: bool, driver: str) -> tuple[ArrayType, ArrayType]:
    check_matrix("eigh", x)
    return ArrayType(x.shape[:-1], x.dtype), x


def _eigh(x: Any, upper: bool, driver: str) -> tuple[Any, Any]:
    """By NumPy, whose driver is evd, or by SciPy: signs and order of vectors are those of the driver."""
    if driver == "evd":
        values, vectors = np.linalg.eigh(x, "U" if upper else "L")
        return values, vectors
    from scipy.linalg import eigh

    values, vectors = np.empty(x.shape[:-1], x.dtype), np.empty(x.shape, x.dtype)
    for i in np.ndindex(x.shape[:-2]):
        values[i], vectors[i] = eigh(x[i], lower=not upper, driver=driver)
    return values, vectors


def _eigh_vjp(
    needs: Sequence[bool], cts: Sequence[Any], ys: Any, x: Any, upper: bool, driver: str
) -> list[Any]:
    values, vectors = ys
    ct_values, ct_vectors = _filled(cts, ys)
    turned = zmul(matmul(swap(vectors), ct_vectors), _reciprocal_gaps(values))
    middle = add(_on_diagonal(ct_values), turned)
    return [_turned(_folded(matmul(matmul(vectors, middle), swap(vectors))), upper)]


def _eigh_jvp(tangents: Sequence[Any], ys: Any, x: Any, upper: bool, driver: str) -> list[Any]:
    values, vectors = ys
    seen = matmul(matmul(swap(vectors), _mirrored(_turned(tangents[0], upper))), vectors)
    return [_diagonal(seen), matmul(vectors, zmul(seen, _reciprocal_gaps(values)))]


_lower = {"upper": False, "driver": "evd"}
eigh: Primitive = Primitive(
    "eigh",
    "Eigenvalues, ascending, and eigenvectors of the symmetric matrix of which x has one triangle.",
    type_rule=_eigh_type,
    evaluate=_eigh,
    vjp=_eigh_vjp,
    jvp=_eigh_jvp,
    batch=batch_elementwise("eigh"),
    lowering=LAPACK,
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
    shapes = ((*lead, m, k), (*lead, k), (*lead, k, n))
    return tuple(ArrayType(shape, x.dtype) for shape in shapes)  # type: ignore[return-value]


def _svd_gaps(s: Any) -> Any:
    return _reciprocal_gaps(mul(s, s))


def _both(x: Any) -> Any:
    return add(x, swap(x))


def _svd_vjp(needs: Sequence[bool], cts: Sequence[Any], ys: Any, x: Any) -> list[Any]:
    u, s, vt = ys
    ct_u, ct_s, ct_vt = _filled(cts, ys)
    v, ct_v, gaps = swap(vt), swap(ct_vt), _svd_gaps(s)
    left = mul(_both(zmul(matmul(swap(u), ct_u), gaps)), _as_row(s))
    right = mul(_both(zmul(matmul(vt, ct_v), gaps)), _as_column(s))
    middle = add(add(left, right), _on_diagonal(ct_s))
    found = matmul(matmul(u, middle), vt)
    m, n = x.shape[-2:]
    if m > n:
        outside = sub(ct_u, matmul(u, matmul(swap(u), ct_u)))
        found = add(found, matmul(_over(outside, s), vt))
    if n > m:
        outside = sub(ct_v, matmul(v, matmul(vt, ct_v)))
        found = add(found, matmul(u, swap(_over(outside, s))))
    return [found]


def _over(x: Any, s: Any) -> Any:
    """Columns divided by singular values, 0 where the column is."""
    return zmul(x, div(np.ones((), s.dtype), _as_row(s)))


def _svd_jvp(tangents: Sequence[Any], ys: Any, x: Any) -> list[Any]:
    u, s, vt = ys
    t, v, gaps = tangents[0], swap(vt), _svd_gaps(s)
    seen = matmul(matmul(swap(u), t), v)
    du = matmul(u, zmul(_both(mul(seen, _as_row(s))), gaps))
    dv = matmul(v, zmul(_both(mul(seen, _as_column(s))), gaps))
    m, n = x.shape[-2:]
    if m > n:
        du = add(du, _over(sub(matmul(t, v), matmul(u, seen)), s))
    if n > m:
        dv = add(dv, _over(sub(matmul(swap(t), u), matmul(v, swap(seen))), s))
    return [du, _diagonal(seen), swap(dv)]


svd: Primitive = Primitive(
    "svd",
    "Singular values s in descending order, with u and v^T of as many columns and rows: x = u diag(s) v^T.",
    type_rule=_svd_type,
    evaluate=lambda x: tuple(np.linalg.svd(x, full_matrices=False)),
    vjp=_svd_vjp,
    jvp=_svd_jvp,
    batch=batch_elementwise("svd"),
    lowering=LAPACK,
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
    ct_q, ct_r = _filled(cts, ys)
    seen = sub(matmul(r, swap(triangle(ct_r, False))), matmul(swap(ct_q), q))
    whole = add(ct_q, matmul(q, _mirrored(seen)))
    return [swap(solve_triangular(r, swap(whole), lower=False))]


def _qr_jvp(tangents: Sequence[Any], ys: Any, x: Any) -> list[Any]:
    q, r = ys
    moved = swap(solve_triangular(swap(r), swap(tangents[0]), lower=True))
    seen = matmul(swap(q), moved)
    below = mul(seen, np.tri(r.shape[-1], k=-1, dtype=r.dtype))
    turn = sub(below, swap(below))
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
    lowering=LAPACK,
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
