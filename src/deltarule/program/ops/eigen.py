"""Eigenvalues of matrices without symmetry, which may be complex.

In: complex square matrices. Out: values, and vectors as columns, of length 1 and with a largest component
that is real, as LAPACK gives them. Where two values are equal the derivative of the vectors is infinite,
and counts only where somebody uses the vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.errors import TypeRuleError
from deltarule.program.families import batch_elementwise, zeros_like
from deltarule.program.lowering import Lapack
from deltarule.program.ops.complex import REAL, as_kind, complex_, conj, imag, real
from deltarule.program.ops.contract import matmul
from deltarule.program.ops.decompose import (
    as_row,
    diagonal_of,
    filled,
    on_diagonal,
    reciprocal_gaps,
)
from deltarule.program.ops.elementwise import add, div, mul, sub, zmul
from deltarule.program.ops.linalg import adjoint, check_matrix, solve
from deltarule.program.ops.logic import cast, eq
from deltarule.program.ops.reduce import argmax, sum_
from deltarule.program.primitive import ErrorSample, Kink, Primitive, Sample
from deltarule.program.types import ArrayType


def _type(x: ArrayType) -> tuple[ArrayType, ArrayType]:
    check_matrix("eig", x)
    if x.dtype not in REAL:
        raise TypeRuleError(f"eig takes complex matrices, not {x!r}; cast it, x.astype(complex)")
    return ArrayType(x.shape[:-1], x.dtype), x


def _evaluate(x: Any) -> tuple[Any, Any]:
    """Real matrices are LAPACK's real ones: their vectors are real where their values are."""
    found = np.linalg.eig(x.real if not x.imag.any() else x)
    return tuple(y.astype(x.dtype, copy=False) for y in found)


def _largest(vectors: Any) -> tuple[Any, Any]:
    """Where the largest component of each vector is, as ones among zeros, and its size: LAPACK turns it
    onto the real axis."""
    x, y = real(vectors), imag(vectors)
    axis = len(x.shape) - 2
    place = as_row(argmax(add(mul(x, x), mul(y, y)), axes=(axis,)))
    rows = np.arange(x.shape[-1]).reshape(-1, 1)
    chosen = cast(eq(rows, place), dtype=x.dtype)
    return chosen, sum_(mul(chosen, x), axes=(axis,))


def _vjp(needs: Sequence[bool], cts: Sequence[Any], ys: Any, x: Any) -> list[Any]:
    values, vectors = ys
    ct_values, ct_vectors = map(conj, filled(cts, ys))
    chosen, size = _largest(vectors)
    seen = diagonal_of(matmul(adjoint(vectors), ct_vectors))
    length, turn = real(seen), mul(chosen, as_row(div(imag(seen), size)))
    free = sub(ct_vectors, mul(vectors, as_kind(as_row(length), x)))
    free = sub(free, complex_(zeros_like(turn), turn))
    turned = zmul(matmul(adjoint(vectors), free), conj(reciprocal_gaps(values)))
    middle = add(on_diagonal(ct_values), turned)
    return [conj(solve(adjoint(vectors), matmul(middle, adjoint(vectors))))]


def _jvp(tangents: Sequence[Any], ys: Any, x: Any) -> list[Any]:
    values, vectors = ys
    chosen, size = _largest(vectors)
    seen = solve(vectors, matmul(tangents[0], vectors))
    moved = matmul(vectors, zmul(seen, reciprocal_gaps(values)))
    length = real(diagonal_of(matmul(adjoint(vectors), moved)))
    turn = div(sum_(mul(chosen, imag(moved)), axes=(len(x.shape) - 2,)), size)
    return [diagonal_of(seen), sub(moved, mul(vectors, as_row(complex_(length, turn))))]


def _samples(rng: np.random.Generator) -> list[Sample]:
    """Matrices whose eigenvalues are apart."""
    found = []
    for shape in ((3, 3), (1, 1), (2, 2, 2)):
        frame = rng.normal(size=shape) + 1j * rng.normal(size=shape) + 2 * np.eye(shape[-1])
        values = (1 + np.arange(shape[-1])) * np.exp(1j * rng.uniform(0, 1, shape[:-1]))
        found.append(Sample(((frame * values[..., None, :]) @ np.linalg.inv(frame),)))
    return found


eig: Primitive = Primitive(
    "eig",
    "Eigenvalues and eigenvectors of length 1, x v = v diag(w).",
    type_rule=_type,
    evaluate=_evaluate,
    vjp=_vjp,
    jvp=_jvp,
    batch=batch_elementwise("eig"),
    lowering=Lapack("eig"),
    notation=r"\mathrm{{eig}}\,{0}",
    samples=_samples,
    errors=(
        ErrorSample((np.ones((2, 2)),), {}, "takes complex matrices"),
        ErrorSample((np.ones((2, 3), complex),), {}, "have sizes 2 and 3"),
    ),
    kinks=(Kink("equal eigenvalues", "that of the vectors is infinite; 0 where nobody uses them"),),
    special=lambda: [Sample((np.eye(2, dtype=complex) * 3,), {}, (None,))],
    joint=True,
)
