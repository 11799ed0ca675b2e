"""Determinants, their logarithms and their derivatives, from the factors of matrices.

In: ``Each``, where factors and pivots are read. Out: its instructions. Singular matrices are NumPy's.
"""

from __future__ import annotations

import numpy as np

from deltarule.compile.llvm.matrices import Each, Matrix
from deltarule.compile.llvm.scalar import Term, evaluate
from deltarule.compile.llvm.systems import by_factors
from deltarule.compile.llvm.text import I32, Value, constant

INFINITY = float("inf")


def determinant(e: Each) -> None:
    """The product of the diagonal."""
    factor, pivots = e.args
    e.outs[0].keep(diagonal_product(e, factor, pivots))


def diagonal_product(
    e: Each,
    factor: Matrix,
    pivots: Matrix,
) -> list[Term]:
    """The determinant, where it is neither 0 nor beyond the range of numbers."""
    f = e.function
    with f.loop(e.n, [t.value for t in signed_one(e, factor, pivots)]) as loop:
        known = [Term(f, value) for value in loop.carried]
        found = product(known, factor.parts(loop.index, loop.index))
        loop.next = [term.value for term in found]
    parts = [Term(f, value) for value in loop.results]
    size = modulus(parts)
    e.usual((size > 0).value.text)
    e.usual((size < INFINITY).value.text)
    return parts


def cofactor(e: Each) -> None:
    """det(a) a^-T, where a is far from singular."""
    factor, pivots = e.args
    (y,) = e.outs
    f = e.function
    found = diagonal_product(e, factor, pivots)
    ends = [constant(end, factor.view.dtype) for end in (INFINITY, 0)]
    with f.loop(e.n, ends) as loop:
        size = modulus(factor.parts(loop.index, loop.index))
        least, most = (Term(f, value) for value in loop.carried)
        loop.next = [
            evaluated("minimum(x0, x1)", least, size).value,
            evaluated("maximum(x0, x1)", most, size).value,
        ]
    least, most = (Term(f, value) for value in loop.results)
    nearly = float(np.finfo(factor.view.dtype).eps) ** 0.25
    e.usual((least > most * nearly).value.text)
    e.identity(y)
    by_factors(e, y, factor, pivots, not e.flag)
    with f.loop(e.n) as i, f.loop(e.n) as j:
        y.keep(product(found, y.parts(i.index, j.index)), i.index, j.index)


def logarithm(e: Each) -> None:
    """Sign and logarithm of the determinant's size; of a complex one the logarithm only."""
    factor, pivots = e.args
    f = e.function
    e.succeeded(f.address(pivots.pointer, str(e.n), I32))
    start = [t.value for t in signed_one(e, factor, pivots)]
    with f.loop(e.n, [*start, constant(0, factor.view.dtype)]) as loop:
        *sign, total = (Term(f, value) for value in loop.carried)
        parts = factor.parts(loop.index, loop.index)
        size = modulus(parts)
        sign = product(sign, [part / size for part in parts])
        loop.next = [t.value for t in (*sign, total + evaluated("log(x0)", size))]
    *sign, total = (Term(f, value) for value in loop.results)
    if factor.lanes == 1:
        e.outs[0].keep(sign)
        e.outs[1].keep([total])
    else:
        e.outs[0].keep([total, evaluated("arctan2(x1, x0)", *sign)])


def signed_one(
    e: Each,
    factor: Matrix,
    pivots: Matrix,
) -> list[Term]:
    """1, and -1 after an odd number of swaps."""
    f = e.function
    with f.loop(e.n, [constant(1, factor.view.dtype)]) as loop:
        row = f.now(f"trunc i64 {f.plus(loop.index, '1')} to i32")
        moved = Term(f, pivots.load(loop.index)) != Term(f, Value(row, I32))
        (sign,) = (Term(f, value) for value in loop.carried)
        loop.next = [f.select(moved.value, (-sign).value, sign.value)]
    zero = Term(f, constant(0, factor.view.dtype))
    return [Term(f, loop.results[0]), zero][: factor.lanes]


def product(one: list[Term], other: list[Term]) -> list[Term]:
    """Of real or complex numbers."""
    if len(one) == 1:
        return [one[0] * other[0]]
    (a, b), (c, d) = one, other
    return [a * c - b * d, a * d + b * c]


def modulus(parts: list[Term]) -> Term:
    """Size of a real or complex number."""
    if len(parts) == 1:
        return evaluated("abs(x0)", parts[0])
    large = evaluated("maximum(abs(x0), abs(x1))", *parts)
    small = evaluated("minimum(abs(x0), abs(x1))", *parts)
    return evaluated("x0 * sqrt(1 + (x1 / x0) * (x1 / x0))", large, small)


def evaluated(expression: str, *args: Term) -> Term:
    """An expression of terms."""
    f = args[0].function
    return Term(f, evaluate(expression, [x.value for x in args], args[0].dtype, f))
