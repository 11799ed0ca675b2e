"""Exponentials of matrices: a quotient of polynomials of degree 13 near zero, squared as often as needed.

In: ``Each``. Out: its instructions. All matrices are polynomials in one and commute, so that it does not
matter that BLAS sees their transposes. N. Higham, The scaling and squaring method, SIAM J. Matrix Anal. 2005.
"""

from __future__ import annotations

from deltarule.compile.llvm.loops import along
from deltarule.compile.llvm.matrices import LANES, Each, Matrix
from deltarule.compile.llvm.scalar import Term, evaluate
from deltarule.compile.llvm.text import I64, constant

NEAR = 5.371920351148152  # the norm up to which the quotient is exact to rounding


def coefficients() -> list[float]:
    """Of the numerator, (26 - k)! 13! / (26! k! (13 - k)!); the denominator has alternating signs."""
    found = [1.0]
    for k in range(13):
        found.append(found[k] * (13 - k) / ((26 - k) * (k + 1)))
    return found


def expm(e: Each) -> None:
    """p(x) / p(-x) of the scaled matrix, then squares."""
    (x,), (y,) = e.args, e.outs
    a, a2, a4, a6, u, v, pivots = e.work
    c, f = coefficients(), e.function
    e.copy(x, a)
    count = scaled(e, a)
    times(e, a, a, a2)
    times(e, a2, a2, a4)
    times(e, a4, a2, a6)
    even = (a2, a4, a6)
    combine(e, v, c[9::2], even)
    combine(e, y, c[1:8:2], even, one=True)
    times(e, a6, v, y, add=True)
    times(e, a, y, u)
    combine(e, a, c[8::2], even)
    combine(e, v, c[0:7:2], even, one=True)
    times(e, a6, a, v, add=True)
    combine(e, y, [1.0, 1.0], (v, u))
    combine(e, v, [1.0, -1.0], (v, u))
    e.lapack(
        "gesv",
        e.n,
        e.n,
        v,
        e.n,
        pivots,
        y,
        e.n,
    )
    with f.between("0", count):
        e.copy(y, a)
        times(e, a, a, y)


def scaled(e: Each, a: Matrix) -> str:
    """Halve a matrix until it is near zero, and say how often."""
    f, dtype = e.function, a.view.dtype
    with f.loop(e.n, [constant(0, dtype)]) as row:
        with f.loop(e.n, [constant(0, dtype)]) as column:
            sizes = (
                evaluate("abs(x0)", [x.value], dtype, f) for x in a.parts(row.index, column.index)
            )
            total = Term(f, column.carried[0])
            for size in sizes:
                total = total + Term(f, size)
            column.next = [total.value]
        row.next = [evaluate("maximum(x0, x1)", [row.carried[0], column.results[0]], dtype, f)]
    norm = Term(f, row.results[0])
    e.usual((norm < float("inf")).value.text)
    with f.repeat([constant(1, dtype), constant(0, I64)]) as (loop, after):
        scale, count = (Term(f, value) for value in loop.carried)
        f.go_on_if((norm * scale > NEAR).value.text, after)
        loop.next = [(scale * 0.5).value, (count + 1).value]
    combine(e, a, [scale], (a,))
    return count.value.text


def times(
    e: Each,
    one: Matrix,
    other: Matrix,
    target: Matrix,
    add: bool = False,
) -> None:
    """target = one other, or target += one other."""
    f, n = e.function, e.n
    before = f.room(target.lanes, target.view.dtype)
    f.store(target.ones if add else target.zero, before, "0")
    rest = ("N", "N", n, n, n, e.one(target), one, n, other, n, before, target, n)
    e.call(f"blas.{e.letter}gemm", *rest)


def combine(
    e: Each,
    target: Matrix,
    factors: list[float] | list[Term],
    matrices: tuple[Matrix, ...],
    one: bool = False,
) -> None:
    """A sum of multiples of matrices, element by element; the first of the factors is the identity's."""
    f, dtype = e.function, target.view.dtype
    first, *others = factors if one else (0.0, *factors)

    def some(at: str, count: int) -> None:
        total = None
        for factor, matrix in zip(others, matrices, strict=True):
            x = Term(f, f.load(matrix.pointer, at, dtype, count))
            if isinstance(factor, Term):
                factor = Term(f, f.spread(factor.value, count))
            total = x * factor if total is None else total + x * factor
        assert total is not None
        f.store(total.value, target.pointer, at)

    along(f, e.n * e.n * target.lanes, LANES, some)
    if one:
        with f.loop(e.n) as loop:
            here = target.parts(loop.index, loop.index)
            target.keep([here[0] + first, *here[1:]], loop.index, loop.index)
