"""Linear systems: factors of matrices, and solutions by them or by a triangle.

In: ``Each``. Out: its instructions.
"""

from __future__ import annotations

from deltarule.compile.llvm.matrices import Each, Matrix
from deltarule.compile.llvm.scalar import Term
from deltarule.compile.llvm.text import I32


def lu(e: Each) -> None:
    """a = p^T l u, by columns; after the pivots stands how it went."""
    (a,), (factor, pivots) = e.args, e.outs
    e.copy(a, factor.turned)
    info = e.function.address(pivots.pointer, str(e.n), I32)
    e.call(
        f"lapack.{e.letter}getrf",
        e.n,
        e.n,
        factor,
        e.n,
        pivots,
        info,
    )


def solve(e: Each) -> None:
    """x = a^-1 b, or a^-T b; the inverse where no b is given."""
    factor, pivots, *b = e.args
    (x,) = e.outs
    e.succeeded(e.function.address(pivots.pointer, str(e.n), I32))
    if b:
        e.copy(b[0], x)
    else:
        e.identity(x)
    by_factors(e, x, factor, pivots, e.flag)


def by_factors(
    e: Each,
    x: Matrix,
    factor: Matrix,
    pivots: Matrix,
    turned: bool,
) -> None:
    """x becomes a^-1 x, or a^-T x."""
    if turned:
        e.divide(x, factor, e.n, lower=False, turned=True)
        e.divide(
            x,
            factor,
            e.n,
            lower=True,
            turned=True,
            unit=True,
        )
        e.swap_rows(x, pivots, backward=True)
    else:
        e.swap_rows(x, pivots, backward=False)
        e.divide(
            x,
            factor,
            e.n,
            lower=True,
            turned=False,
            unit=True,
        )
        e.divide(x, factor, e.n, lower=False, turned=False)


def triangular(e: Each) -> None:
    """x = a^-1 b for the lower or upper triangle of a."""
    (a, b), (x,) = e.args, e.outs
    f, by_rows = e.function, a.view.strides[1] == a.lanes
    with f.loop(e.n) as loop:
        e.usual(some(a.parts(loop.index, loop.index)))
    e.copy(b, x)
    size = max(e.n, *(step // a.lanes for step in a.view.strides))
    e.divide(x, a, size, lower=e.flag != by_rows, turned=by_rows)


def some(parts: list[Term]) -> str:
    """Whether a number is not 0."""
    first, *rest = (part != 0 for part in parts)
    for other in rest:
        first = Term.__add__(first, other)
    return first.value.text
