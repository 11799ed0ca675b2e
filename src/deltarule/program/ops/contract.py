"""Contractions: products summed over shared labels.

In: arrays of one dtype. Out: an array. Linear in each argument, so that both derivatives are contractions
again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from deltarule.errors import TypeRuleError
from deltarule.program.families import (
    batch_elementwise,
    broadcast_to,
    multilinear,
    same_dtype,
    unbroadcast,
)
from deltarule.program.lowering import Contract
from deltarule.program.ops.shape import reshape, transpose
from deltarule.program.primitive import ErrorSample, Primitive
from deltarule.program.samples import each, normal
from deltarule.program.types import ArrayType

WORTH_PLANNING = 1 << 13  # products, which np.einsum forms in the time in which it plans
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@lru_cache(maxsize=4096)
def _matmul_type(a: ArrayType, b: ArrayType) -> ArrayType:
    dtype = same_dtype("matmul", (a, b))
    if len(a.shape) < 2 or len(b.shape) < 2:
        raise TypeRuleError(f"matmul: two matrices are wanted, not {a!r} and {b!r}")
    if a.shape[-1] != b.shape[-2]:
        raise TypeRuleError(
            f"matmul: inner sizes differ, {a.shape[-1]} != {b.shape[-2]}: the arguments "
            f"are {a!r} and {b!r}. Transpose one?"
        )
    try:
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise TypeRuleError(f"matmul: leading axes of {a!r} and {b!r} do not broadcast") from None
    return ArrayType((*lead, a.shape[-2], b.shape[-1]), dtype)


def swap(x: Any) -> Any:
    """x with its last two axes exchanged."""
    n = len(x.shape)
    return transpose(x, order=(*range(n - 2), n - 1, n - 2))


def _matmul_vjp(i: int, ct: Any, y: Any, a: Any, b: Any) -> Any:
    if i == 0:
        return unbroadcast(matmul(ct, swap(b)), a.shape)
    return unbroadcast(matmul(swap(a), ct), b.shape)


def _matmul_spec(a: ArrayType, b: ArrayType) -> str:
    na, nb = len(a.shape) - 2, len(b.shape) - 2
    lead = LETTERS[3 : 3 + max(na, nb)]
    return f"{lead[len(lead) - na :]}ab,{lead[len(lead) - nb :]}bc->{lead}ac"


matmul = Primitive(
    "matmul",
    "Matrix product over the last two axes, y_ij = sum_k a_ik b_kj; leading axes broadcast.",
    type_rule=_matmul_type,
    evaluate=np.matmul,
    vjp=_matmul_vjp,
    jvp=multilinear("matmul"),
    batch=batch_elementwise("matmul"),
    lowering=Contract(_matmul_spec),
    notation=r"{0} {1}",
    samples=each(
        normal((2, 3), (3, 4)),
        normal((1, 3), (3, 1)),
        normal((5, 2, 3), (5, 3, 2)),
        normal((5, 2, 3), (3, 2)),
        normal((2, 3), (4, 1, 3, 2)),
        normal((1, 2, 3), (5, 3, 2)),
        normal((2, 0), (0, 3)),
    ),
    errors=(
        ErrorSample((np.ones((2, 3)), np.ones((4, 5))), {}, "inner sizes differ, 3 != 4"),
        ErrorSample((np.ones(3), np.ones((3, 5))), {}, "two matrices are wanted"),
        ErrorSample((np.ones((2, 3)), np.ones((3, 5), "f4")), {}, "dtypes differ"),
        ErrorSample((np.ones((2, 2, 3)), np.ones((3, 3, 5))), {}, "leading axes"),
    ),
)


def labels(spec: str) -> tuple[list[str], str]:
    """Labels of the operands and of the result."""
    operands, result = spec.split("->")
    return operands.split(","), result


def sizes_of(spec: str, shapes: Sequence[tuple[int, ...]]) -> dict[str, int]:
    """Size of each label; TypeRuleError where two operands disagree."""
    operands, result = labels(spec)
    if len(operands) != len(shapes):
        raise TypeRuleError(
            f"einsum {spec!r} names {len(operands)} operands, {len(shapes)} are given"
        )
    sizes: dict[str, int] = {}
    for letters, shape in zip(operands, shapes, strict=True):
        if len(letters) != len(shape) or len(set(letters)) != len(letters):
            raise TypeRuleError(
                f"einsum {spec!r}: operand {letters!r} needs {len(letters)} distinct axes, "
                f"not shape {shape}"
            )
        for letter, n in zip(letters, shape, strict=True):
            if sizes.setdefault(letter, n) != n:
                raise TypeRuleError(
                    f"einsum {spec!r}: label {letter!r} has sizes {sizes[letter]} and {n}"
                )
    if unknown := [letter for letter in result if letter not in sizes]:
        raise TypeRuleError(f"einsum {spec!r}: result label {unknown[0]!r} is in no operand")
    return sizes


@lru_cache(maxsize=4096)
def _einsum_type(*types: ArrayType, spec: str) -> ArrayType:
    sizes = sizes_of(spec, [t.shape for t in types])
    return ArrayType(
        tuple(sizes[letter] for letter in labels(spec)[1]), same_dtype("einsum", types)
    )


def _einsum_vjp(i: int, ct: Any, y: Any, *args: Any, spec: str) -> Any:
    operands, result = labels(spec)
    others = [j for j in range(len(args)) if j != i]
    known = set(result).union(*(operands[j] for j in others))
    have = "".join(letter for letter in operands[i] if letter in known)
    out = einsum(
        ct,
        *(args[j] for j in others),
        spec=",".join([result, *(operands[j] for j in others)]) + "->" + have,
    )
    if have == operands[i]:
        return out
    kept = tuple(n if c in known else 1 for c, n in zip(operands[i], args[i].shape, strict=True))
    return broadcast_to(reshape(out, shape=kept), args[i].shape)


def _einsum_batch(size: int, batched: Sequence[bool], *args: Any, spec: str) -> Any:
    operands, result = labels(spec)
    new = next(letter for letter in LETTERS if letter not in spec)
    marked = [
        new + letters if flag else letters for letters, flag in zip(operands, batched, strict=True)
    ]
    return einsum(*args, spec=",".join(marked) + "->" + new + result)


def _einsum(*args: Any, spec: str) -> Any:
    """``np.einsum``; an order of contraction is looked for where that takes less time than it saves."""
    if len(args) < 3:
        return np.einsum(spec, *args)
    work = math.prod(sizes_of(spec, [x.shape for x in args]).values())
    return np.einsum(spec, *args, optimize=work > WORTH_PLANNING)


einsum = Primitive(
    "einsum",
    "Sum of products over the labels that the result does not have.",
    type_rule=_einsum_type,
    evaluate=_einsum,
    vjp=_einsum_vjp,
    jvp=multilinear("einsum"),
    batch=_einsum_batch,
    lowering=Contract(lambda *types, spec: spec),
    notation=r"\sum {0} {1}",
    samples=each(
        normal((2, 3), (3, 4), spec="ij,jk->ik"),
        normal((2, 3), (2, 3), spec="ij,ij->"),
        normal((2, 3), spec="ij->j"),
        normal((2, 3), (4,), spec="ij,k->ki"),
        normal((2, 3), (3, 4), (4, 2), spec="ij,jk,ki->i"),
        normal((2, 2, 3), (2, 3), spec="bij,bj->bi"),
    ),
    errors=(
        ErrorSample(
            (np.ones((2, 3)), np.ones((4, 5))), {"spec": "ij,jk->ik"}, "label 'j' has sizes 3 and 4"
        ),
        ErrorSample((np.ones((2, 2)),), {"spec": "ii->i"}, "distinct axes"),
        ErrorSample((np.ones((2, 2)),), {"spec": "ij->k"}, "is in no operand"),
        ErrorSample((np.ones((2, 2)),), {"spec": "ij,jk->ik"}, "names 2 operands"),
    ),
)
