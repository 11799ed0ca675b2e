"""Linear systems with banded matrices, kept by diagonals as SciPy keeps them: ``ab[upper + i - j, j]`` is
``a[i, j]``.

In: diagonals over the last two axes, right sides as matrices. Out: solutions, in time proportional to the
size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.errors import TypeRuleError
from deltarule.program.families import batch_elementwise, same_dtype, total, unbroadcast
from deltarule.program.ops.elementwise import mul, neg
from deltarule.program.ops.factors import of_each
from deltarule.program.ops.linalg import LAPACK, check_matrix
from deltarule.program.ops.reduce import sum_
from deltarule.program.ops.shape import concatenate, pad, reshape, slice_
from deltarule.program.primitive import ErrorSample, Primitive, Sample
from deltarule.program.types import ArrayType


def shifted(
    x: Any,
    places: int,
    axis: int,
) -> Any:
    """x[j + places] along an axis, zero where there is none."""
    n, rank = x.shape[axis], len(x.shape)
    left = max(n - abs(places), 0)
    from_ = [0] * rank
    into, from_[axis] = from_.copy(), min(max(places, 0), n)
    into[axis] = min(max(-places, 0), n)
    size = tuple(left if i == axis else k for i, k in enumerate(x.shape))
    part = slice_(x, start=tuple(from_), size=size, step=(1,) * rank)
    return pad(part, shape=x.shape, start=tuple(into), step=(1,) * rank)


def _row(
    ab: Any,
    r: int,
) -> Any:
    """One diagonal, as a matrix of one row."""
    rank = len(ab.shape)
    start = tuple(r if i == rank - 2 else 0 for i in range(rank))
    return slice_(ab, start=start, size=(*ab.shape[:-2], 1, ab.shape[-1]), step=(1,) * rank)


def _turned(
    ab: Any,
    lower: int,
    upper: int,
) -> Any:
    """The diagonals of the transposed matrix."""
    last = len(ab.shape) - 1
    rows = [shifted(_row(ab, lower + upper - r), r - lower, last) for r in range(lower + upper + 1)]
    return concatenate(*rows, axis=last - 1)


def _product(
    ab: Any,
    x: Any,
    upper: int,
) -> Any:
    """The banded matrix times x."""
    lead = ab.shape[:-2]
    terms = []
    for r in range(ab.shape[-2]):
        column = reshape(_row(ab, r), shape=(*lead, ab.shape[-1], 1))
        part = mul(column, x)
        terms.append(shifted(part, upper - r, len(part.shape) - 2))
    return total(terms, x)


def _outer(
    right: Any,
    y: Any,
    lower: int,
    upper: int,
) -> Any:
    """The diagonals of right y^T."""
    rows = []
    for k in range(-upper, lower + 1):
        part = sum_(mul(shifted(right, k, len(right.shape) - 2), y), axes=(len(y.shape) - 1,))
        rows.append(reshape(part, shape=(*part.shape[:-1], 1, part.shape[-1])))
    return concatenate(*rows, axis=len(y.shape) - 2)


def _type(
    ab: ArrayType,
    b: ArrayType,
    lower: int,
    upper: int,
) -> ArrayType:
    check_matrix("solve_banded", ab, square=False)
    check_matrix("solve_banded", b, square=False)
    dtype = same_dtype("solve_banded", (ab, b))
    if ab.shape[-2] != lower + upper + 1 or ab.shape[-1] != b.shape[-2]:
        raise TypeRuleError(
            f"solve_banded: {lower} lower and {upper} upper diagonals of a matrix that fits the right "
            f"side {b!r} are wanted, not {ab!r}"
        )
    lead = np.broadcast_shapes(ab.shape[:-2], b.shape[:-2])
    return ArrayType((*lead, *b.shape[-2:]), dtype)


def _evaluate(
    ab: Any,
    b: Any,
    lower: int,
    upper: int,
) -> Any:
    from scipy.linalg import solve_banded as solve

    def one(
        ab: Any,
        b: Any,
    ) -> Any:
        return solve((lower, upper), ab, b)

    return of_each(one, ab, b, tail=b.shape[-2:], dtype=b.dtype)


def _vjp(
    i: int,
    ct: Any,
    y: Any,
    ab: Any,
    b: Any,
    lower: int,
    upper: int,
) -> Any:
    right = solve_banded(_turned(ab, lower, upper), ct, lower=upper, upper=lower)
    if i == 1:
        return unbroadcast(right, b.shape)
    return unbroadcast(neg(_outer(right, y, lower, upper)), ab.shape)


def _jvp(
    tangents: Sequence[Any],
    y: Any,
    ab: Any,
    b: Any,
    lower: int,
    upper: int,
) -> Any:
    moved, tb = tangents
    terms = [] if tb is None else [tb]
    terms += [] if moved is None else [neg(_product(moved, y, upper))]
    return solve_banded(ab, total(terms, y), lower=lower, upper=upper)


def _samples(rng: np.random.Generator) -> list[Sample]:
    found = []
    for (lower, upper), a, b in (
        ((1, 1), (3, 4), (4, 2)),
        ((2, 0), (3, 3), (3, 1)),
        ((0, 1), (2, 3), (2, 3, 1)),
        ((1, 2), (2, 4, 2), (2, 1)),
    ):
        ab = rng.normal(size=a)
        ab[..., upper, :] += 4
        found.append(Sample((ab, rng.normal(size=b)), {"lower": lower, "upper": upper}))
    return found


solve_banded: Primitive = Primitive(
    "solve_banded",
    "Solution of linear systems whose matrix has a few diagonals only.",
    type_rule=_type,
    evaluate=_evaluate,
    vjp=_vjp,
    jvp=_jvp,
    batch=batch_elementwise("solve_banded"),
    lowering=LAPACK,
    notation="{0}^{{-1}} {1}",
    samples=_samples,
    errors=(
        ErrorSample((np.ones((2, 3)), np.ones((3, 1))), {"lower": 1, "upper": 1}, "are wanted"),
    ),
)
