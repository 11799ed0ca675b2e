"""Linear systems, inverses and determinants: over the last two axes, leading axes broadcast.

In: square matrices, but for ``pinv``; right sides as matrices. Out: solutions, inverses, determinants.
LAPACK computes them; the derivatives are written in products and solutions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from deltarule.errors import TypeRuleError
from deltarule.program.families import batch_elementwise, same_dtype, total, unbroadcast, zeros_like
from deltarule.program.lowering import Expand, Lapack, Opaque
from deltarule.program.ops.complex import as_kind, conj
from deltarule.program.ops.contract import matmul, swap
from deltarule.program.ops.elementwise import div, mul, neg, sub, zmul
from deltarule.program.ops.logic import gt, select
from deltarule.program.ops.reduce import max_, sum_
from deltarule.program.ops.shape import concatenate, reshape, slice_
from deltarule.program.primitive import ErrorSample, Kink, Primitive, Sample
from deltarule.program.types import ArrayType

LAPACK = Opaque("linear algebra is LAPACK's")


def check_matrix(name: str, x: ArrayType, square: bool = True) -> None:
    """TypeRuleError unless ``x`` holds float or complex matrices over its last two axes."""
    if x.dtype.kind not in "fc" or x.dtype.itemsize < 4:
        raise TypeRuleError(f"{name} takes no {x!r}; cast it to float first, x.astype(float)")
    if len(x.shape) < 2:
        raise TypeRuleError(f"{name}: matrices over the last two axes are wanted, not {x!r}")
    if square and x.shape[-1] != x.shape[-2]:
        raise TypeRuleError(
            f"{name}: square matrices are wanted, the last two axes of {x!r} have sizes "
            f"{x.shape[-2]} and {x.shape[-1]}"
        )


def adjoint(x: Any) -> Any:
    """Matrices transposed, and conjugated where they are complex."""
    return conj(swap(x))


def square_errors() -> tuple[ErrorSample, ...]:
    """What every operation on square matrices refuses."""
    return (
        ErrorSample((np.ones(3),), {}, "over the last two axes"),
        ErrorSample((np.ones((2, 3)),), {}, "have sizes 2 and 3"),
        ErrorSample((np.ones((2, 2), int),), {}, "cast it to float"),
    )


def regular(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], list[Sample]]:
    """Well-conditioned square matrices."""
    return lambda rng: [Sample((regular_matrix(rng, shape),)) for shape in shapes]


def regular_matrix(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Random numbers, and twice the size on the diagonal."""
    return rng.normal(size=shape) + 2 * shape[-1] * np.eye(shape[-1])


def systems(
    *pairs: tuple[tuple[int, ...], tuple[int, ...]],
) -> Callable[[np.random.Generator], list[Sample]]:
    """Linear systems: matrices and right sides."""
    return lambda rng: [Sample((regular_matrix(rng, a), rng.normal(size=b))) for a, b in pairs]


def _system_type(name: str) -> Callable[..., ArrayType]:
    def type_rule(a: ArrayType, b: ArrayType, **attrs: Any) -> ArrayType:
        check_matrix(name, a)
        check_matrix(name, b, square=False)
        dtype = same_dtype(name, (a, b))
        if a.shape[-1] != b.shape[-2]:
            raise TypeRuleError(
                f"{name}: the matrix {a!r} has {a.shape[-1]} rows, the right side {b!r} has "
                f"{b.shape[-2]}"
            )
        try:
            lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        except ValueError:
            raise TypeRuleError(
                f"{name}: leading axes of {a!r} and {b!r} do not broadcast"
            ) from None
        return ArrayType((*lead, *b.shape[-2:]), dtype)

    return type_rule


_system_errors = (
    ErrorSample((np.ones((2, 2)), np.ones((3, 1))), {}, "has 2 rows"),
    ErrorSample((np.ones((2, 3)), np.ones((3, 1))), {}, "have sizes 2 and 3"),
    ErrorSample((np.ones((2, 2)), np.ones(2)), {}, "over the last two axes"),
    ErrorSample((np.ones((2, 2)), np.ones((2, 2), "f4")), {}, "dtypes differ"),
    ErrorSample((np.ones((2, 2, 2)), np.ones((3, 2, 2))), {}, "leading axes"),
)


def _solve_vjp(i: int, ct: Any, y: Any, a: Any, b: Any) -> Any:
    right = solve(swap(a), ct)
    if i == 1:
        return unbroadcast(right, b.shape)
    return unbroadcast(neg(matmul(right, swap(y))), a.shape)


def _solve_jvp(tangents: Sequence[Any], y: Any, a: Any, b: Any) -> Any:
    ta, tb = tangents
    terms = [] if ta is None else [neg(solve(a, matmul(ta, y)))]
    return total(terms + ([] if tb is None else [solve(a, tb)]), y)


solve: Primitive = Primitive(
    "solve",
    "Solution of linear systems, y = a^-1 b.",
    type_rule=_system_type("solve"),
    evaluate=np.linalg.solve,
    vjp=_solve_vjp,
    jvp=_solve_jvp,
    batch=batch_elementwise("solve"),
    lowering=Lapack("solve"),
    notation="{0}^{{-1}} {1}",
    samples=systems(
        ((3, 3), (3, 2)),
        ((1, 1), (1, 1)),
        ((2, 3, 3), (3, 1)),
        ((2, 2), (3, 2, 2)),
        ((0, 0), (0, 2)),
    ),
    errors=_system_errors,
)


def triangle(x: Any, lower: bool) -> Any:
    """The lower or upper triangle of matrices, zeros elsewhere."""
    inside = _below(*x.shape[-2:])
    return select(inside if lower else inside.T, x, x.dtype.type(0))


@lru_cache(maxsize=256)
def _below(m: int, n: int) -> Any:
    """True on the diagonal and below."""
    return np.tri(m, n) > 0


def _solve_triangular(a: Any, b: Any, lower: bool) -> Any:
    if a.ndim == b.ndim == 2 and b.size:
        return _solved(a, b, lower)
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    out = np.empty((*lead, *b.shape[-2:]), b.dtype)
    left, right = (np.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (a, b))
    for i in np.ndindex(lead):
        out[i] = _solved(left[i], right[i], lower) if out[i].size else out[i]
    return out


LETTERS = {"f": "s", "d": "d", "F": "c", "D": "z"}  # with which LAPACK's names begin


def lapack(word: str, dtype: np.dtype[Any]) -> Any:
    """SciPy's ``word`` of LAPACK for a dtype."""
    from scipy.linalg import lapack

    return getattr(lapack, LETTERS[dtype.char] + word)


def _solved(a: Any, b: Any, lower: bool) -> Any:
    """One system, by LAPACK itself: a third of the time of SciPy's ``solve_triangular`` where it is small."""
    solve = lapack("trtrs", a.dtype)
    turned = not a.flags.f_contiguous  # in row-major order it is read as its transpose
    found, failed = solve(a.T if turned else a, b, lower=lower != turned, trans=turned)
    if failed:
        raise np.linalg.LinAlgError(f"singular matrix: resolution failed at diagonal {failed - 1}")
    return found


def _triangular_vjp(i: int, ct: Any, y: Any, a: Any, b: Any, lower: bool) -> Any:
    right = solve_triangular(swap(a), ct, lower=not lower)
    if i == 1:
        return unbroadcast(right, b.shape)
    return unbroadcast(triangle(neg(matmul(right, swap(y))), lower), a.shape)


def _triangular_jvp(tangents: Sequence[Any], y: Any, a: Any, b: Any, lower: bool) -> Any:
    ta, tb = tangents
    terms = [] if tb is None else [solve_triangular(a, tb, lower=lower)]
    if ta is not None:
        moved = matmul(triangle(ta, lower), y)
        terms.append(neg(solve_triangular(a, moved, lower=lower)))
    return total(terms, y)


solve_triangular: Primitive = Primitive(
    "solve_triangular",
    "Solution of linear systems with the lower or upper triangle of a matrix.",
    type_rule=_system_type("solve_triangular"),
    evaluate=_solve_triangular,
    vjp=_triangular_vjp,
    jvp=_triangular_jvp,
    batch=batch_elementwise("solve_triangular"),
    lowering=Lapack("triangular"),
    notation="{0}^{{-1}} {1}",
    samples=lambda rng: [
        Sample(s.args, {"lower": lower})
        for lower in (True, False)
        for s in systems(((3, 3), (3, 2)), ((2, 3, 3), (3, 1)), ((2, 2), (3, 2, 2)))(rng)
    ],
    errors=tuple(ErrorSample(e.args, {"lower": True}, e.words) for e in _system_errors),
)


def _square_type(name: str, tail: int = 2) -> Callable[..., ArrayType]:
    """Type rule of a function of square matrices; ``tail`` of their two axes remain."""

    def type_rule(x: ArrayType) -> ArrayType:
        check_matrix(name, x)
        return ArrayType(x.shape if tail else x.shape[:-2], x.dtype)

    return type_rule


def _of_each(x: Any) -> Any:
    """One number for each matrix, with axes for its rows and columns."""
    return reshape(x, shape=(*x.shape, 1, 1))


def _inner(a: Any, b: Any) -> Any:
    """Sum of the products of all elements of each pair of matrices."""
    n = len(a.shape)
    return sum_(mul(a, b), axes=(n - 2, n - 1))


inv: Primitive = Primitive(
    "inv",
    "Inverse of matrices, dy = -y dx y.",
    type_rule=_square_type("inv"),
    evaluate=np.linalg.inv,
    vjp=lambda i, ct, y, x: neg(matmul(matmul(swap(y), ct), swap(y))),
    jvp=lambda tangents, y, x: neg(matmul(matmul(y, tangents[0]), y)),
    batch=batch_elementwise("inv"),
    lowering=Lapack("inv"),
    notation="{0}^{{-1}}",
    samples=regular((3, 3), (1, 1), (2, 3, 3), (0, 0)),
    errors=square_errors(),
)


def _cofactor(x: Any) -> Any:
    """det(x) x^-T, and by the singular values where x has no inverse, or nearly none: u diag(products of the
    others) v."""
    inverse = _good_inverse(x)
    if inverse is not None:
        return _det_evaluate(x)[..., None, None] * inverse.swapaxes(-1, -2)
    u, s, v = np.linalg.svd(x)
    n = x.shape[-1]
    others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(-1)
    sign = np.linalg.det(u) * np.linalg.det(v)
    turned = sign[..., None, None] * np.conj(u) * others[..., None, :]
    return (turned @ np.conj(v)).astype(x.dtype, copy=False)


def _good_inverse(x: Any) -> Any:
    """The inverse of matrices, if it has nearly all digits in all of them."""
    try:
        inverse = np.linalg.inv(x)
    except np.linalg.LinAlgError:
        return None
    eps = np.finfo(x.dtype).eps
    condition = np.linalg.norm(x, axis=(-2, -1)) * np.linalg.norm(inverse, axis=(-2, -1))
    return inverse if np.all(condition * eps < 1e-4 * np.sqrt(eps)) else None


def _cofactor_moved(t: Any, y: Any, x: Any) -> Any:
    """(<y, t> y - y t^T y) / det(x): the map is its own transpose."""
    moved = sub(mul(_of_each(_inner(y, t)), y), matmul(matmul(y, swap(t)), y))
    return zmul(moved, _of_each(div(np.ones((), x.dtype), det(x))))


cofactor: Primitive = Primitive(
    "cofactor",
    "Cofactors of matrices: the derivative of the determinant, for those without an inverse, too.",
    type_rule=_square_type("cofactor"),
    evaluate=_cofactor,
    vjp=lambda i, ct, y, x: _cofactor_moved(ct, y, x),
    jvp=lambda tangents, y, x: _cofactor_moved(tangents[0], y, x),
    batch=batch_elementwise("cofactor"),
    lowering=Lapack("cofactor"),
    notation=r"\mathrm{{cof}}\,{0}",
    samples=regular((3, 3), (2, 2), (2, 3, 3)),
    errors=square_errors(),
)


def _det_evaluate(x: Any) -> Any:
    return np.asarray(np.linalg.det(x), x.dtype)[()]


det: Primitive = Primitive(
    "det",
    "Determinant of matrices; its derivative is the cofactors, defined for singular ones, too.",
    type_rule=_square_type("det", tail=0),
    evaluate=_det_evaluate,
    vjp=lambda i, ct, y, x: mul(_of_each(ct), cofactor(x)),
    jvp=lambda tangents, y, x: _inner(cofactor(x), tangents[0]),
    batch=batch_elementwise("det"),
    lowering=Lapack("det"),
    notation=r"\det {0}",
    samples=regular((3, 3), (1, 1), (2, 3, 3)),
    errors=square_errors(),
    kinks=(Kink("singular matrix", "the cofactors; the second derivative is not a number there"),),
    special=lambda: [
        Sample((np.diag([2.0, 3.0, 0.0]),), derivative=(np.diag([0.0, 0.0, 6.0]),)),
    ],
)


def _slogdet_type(x: ArrayType) -> tuple[ArrayType, ...]:
    check_matrix("slogdet", x)
    if x.dtype.kind == "c":
        raise TypeRuleError(f"slogdet takes real matrices, not {x!r}: logdet takes complex ones")
    return (ArrayType(x.shape[:-2], x.dtype),) * 2


def _logdet_type(x: ArrayType) -> ArrayType:
    check_matrix("logdet", x)
    if x.dtype.kind != "c":
        raise TypeRuleError(f"logdet takes complex matrices, not {x!r}: slogdet takes real ones")
    return ArrayType(x.shape[:-2], x.dtype)


def _slogdet_vjp(needs: Sequence[bool], cts: Sequence[Any], ys: Any, x: Any) -> list[Any]:
    return [None if cts[1] is None else mul(_of_each(cts[1]), swap(inv(x)))]


def _slogdet_jvp(tangents: Sequence[Any], ys: Any, x: Any) -> list[Any]:
    return [zeros_like(ys[0]), _inner(swap(inv(x)), tangents[0])]


slogdet: Primitive = Primitive(
    "slogdet",
    "Sign and natural logarithm of the size of determinants.",
    type_rule=_slogdet_type,
    evaluate=lambda x: tuple(np.asarray(y, x.dtype)[()] for y in np.linalg.slogdet(x)),
    vjp=_slogdet_vjp,
    jvp=_slogdet_jvp,
    batch=batch_elementwise("slogdet"),
    lowering=Lapack("slogdet"),
    notation=r"\ln \left|\det {0}\right|",
    samples=regular((3, 3), (1, 1), (2, 3, 3)),
    errors=square_errors(),
    joint=True,
)


def _log_determinant(x: Any) -> Any:
    sign, size = np.linalg.slogdet(x)
    return np.asarray(size + 1j * np.angle(sign), x.dtype)[()]


logdet: Primitive = Primitive(
    "logdet",
    "Natural logarithm of the determinant of complex matrices.",
    type_rule=_logdet_type,
    evaluate=_log_determinant,
    vjp=lambda i, ct, y, x: mul(_of_each(ct), swap(inv(x))),
    jvp=lambda tangents, y, x: _inner(swap(inv(x)), tangents[0]),
    batch=batch_elementwise("logdet"),
    lowering=Lapack("logdet"),
    notation=r"\ln \det {0}",
    samples=lambda rng: [
        Sample((s.args[0] * np.exp(0.2j),)) for s in regular((3, 3), (1, 1), (2, 3, 3))(rng)
    ],
    errors=(ErrorSample((np.ones((2, 2)),), {}, "takes complex matrices"),),
)


def _pinv_type(x: ArrayType, rcond: float | None) -> ArrayType:
    check_matrix("pinv", x, square=False)
    return ArrayType((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)


def _beside(a: Any, x: Any) -> Any:
    """x - a x: what a projection takes away."""
    return sub(x, matmul(a, x))


def _pinv_vjp(i: int, ct: Any, y: Any, x: Any, rcond: float | None) -> Any:
    ct = conj(ct)
    turned, back = adjoint(y), adjoint(ct)
    first = matmul(matmul(turned, ct), turned)
    second = matmul(_beside(matmul(x, y), back), matmul(y, turned))
    third = matmul(matmul(turned, y), adjoint(_beside(adjoint(matmul(y, x)), ct)))
    return conj(sub(second + third, first))


def _pinv_jvp(tangents: Sequence[Any], y: Any, x: Any, rcond: float | None) -> Any:
    t, turned = tangents[0], adjoint(y)
    first = matmul(matmul(y, t), y)
    second = matmul(matmul(y, turned), adjoint(_beside(adjoint(matmul(x, y)), t)))
    third = matmul(_beside(matmul(y, x), adjoint(t)), matmul(turned, y))
    return sub(second + third, first)


def _pinv_steps(x: Any, rcond: float | None) -> Any:
    """v s^-1 u^T with the reciprocals of all singular values that are not nearly 0."""
    from deltarule.program.ops.decompose import as_row, svd

    if 0 in x.shape:
        return swap(x)
    u, s, vt = svd(x)
    n = len(s.shape)
    least = mul(max_(s, axes=(n - 1,)), s.dtype.type(1e-15 if rcond is None else rcond))
    large = gt(s, reshape(least, shape=(*least.shape, 1)))
    zero = np.zeros((), s.dtype)
    turned = select(large, div(np.ones((), s.dtype), select(large, s, zero + 1)), zero)
    return matmul(mul(adjoint(vt), as_row(as_kind(turned, x))), adjoint(u))


pinv: Primitive = Primitive(
    "pinv",
    "Pseudo-inverse of matrices whose rank stays the same.",
    type_rule=_pinv_type,
    evaluate=lambda x, rcond: np.linalg.pinv(x, rcond),
    vjp=_pinv_vjp,
    jvp=_pinv_jvp,
    batch=batch_elementwise("pinv"),
    lowering=Expand(_pinv_steps),
    notation="{0}^+",
    samples=lambda rng: [
        Sample((rng.normal(size=shape),), {"rcond": None})
        for shape in ((4, 2), (2, 4), (3, 3), (2, 4, 2))
    ],
    errors=(ErrorSample((np.ones(3),), {"rcond": None}, "over the last two axes"),),
)


def _expm(x: Any) -> Any:
    from scipy.linalg import expm

    return np.asarray(expm(x), x.dtype)


def moved_along(function: Callable[[Any], Any], x: Any, t: Any) -> Any:
    """Derivative along t of a power series f of matrices: the upper right block of f([[x, t], [0, x]])."""
    n, axis = x.shape[-1], len(x.shape) - 1
    above = concatenate(x, t, axis=axis)
    below = concatenate(zeros_like(x), x, axis=axis)
    whole = function(concatenate(above, below, axis=axis - 1))
    start = (0,) * (axis - 1) + (0, n)
    return slice_(whole, start=start, size=x.shape, step=(1,) * len(x.shape))


expm: Primitive = Primitive(
    "expm",
    "Exponential of matrices, e^x = 1 + x + x x / 2 + ...",
    type_rule=_square_type("expm"),
    evaluate=_expm,
    vjp=lambda i, ct, y, x: moved_along(expm, swap(x), ct),
    jvp=lambda tangents, y, x: moved_along(expm, x, tangents[0]),
    batch=batch_elementwise("expm"),
    lowering=Lapack("expm"),
    notation="e^{{{0}}}",
    samples=lambda rng: [
        Sample((rng.normal(size=shape) / 2,)) for shape in ((3, 3), (1, 1), (2, 2, 2))
    ],
    errors=square_errors(),
)
