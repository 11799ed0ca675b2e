"""Eigenvalues of matrices without symmetry: of real ones by LAPACK's real algorithm, and all in double
precision, as NumPy does: the order of the values depends on both.

In: ``Each``, whose matrix is complex. Out: its instructions.
"""

from __future__ import annotations

from deltarule.compile.llvm.matrices import Each, Matrix
from deltarule.compile.llvm.scalar import Term, cast, choose
from deltarule.compile.llvm.text import BOOL, F64, I64, Value, constant


def eig(e: Each) -> None:
    """Values, and vectors as columns."""
    (x,), f = e.args, e.function
    is_complex = some_imaginary(e, x)
    e.letter = "z"
    with f.when(is_complex):
        of_complex(e, x)
    with f.when(f.now(f"xor i1 {is_complex}, true")):
        of_real(e, x)


def some_imaginary(e: Each, x: Matrix) -> str:
    """Whether an imaginary part is not 0."""
    f, start = e.function, constant(False, BOOL)
    with f.loop(e.n, [start]) as i:
        with f.loop(e.n, i.carried) as j:
            (known,) = (Term(f, value) for value in j.carried)
            _, part = x.parts(i.index, j.index)
            j.next = [(known + (part != 0)).value]
        i.next = j.results
    return i.results[0].text


def of_complex(e: Each, x: Matrix) -> None:
    """By LAPACK as it is."""
    f, (values, vectors) = e.function, e.outs
    a, v, w, space, more = e.work[:5]
    with f.loop(e.n) as i, f.loop(e.n) as j:
        move(x, a.turned, i.index, j.index)
    rest = (w, v, 1, v, e.n, space, space.shape[0], more)
    e.lapack(
        "geev",
        "N",
        "V",
        e.n,
        a,
        e.n,
        *rest,
    )
    with f.loop(e.n) as i:
        move(w, values, i.index)
        with f.loop(e.n) as j:
            move(v.turned, vectors, i.index, j.index)


def move(
    source: Matrix,
    target: Matrix,
    *index: str,
) -> None:
    """Copy an element between single and double precision."""
    dtype = target.view.dtype
    target.keep([cast(part, dtype) for part in source.parts(*index)], *index)


def of_real(e: Each, x: Matrix) -> None:
    """Pairs of conjugates come as real and imaginary parts, side by side."""
    f, (values, vectors) = e.function, e.outs
    a, v, reals, imaginaries, space = e.work[5:]
    single = values.view.dtype
    with f.loop(e.n) as i, f.loop(e.n) as j:
        real = cast(x.parts(i.index, j.index)[0], F64)
        a.turned.store(real.value, i.index, j.index)
    e.letter = "d"
    rest = (reals, imaginaries, v, 1, v, e.n, space, space.shape[0])
    e.lapack(
        "geev",
        "N",
        "V",
        e.n,
        a,
        e.n,
        *rest,
    )
    with f.loop(e.n) as column:
        place = Term(f, Value(column.index, I64))
        both = [Term(f, y.load(column.index)) for y in (reals, imaginaries)]
        values.keep([cast(part, single) for part in both], column.index)
        first, second = both[1] > 0, both[1] < 0
        here = choose(second, place - 1, place).value.text
        beside = choose(first, place + 1, place).value.text
        with f.loop(e.n) as row:
            real, other = (Term(f, v.turned.load(row.index, k)) for k in (here, beside))
            imaginary = choose(first, other, choose(second, -other, other.same(0)))
            parts = [cast(part, single) for part in (real, imaginary)]
            vectors.keep(parts, row.index, column.index)
