"""Eigenvalues of matrices without symmetry: of real ones by LAPACK's real algorithm, as NumPy does.

In: ``Each``, whose matrix is complex. Out: its instructions.
"""

from __future__ import annotations

from deltarule.compile.llvm.matrices import Each, Matrix
from deltarule.compile.llvm.scalar import Term, choose
from deltarule.compile.llvm.text import BOOL, I64, Value, constant


def eig(e: Each) -> None:
    """Values, and vectors as columns."""
    (x,), f = e.args, e.function
    is_complex = some_imaginary(e, x)
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
    values, vectors = e.outs
    a, v, space, more = e.work[:4]
    e.copy(x, a.turned)
    rest = (values, v, 1, v, e.n, space, space.shape[0], more)
    e.lapack("geev", "N", "V", e.n, a, e.n, *rest)
    e.copy(v.turned, vectors)


def of_real(e: Each, x: Matrix) -> None:
    """Pairs of conjugates come as real and imaginary parts, side by side."""
    f, (values, vectors) = e.function, e.outs
    a, v, reals, imaginaries, space = e.work[4:]
    with f.loop(e.n) as i, f.loop(e.n) as j:
        a.turned.store(x.parts(i.index, j.index)[0].value, i.index, j.index)
    e.letter = {"c": "s", "z": "d"}[e.letter]
    rest = (reals, imaginaries, v, 1, v, e.n, space, space.shape[0])
    e.lapack("geev", "N", "V", e.n, a, e.n, *rest)
    with f.loop(e.n) as column:
        place = Term(f, Value(column.index, I64))
        real, imaginary = (Term(f, y.load(column.index)) for y in (reals, imaginaries))
        values.keep([real, imaginary], column.index)
        first, second = imaginary > 0, imaginary < 0
        here = choose(second, place - 1, place).value.text
        beside = choose(first, place + 1, place).value.text
        with f.loop(e.n) as row:
            part = Term(f, v.turned.load(row.index, beside))
            zero = part.same(0)
            turned = choose(first, part, choose(second, -part, zero))
            vectors.keep([Term(f, v.turned.load(row.index, here)), turned], row.index, column.index)
