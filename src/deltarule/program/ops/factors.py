"""What completes and extends the factors of matrices: more orthogonal columns, pivots, Sylvester's equation,
functions of matrices; over the last two axes.

In: float or complex matrices. Out: columns, orders of rows, solutions, matrices. LAPACK computes them through
NumPy and SciPy; the derivatives are written in products and solutions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from deltarule.errors import TypeRuleError
from deltarule.program.families import batch_elementwise, same_dtype, total, unbroadcast
from deltarule.program.ops.complex import conj
from deltarule.program.ops.contract import matmul, swap
from deltarule.program.ops.elementwise import add, neg, sub
from deltarule.program.ops.linalg import (
    LAPACK,
    adjoint,
    check_matrix,
    lapack,
    moved_along,
    pinv,
    regular_matrix,
    solve_triangular,
    square_errors,
    triangle,
)
from deltarule.program.primitive import ErrorSample, Primitive, Sample
from deltarule.program.types import ArrayType

Evaluate = Callable[..., Any]


def of_each(
    function: Evaluate,
    *arrays: Any,
    tail: tuple[int, ...],
    dtype: Any,
) -> Any:
    """A function of single matrices on each of those over the last two axes, leading axes broadcast."""
    lead = np.broadcast_shapes(*(x.shape[:-2] for x in arrays))
    given = [np.broadcast_to(x, (*lead, *x.shape[-2:])) for x in arrays]
    out = np.empty((*lead, *tail), dtype)
    for i in np.ndindex(lead):
        out[i] = function(*(x[i] for x in given)) if out[i].size else out[i]
    return out


# --- orthogonal columns ---


def _check_tall(name: str, x: ArrayType) -> None:
    """TypeRuleError where matrices have more columns than rows."""
    check_matrix(name, x, square=False)
    if x.shape[-2] < x.shape[-1]:
        raise TypeRuleError(f"{name}: at least as many rows as columns are wanted, not {x!r}")


def _complement_type(
    x: ArrayType,
    factor: str,
) -> ArrayType:
    _check_tall("complement", x)
    *lead, m, n = x.shape
    return ArrayType((*lead, m, m - n), x.dtype)


def _complement(
    x: Any,
    factor: str,
) -> Any:
    n = x.shape[-1]
    if factor == "q":
        return np.linalg.qr(x, "complete")[0][..., n:]
    if factor == "u":
        return np.linalg.svd(x)[0][..., n:]
    rows = np.linalg.svd(np.conj(np.swapaxes(x, -1, -2)))[2][..., n:, :]
    return np.conj(np.swapaxes(rows, -1, -2))


def _complement_vjp(
    i: int,
    ct: Any,
    y: Any,
    x: Any,
    factor: str,
) -> Any:
    return neg(conj(matmul(matmul(y, adjoint(conj(ct))), adjoint(pinv(x, rcond=None)))))


complement: Primitive = Primitive(
    "complement",
    "The columns with which NumPy's u, v or q goes on after those of x: y^T x = 0; dy = -(x^+)^T dx^T y.",
    type_rule=_complement_type,
    evaluate=_complement,
    vjp=_complement_vjp,
    jvp=lambda tangents, y, x, factor: neg(
        matmul(adjoint(pinv(x, rcond=None)), matmul(adjoint(tangents[0]), y))
    ),
    batch=batch_elementwise("complement"),
    lowering=LAPACK,
    notation=r"{0}^\perp",
    samples=lambda rng: [
        Sample((rng.normal(size=shape),), {"factor": factor})
        for factor in ("q", "u", "v")
        for shape in ((3, 2), (2, 2, 1))
    ],
    errors=(ErrorSample((np.ones((2, 3)),), {"factor": "q"}, "at least as many rows"),),
)


def _polar_type(x: ArrayType) -> ArrayType:
    _check_tall("polar", x)
    return x


def _polar(x: Any) -> Any:
    u, _, vt = np.linalg.svd(x, full_matrices=False)
    return u @ vt


def _stretched(
    y: Any,
    x: Any,
) -> Any:
    """The symmetric factor y^T x."""
    found = matmul(adjoint(y), x)
    return (found + adjoint(found)) / 2


def _polar_vjp(
    i: int,
    ct: Any,
    y: Any,
    x: Any,
) -> Any:
    ct, p = conj(ct), _stretched(y, x)
    seen = matmul(adjoint(y), ct)
    turned = sylvester(p, p, seen)
    inside = matmul(y, sub(turned, adjoint(turned)))
    if x.shape[-2] == x.shape[-1]:
        return conj(inside)
    return conj(add(inside, matmul(sub(ct, matmul(y, seen)), pinv(p, rcond=None))))


def _polar_jvp(
    tangents: Sequence[Any],
    y: Any,
    x: Any,
) -> Any:
    t, p = tangents[0], _stretched(y, x)
    seen = matmul(adjoint(y), t)
    inside = matmul(y, sylvester(p, p, sub(seen, adjoint(seen))))
    if x.shape[-2] == x.shape[-1]:
        return inside
    return add(inside, matmul(sub(t, matmul(y, seen)), pinv(p, rcond=None)))


polar: Primitive = Primitive(
    "polar",
    "The orthogonal columns y nearest to x, with x = y p and p symmetric.",
    type_rule=_polar_type,
    evaluate=_polar,
    vjp=_polar_vjp,
    jvp=_polar_jvp,
    batch=batch_elementwise("polar"),
    lowering=LAPACK,
    notation=r"\mathrm{{polar}}\,{0}",
    samples=lambda rng: [
        Sample((regular_matrix(rng, shape)[..., :n],))
        for shape, n in (((3, 3), 3), ((3, 3), 2), ((2, 2, 2), 2), ((1, 1), 1))
    ],
    errors=(ErrorSample((np.ones((2, 3)),), {}, "at least as many rows"),),
)


# --- elimination ---


def _pivots_type(x: ArrayType) -> ArrayType:
    check_matrix("pivots", x, square=False)
    return ArrayType((*x.shape[:-2], min(x.shape[-2:])), np.dtype(np.int32))


def _pivots(x: Any) -> Any:
    factor = lapack("getrf", x.dtype)
    found = np.zeros((*x.shape[:-2], min(x.shape[-2:])), np.int32)
    for i in np.ndindex(x.shape[:-2]):
        found[i] = factor(x[i])[1] if x[i].size else 0
    return found


pivots: Primitive = Primitive(
    "pivots",
    "The row that elimination exchanges with each row in turn, to have the largest number on the diagonal.",
    type_rule=_pivots_type,
    evaluate=_pivots,
    vjp=None,
    jvp=None,
    batch=batch_elementwise("pivots"),
    lowering=LAPACK,
    notation=r"\mathrm{{piv}}\,{0}",
    samples=lambda rng: [
        Sample((rng.normal(size=shape),)) for shape in ((3, 3), (4, 2), (2, 3), (2, 2, 2), (0, 0))
    ],
    errors=(ErrorSample((np.ones(3),), {}, "over the last two axes"),),
)


def _exchanged_type(
    swaps: ArrayType,
    rows: int,
) -> ArrayType:
    if swaps.dtype.kind not in "iu" or not swaps.shape or swaps.shape[-1] > rows:
        raise TypeRuleError(f"exchanged takes at most {rows} row numbers, not {swaps!r}")
    return ArrayType((*swaps.shape[:-1], rows), np.dtype(np.int64))


def _exchanged(
    swaps: Any,
    rows: int,
) -> Any:
    order = np.tile(np.arange(rows), (*swaps.shape[:-1], 1))
    for k in range(swaps.shape[-1]):
        other = swaps[..., k, None].astype(np.int64)
        moved = np.take_along_axis(order, other, -1)
        np.put_along_axis(order, other, order[..., k, None], -1)
        order[..., k, None] = moved
    return order


exchanged: Primitive = Primitive(
    "exchanged",
    "The order of rows after exchanging each row in turn with another.",
    type_rule=_exchanged_type,
    evaluate=_exchanged,
    vjp=None,
    jvp=None,
    batch=batch_elementwise("exchanged"),
    lowering=LAPACK,
    notation=r"\mathrm{{order}}\,{0}",
    samples=lambda rng: [
        Sample((np.array([2, 1, 2], np.int32),), {"rows": 3}),
        Sample((np.array([[1, 3], [0, 1]], np.int32),), {"rows": 4}),
    ],
    errors=(ErrorSample((np.ones(3),), {"rows": 3}, "row numbers"),),
)


def _lu_type(x: ArrayType) -> ArrayType:
    check_matrix("lu", x)
    return x


def _eliminated(x: Any) -> Any:
    """By LAPACK, whose pivots are on the diagonal already; by hand where rounding makes it exchange rows."""
    factor = lapack("getrf", x.dtype)
    found, swaps, _ = factor(x)
    if np.array_equal(swaps, np.arange(len(x))):
        return found
    y = x.copy()
    for k in range(len(y) - 1):
        y[k + 1 :, k] /= y[k, k]
        y[k + 1 :, k + 1 :] -= np.outer(y[k + 1 :, k], y[k, k + 1 :])
    return y


def _unit(y: Any) -> Any:
    """The lower factor, ones on its diagonal."""
    eye = np.eye(y.shape[-1], dtype=y.dtype)
    return add(sub(triangle(y, True), y * eye), eye)


def _strict(x: Any) -> Any:
    """The lower triangle without the diagonal."""
    return x * np.tri(x.shape[-1], k=-1, dtype=x.dtype)


def _from_right(
    y: Any,
    x: Any,
) -> Any:
    """x u^-1, u being the upper factor of y."""
    return swap(solve_triangular(swap(y), swap(x), lower=True))


def _lu_vjp(
    i: int,
    ct: Any,
    y: Any,
    x: Any,
) -> Any:
    left = matmul(swap(_unit(y)), _strict(ct))
    right = matmul(triangle(ct, False), swap(triangle(y, False)))
    middle = add(_strict(left), triangle(right, False))
    found = solve_triangular(swap(_unit(y)), middle, lower=False)
    return swap(solve_triangular(y, swap(found), lower=False))


def _lu_jvp(
    tangents: Sequence[Any],
    y: Any,
    x: Any,
) -> Any:
    lower, upper = _unit(y), triangle(y, False)
    seen = _from_right(y, solve_triangular(lower, tangents[0], lower=True))
    return add(matmul(lower, _strict(seen)), matmul(triangle(seen, False), upper))


lu: Primitive = Primitive(
    "lu",
    "Lower and upper factor in one matrix, x = l u, without exchange of rows; the diagonal of l is 1.",
    type_rule=_lu_type,
    evaluate=lambda x: of_each(_eliminated, x, tail=x.shape[-2:], dtype=x.dtype),
    vjp=_lu_vjp,
    jvp=_lu_jvp,
    batch=batch_elementwise("lu"),
    lowering=LAPACK,
    notation=r"\mathrm{{lu}}\,{0}",
    samples=lambda rng: [
        Sample((regular_matrix(rng, shape),)) for shape in ((3, 3), (1, 1), (2, 3, 3), (0, 0))
    ],
    errors=square_errors(),
)


# --- equations and functions ---


def _sylvester_type(
    a: ArrayType,
    b: ArrayType,
    q: ArrayType,
) -> ArrayType:
    check_matrix("sylvester", a)
    check_matrix("sylvester", b)
    check_matrix("sylvester", q, square=False)
    dtype, shape = same_dtype("sylvester", (a, b, q)), (a.shape[-1], b.shape[-1])
    if q.shape[-2:] != shape:
        raise TypeRuleError(f"sylvester: with {a!r} and {b!r} the right side is {shape}, not {q!r}")
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2], q.shape[:-2])
    return ArrayType((*lead, *shape), dtype)


def _sylvester(
    a: Any,
    b: Any,
    q: Any,
) -> Any:
    from scipy.linalg import solve_sylvester

    return of_each(solve_sylvester, a, b, q, tail=q.shape[-2:], dtype=q.dtype)


def _sylvester_vjp(
    i: int,
    ct: Any,
    y: Any,
    a: Any,
    b: Any,
    q: Any,
) -> Any:
    right = sylvester(swap(a), swap(b), ct)
    if i == 2:
        return unbroadcast(right, q.shape)
    if i == 0:
        return unbroadcast(neg(matmul(right, swap(y))), a.shape)
    return unbroadcast(neg(matmul(swap(y), right)), b.shape)


def _sylvester_jvp(
    tangents: Sequence[Any],
    y: Any,
    a: Any,
    b: Any,
    q: Any,
) -> Any:
    ta, tb, tq = tangents
    terms = [] if tq is None else [tq]
    terms += [] if ta is None else [neg(matmul(ta, y))]
    terms += [] if tb is None else [neg(matmul(y, tb))]
    return sylvester(a, b, total(terms, y))


sylvester: Primitive = Primitive(
    "sylvester",
    "Solution y of a y + y b = q.",
    type_rule=_sylvester_type,
    evaluate=_sylvester,
    vjp=_sylvester_vjp,
    jvp=_sylvester_jvp,
    batch=batch_elementwise("sylvester"),
    lowering=LAPACK,
    notation=r"\mathrm{{sylv}}({0}, {1}, {2})",
    samples=lambda rng: [
        Sample((regular_matrix(rng, a), regular_matrix(rng, b), rng.normal(size=q)))
        for a, b, q in (((3, 3), (2, 2), (3, 2)), ((2, 2), (2, 2, 2), (2, 2)))
    ],
    errors=(
        ErrorSample((np.ones((2, 2)), np.ones((3, 3)), np.ones((3, 2))), {}, "the right side is"),
    ),
)


def _same_square(name: str) -> Callable[..., ArrayType]:
    def type_rule(
        x: ArrayType,
        **attrs: Any,
    ) -> ArrayType:
        check_matrix(name, x)
        return x

    return type_rule


def _matrix_function(
    name: str,
    doc: str,
    evaluate: Evaluate,
    notation: str,
    **attrs: Any,
) -> Primitive:
    """A power series of matrices: its derivative along t is the upper right block of f([[x, t], [0, x]])."""

    def value(
        x: Any,
        **attrs: Any,
    ) -> Any:
        wide = np.result_type(x.dtype, float)

        def checked(one: Any) -> Any:
            found = np.asarray(evaluate(one.astype(wide), **attrs))
            size = np.abs(found).max()
            if x.dtype.kind != "c" and np.abs(found.imag).max() > 1e-8 * size:
                raise np.linalg.LinAlgError(
                    f"{name} of a real matrix is complex here; cast it first, x.astype(complex)"
                )
            return found if x.dtype.kind == "c" else found.real

        return of_each(checked, x, tail=x.shape[-2:], dtype=x.dtype)

    def moved(
        x: Any,
        t: Any,
        **attrs: Any,
    ) -> Any:
        return moved_along(partial(found, **attrs), x, t)

    found = Primitive(
        name,
        doc,
        type_rule=_same_square(name),
        evaluate=value,
        vjp=lambda i, ct, y, x, **attrs: moved(swap(x), ct, **attrs),
        jvp=lambda tangents, y, x, **attrs: moved(x, tangents[0], **attrs),
        batch=batch_elementwise(name),
        lowering=LAPACK,
        notation=notation,
        samples=lambda rng: [
            Sample((regular_matrix(rng, shape),), attrs) for shape in ((2, 2), (1, 1))
        ],
        errors=tuple(ErrorSample(e.args, attrs, e.words) for e in square_errors()),
    )
    return found


def _sqrtm(x: Any) -> Any:
    from scipy.linalg import sqrtm

    return sqrtm(x)


def _logm(x: Any) -> Any:
    from scipy.linalg import logm

    return logm(x)


def _powerm(
    x: Any,
    power: float,
) -> Any:
    from scipy.linalg import fractional_matrix_power

    return fractional_matrix_power(x, power)


sqrtm = _matrix_function("sqrtm", "Square root of matrices, y y = x.", _sqrtm, r"{0}^{{1/2}}")
logm = _matrix_function("logm", "Logarithm of matrices, e^y = x.", _logm, r"\ln {0}")
powerm = _matrix_function(
    "powerm", "Power of matrices, e^(n ln x).", _powerm, r"{0}^{{n}}", power=0.7
)
