"""Linear algebra on matrices of a few rows, written out: a call of LAPACK takes longer than the arithmetic.

In: ``Each``, whose matrices are real. Out: its instructions, without loops or branches but for right sides,
of which a vector is computed at a time. Pivots are chosen as LAPACK chooses them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deltarule.compile.llvm.loops import along, read
from deltarule.compile.llvm.matrices import LANES, Each, Matrix
from deltarule.compile.llvm.scalar import Term, absolute, choose
from deltarule.compile.llvm.text import I32, Function, constant
from deltarule.compile.views import View

MOST = 4  # rows
Terms = list[Term]


def is_small(view: View, depth: int) -> bool:
    """Whether matrices behind so many leading axes are real and of a few rows."""
    return view.dtype.kind == "f" and view.shape[depth] <= MOST


def numbers(a: Matrix) -> list[Terms]:
    """All elements, by rows."""
    m, n = a.shape
    return [[a.parts(str(i), str(j))[0] for j in range(n)] for i in range(m)]


def lu(e: Each) -> None:
    """Each column in turn: its largest number becomes the pivot, and the rows below are reduced."""
    f, (factor, pivots) = e.function, e.outs
    a = numbers(e.args[0])
    info = Term(f, constant(0, I32))
    for k in range(e.n):
        best, place = absolute(a[k][k]), Term(f, constant(k, I32))
        for i in range(k + 1, e.n):
            size = absolute(a[i][k])
            larger = size > best
            best, place = choose(larger, size, best), choose(larger, i, place)
        for i in range(k + 1, e.n):
            exchange(f, place == i, a, k, i)
        pivots.keep([place + 1], str(k))
        zero = a[k][k] == 0
        info = choose(zero * (info == 0), k + 1, info)
        for i in range(k + 1, e.n):
            a[i][k] = choose(zero, a[i][k], a[i][k] / a[k][k])
            for j in range(k + 1, e.n):
                a[i][j] = a[i][j] - a[i][k] * a[k][j]
    pivots.keep([info], str(e.n))
    for i, row in enumerate(a):
        for j, x in enumerate(row):
            factor.turned.keep([x], str(i), str(j))


def exchange(
    f: Function,
    condition: Term,
    a: list[Terms],
    k: int,
    i: int,
) -> None:
    """Rows k and i change places where a condition holds."""
    for j, (x, y) in enumerate(zip(a[k], a[i], strict=True)):
        a[k][j] = Term(f, f.select(condition.value, y.value, x.value))
        a[i][j] = Term(f, f.select(condition.value, x.value, y.value))


def solve(e: Each) -> None:
    """By the factors, forward and back."""
    f, (factor, pivots, *b) = e.function, e.args
    e.succeeded(f.address(pivots.pointer, str(e.n), I32))
    a = numbers(factor.turned)
    places = [pivots.parts(str(k))[0] for k in range(e.n)]
    swaps = [(k, i) for k in range(e.n) for i in range(k + 1, e.n)]

    def solved(x: list[Terms]) -> None:
        if e.flag:
            substitute(transposed(a), x, lower=True)
            substitute(transposed(a), x, lower=False, unit=True)
            for k, i in reversed(swaps):
                exchange(f, places[k] == i + 1, x, k, i)
        else:
            for k, i in swaps:
                exchange(f, places[k] == i + 1, x, k, i)
            substitute(a, x, lower=True, unit=True)
            substitute(a, x, lower=False)

    right_sides(e, b, solved)


def triangular(e: Each) -> None:
    """Row after row."""
    a = numbers(e.args[0])
    for i in range(e.n):
        e.usual((a[i][i] != 0).value.text)
    right_sides(e, e.args[1:], lambda x: substitute(a, x, e.flag))


def right_sides(
    e: Each,
    b: Sequence[Matrix],
    solved: Callable[[list[Terms]], None],
) -> None:
    """Solve for all columns of b, or of the identity, some at a time."""
    f, (out,) = e.function, e.outs
    dtype = out.view.dtype

    def some(at: str, count: int) -> None:
        if b:
            step, base = b[0].view.strides[1], f.scaled(at, b[0].view.strides[1])
            starts = (f.plus(b[0].place(str(i), "0"), base) for i in range(e.n))
            rows = [
                read(
                    f,
                    b[0].pointer,
                    start,
                    step,
                    dtype,
                    count,
                )
                for start in starts
            ]
        else:
            zeros, one = constant(0, dtype, count), constant(1, dtype)
            rows = [f.insert(zeros, one, i) if count > 1 else one for i in range(e.n)]
        x = [[Term(f, row)] for row in rows]
        solved(x)
        for i, (row,) in enumerate(x):
            f.store(row.value, out.pointer, f.plus(out.place(str(i), "0"), at))

    along(f, out.shape[1], LANES, some)


def transposed(a: list[Terms]) -> list[Terms]:
    """Columns as rows."""
    return [list(column) for column in zip(*a, strict=True)]


def substitute(
    a: list[Terms],
    x: list[Terms],
    lower: bool,
    unit: bool = False,
) -> None:
    """x becomes t^-1 x for a triangle t of a, with ones on its diagonal where it is a unit one."""
    n = len(a)
    for i in range(n) if lower else reversed(range(n)):
        for j in range(i) if lower else range(i + 1, n):
            x[i][0] = x[i][0] - spread(a[i][j], x[i][0]) * x[j][0]
        if not unit:
            x[i][0] = x[i][0] / spread(a[i][i], x[i][0])


def spread(number: Term, like: Term) -> Term:
    """A number in as many lanes."""
    f = number.function
    return Term(f, f.spread(number.value, like.value.lanes))


def cholesky(e: Each) -> None:
    """Row after row of the lower triangle."""
    (x,), (y,) = e.args, e.outs
    found: list[Terms] = []
    for i in range(e.n):
        row: Terms = []
        for j in range(i + 1):
            rest = x.parts(str(i), str(j))[0]
            for k in range(j):
                rest = rest - row[k] * (found[j][k] if j < i else row[k])
            if j < i:
                row.append(rest / found[j][j])
        e.usual((rest > 0).value.text)
        row.append(rest.intrinsic("sqrt"))
        found.append(row)
    for i, row in enumerate(found):
        for j in range(e.n):
            y.keep([row[j] if j <= i else row[0].same(0)], str(i), str(j))


def cofactor(e: Each) -> None:
    """The determinants of what is left without a row and a column; no matrix is out of the ordinary."""
    (x,), (y,) = e.args, e.outs
    a = numbers(x)
    every = range(e.n)
    for i in every:
        for j in every:
            rows, columns = ([k for k in every if k != gone] for gone in (i, j))
            found = minor(a, rows, columns)
            y.keep([-found if (i + j) % 2 else found], str(i), str(j))


def minor(
    a: list[Terms],
    rows: list[int],
    columns: list[int],
) -> Term:
    """The determinant of some rows and columns, by the first of these rows."""
    if not rows:
        return a[0][0].same(1)
    first, *rest = rows
    total = a[0][0].same(0)
    for place, j in enumerate(columns):
        others = columns[:place] + columns[place + 1 :]
        part = a[first][j] * minor(a, rest, others) if rest else a[first][j]
        total = part if not place else total - part if place % 2 else total + part
    return total


STEPS = {
    "lu": lu,
    "solve": solve,
    "triangular": triangular,
    "cholesky": cholesky,
    "cofactor": cofactor,
}
