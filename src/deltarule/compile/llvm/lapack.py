"""Linear algebra on one matrix after the other: LAPACK and BLAS, called by their addresses.

In: a LapackKernel. Out: its function. Memory is row-major here and column-major there, so that one library's
matrix is the other's transpose: right sides are rows of what BLAS sees, and only what LAPACK overwrites is
copied. A matrix that is out of the ordinary (singular, not positive definite) sends all of them to NumPy,
whose answer or error is the user's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from deltarule.compile.kernels import LapackKernel
from deltarule.compile.llvm.calls import call_numpy
from deltarule.compile.llvm.loops import Pointers, Written, along, axes_of, nest
from deltarule.compile.llvm.mode import Mode
from deltarule.compile.llvm.scalar import Term, evaluate
from deltarule.compile.llvm.text import I32, Function, Value, constant
from deltarule.compile.views import View
from deltarule.program.ops.complex import REAL

LETTERS = {"f4": "s", "f8": "d", "c8": "c", "c16": "z"}
LANES = 8
INFINITY = float("inf")


@dataclass(frozen=True, slots=True)
class Matrix:
    """A matrix, vector or number in memory; complex numbers are pairs of real ones.

    Attributes
    ----------
    function : Function
        In which it is known.
    pointer : str
        Where its first element lies.
    view : View
        Its shape, and steps in real numbers.
    lanes : int
        Real numbers of an element.
    """

    function: Function
    pointer: str
    view: View
    lanes: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return self.view.shape

    @property
    def turned(self) -> Matrix:
        """The transpose."""
        return replace(self, view=self.view.transpose((1, 0)))

    def place(self, *index: str) -> str:
        """The offset of an element."""
        f, offset = self.function, "0"
        for i, step in zip(index, self.view.strides, strict=True):
            offset = f.plus(offset, f.scaled(i, step))
        return offset

    def load(self, *index: str) -> Value:
        """An element."""
        return self.function.load(self.pointer, self.place(*index), self.view.dtype, self.lanes)

    def store(self, x: Value, *index: str) -> None:
        """Write an element."""
        self.function.store(x, self.pointer, self.place(*index))

    def parts(self, *index: str) -> list[Term]:
        """An element's real and, where it has one, imaginary part."""
        f, x = self.function, self.load(*index)
        return [Term(f, f.shuffle(x, [i]) if self.lanes > 1 else x) for i in range(self.lanes)]

    def keep(self, parts: list[Term], *index: str) -> None:
        """Write an element given by its parts."""
        for i, part in enumerate(parts):
            at = self.function.plus(self.place(*index), str(i))
            self.function.store(part.value, self.pointer, at)

    @property
    def ones(self) -> Value:
        """The number 1."""
        one = constant(1, self.view.dtype)
        f = self.function
        return f.insert(constant(0, self.view.dtype, 2), one, 0) if self.lanes > 1 else one

    @property
    def zero(self) -> Value:
        """The number 0."""
        return constant(0, self.view.dtype, self.lanes)


class Each:
    """The function of a kernel under construction, inside its loop over matrices.

    Attributes
    ----------
    args, outs, work : list of Matrix
        Those of this trip.
    n : int
        Rows of the first argument.
    flag : bool
        The kernel's.
    """

    def __init__(self, kernel: LapackKernel, mode: Mode) -> None:
        self.kernel, self.mode, self.flag = kernel, mode, kernel.flag
        self.pointers = pointers = Pointers()
        self.views = [*kernel.args, *kernel.outs, *kernel.work]
        self.names = [pointers.name(view) for view in self.views]
        self.whole = [pointers.name(view) for view in (*kernel.needed, *kernel.outs)]
        self.function = Function([*pointers.parameters, "state"], "i32")
        self.letter = LETTERS[kernel.args[0].dtype.str[1:]]
        self.odd = ""  # the label of what is done with a matrix out of the ordinary
        self.n = kernel.args[0].shape[len(kernel.lead)]

    def write(self) -> Written:
        """The step for every matrix."""
        f = self.function
        with self.mode.left(f):
            with self.matrices():
                STEPS[self.kernel.step](self)
            if self.odd:
                done = f.name_block()
                f.do(f"br label %{done}")
                f.label(self.odd)
                call_numpy(f, self.whole, self.mode)
                f.do(f"br label %{done}")
                f.label(done)
        return f, self.pointers.addresses

    @contextmanager
    def matrices(self) -> Iterator[None]:
        """A loop over the leading axes."""
        f, lead = self.function, self.kernel.lead
        depth, fixed = len(lead), len(self.views) - len(self.kernel.work)
        lanes = [1 + (view.dtype.kind == "c") for view in self.views]
        pairs = zip(self.views, lanes, strict=True)
        views = [v if n == 1 else v.part_of_complex(0, REAL[v.dtype]) for v, n in pairs]
        steps = [v.strides[:depth] for v in views[:fixed]]
        with nest(f, axes_of(lead, steps, range(depth)), ["0"] * fixed) as offsets:
            found = []
            for i, view in enumerate(views):
                pointer, core = self.names[i], view
                if i < fixed:
                    pointer, core = f.address(pointer, offsets[i], view.dtype), view.part(depth)
                found.append(Matrix(f, pointer, core, lanes[i]))
            count = len(self.kernel.args)
            self.args, self.outs, self.work = found[:count], found[count:fixed], found[fixed:]
            yield

    def usual(self, condition: str) -> None:
        """Go on only where a condition (an i1) holds."""
        self.odd = self.odd or self.function.name_block()
        self.function.go_on_if(condition, self.odd)

    def succeeded(self, info: str) -> None:
        """Go on only where LAPACK reports no failure."""
        code = self.function.now(f"load i32, ptr {info}, align 4")
        self.usual(self.function.now(f"icmp eq i32 {code}, 0"))

    # --- calls ---

    def call(self, name: str, *args: str | int | Matrix) -> None:
        """Call LAPACK or BLAS, all by address: words, sizes, matrices, and pointers."""
        f, given = self.function, []
        for arg in args:
            if isinstance(arg, Matrix):
                given.append(arg.pointer)
            elif isinstance(arg, int):
                given.append(f"@int.{arg}")
                f.needs.add(f"@int.{arg} = private unnamed_addr constant i32 {arg}")
            elif arg.startswith("%"):
                given.append(arg)
            else:
                given.append(f"@word.{arg}")
                f.needs.add(f'@word.{arg} = private unnamed_addr constant [1 x i8] c"{arg}"')
        f.needs.add(f"declare void @{name}({', '.join(['ptr'] * len(given))})")
        f.do(f"call void @{name}({', '.join(f'ptr {x}' for x in given)})")

    def lapack(self, word: str, *args: str | int | Matrix) -> None:
        """Call LAPACK and see that it succeeds."""
        info = self.function.room(1, I32)
        self.call(f"lapack.{self.letter}{word}", *args, info)
        self.succeeded(info)

    def divide(
        self,
        x: Matrix,
        a: Matrix,
        size: int,
        lower: bool,
        turned: bool,
        unit: bool = False,
    ) -> None:
        """x becomes a^-1 x, or a^-T x, for a triangle whose columns are ``size`` apart."""
        n, k = x.shape
        words = ("L" if lower else "U", "NT"[turned], "NU"[unit])
        if k == 1:
            self.call(f"blas.{self.letter}trsv", *words, n, a, size, x, 1)
            return
        uplo, _, diag = words
        one = self.one(x)
        rest = ("R", uplo, "TN"[turned], diag, k, n, one, a, size, x, k)
        self.call(f"blas.{self.letter}trsm", *rest)

    def one(self, x: Matrix) -> str:
        """The address of a 1."""
        f = self.function
        place = f.room(x.lanes, x.view.dtype)
        f.store(x.ones, place, "0")
        return place

    # --- memory ---

    def copy(self, source: Matrix, target: Matrix) -> None:
        """Move a matrix: by vectors where both lie in one order, else by elements."""
        f = self.function
        steps = [m.view.strides for m in (source, target)]
        inner = next((a for a in (1, 0) if all(s[a] == source.lanes for s in steps)), None)
        across = source.shape[inner] if inner is not None else 0
        if inner is None:
            with f.loop(source.shape[0]) as i, f.loop(source.shape[1]) as j:
                target.store(source.load(i.index, j.index), i.index, j.index)
            return
        with f.loop(source.shape[1 - inner]) as row:
            first = [f.scaled(row.index, s[1 - inner]) for s in steps]

            def move(at: str, count: int) -> None:
                x = f.load(source.pointer, f.plus(first[0], at), source.view.dtype, count)
                f.store(x, target.pointer, f.plus(first[1], at))

            along(f, across * source.lanes, LANES, move)

    def triangle(self, a: Matrix, lower: bool) -> None:
        """Zeros above or below the diagonal."""
        f, (m, n) = self.function, a.shape
        with f.loop(m) as row:
            after = f.plus(row.index, "1")
            low, high = (after, str(n)) if lower else ("0", row.index)
            with f.between(low, high) as column:
                a.store(a.zero, row.index, column)

    def identity(self, x: Matrix) -> None:
        """Ones on the diagonal, zeros elsewhere."""
        f, (n, k) = self.function, x.shape
        with f.loop(n) as row:
            along(
                f,
                k * x.lanes,
                LANES,
                lambda at, count: f.store(
                    constant(0, x.view.dtype, count), x.pointer, f.plus(x.place(row.index, "0"), at)
                ),
            )
            x.store(x.ones, row.index, row.index)

    def swap_rows(self, x: Matrix, pivots: Matrix, backward: bool) -> None:
        """Row i and the row that was its pivot change places, for one i after the other."""
        f, (n, k) = self.function, x.shape
        with f.loop(n) as loop:
            row = f.pure(f"sub nsw i64 {n - 1}, {loop.index}") if backward else loop.index
            other = f.now(f"sext {pivots.load(row)} to i64")
            other = f.now(f"add nsw i64 {other}, -1")
            with f.when(f.now(f"icmp ne i64 {row}, {other}")):
                places = x.place(row, "0"), x.place(other, "0")

                def swap(at: str, count: int) -> None:
                    there = [f.plus(place, at) for place in places]
                    one, two = (f.load(x.pointer, p, x.view.dtype, count) for p in there)
                    f.store(one, x.pointer, there[1])
                    f.store(two, x.pointer, there[0])

                along(f, k * x.lanes, LANES, swap)


# --- systems ---


def lu(e: Each) -> None:
    """a = p^T l u, by columns; after the pivots stands how it went."""
    (a,), (factor, pivots) = e.args, e.outs
    e.copy(a, factor.turned)
    info = e.function.address(pivots.pointer, str(e.n), I32)
    e.call(f"lapack.{e.letter}getrf", e.n, e.n, factor, e.n, pivots, info)


def solve(e: Each) -> None:
    """x = a^-1 b, or a^-T b, by the factors of a; the inverse where no b is given."""
    factor, pivots, *b = e.args
    (x,) = e.outs
    e.succeeded(e.function.address(pivots.pointer, str(e.n), I32))
    if b:
        e.copy(b[0], x)
    else:
        e.identity(x)
    if e.flag:
        e.divide(x, factor, e.n, lower=False, turned=True)
        e.divide(x, factor, e.n, lower=True, turned=True, unit=True)
        e.swap_rows(x, pivots, backward=True)
    else:
        e.swap_rows(x, pivots, backward=False)
        e.divide(x, factor, e.n, lower=True, turned=False, unit=True)
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


# --- determinants ---


def determinant(e: Each) -> None:
    """The product of the diagonal; one that is 0 or beyond the range of numbers is NumPy's."""
    factor, pivots = e.args
    (y,) = e.outs
    f = e.function
    with f.loop(e.n, [t.value for t in signed_one(e, factor, pivots)]) as loop:
        known = [Term(f, value) for value in loop.carried]
        found = product(known, factor.parts(loop.index, loop.index))
        loop.next = [term.value for term in found]
    parts = [Term(f, value) for value in loop.results]
    size = sum(evaluated("abs(x0)", part) for part in parts[1:])
    whole = evaluated("abs(x0)", parts[0]) + size
    e.usual((whole > 0).value.text)
    e.usual((whole < INFINITY).value.text)
    y.keep(parts)


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


def signed_one(e: Each, factor: Matrix, pivots: Matrix) -> list[Term]:
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


# --- factors ---


def cholesky(e: Each) -> None:
    """The lower triangle, which LAPACK sees as an upper one."""
    (x,), (y,) = e.args, e.outs
    e.copy(x, y)
    e.lapack("potrf", "U", e.n, y, e.n)
    e.triangle(y, lower=True)


def eigh(e: Each) -> None:
    """By divide and conquer, as NumPy."""
    (x,), (values, vectors) = e.args, e.outs
    a, *spaces = e.work
    e.copy(x, a.turned)
    rooms: list[Matrix | int] = []
    for space in spaces:
        rooms += [space, space.shape[0]]
    name = "syevd" if x.lanes == 1 else "heevd"
    e.lapack(name, "V", "U" if e.flag else "L", e.n, a, e.n, values, *rooms)
    e.copy(a.turned, vectors)


def svd(e: Each) -> None:
    """By divide and conquer, as NumPy."""
    (x,), (u, s, vt) = e.args, e.outs
    a, left, right, space, *others = e.work
    (m, n), k = x.shape, s.shape[0]
    e.copy(x, a.turned)
    rest = (left, m, right, k, space, space.shape[0], *others)
    e.lapack("gesdd", "S", m, n, a, m, s, *rest)
    e.copy(left.turned, u)
    e.copy(right.turned, vt)


def qr(e: Each) -> None:
    """By reflections."""
    (x,), (q, r) = e.args, e.outs
    a, tau, space = e.work
    m, n = x.shape
    e.copy(x, a.turned)
    e.lapack("geqrf", m, n, a, m, tau, space, space.shape[0])
    top = replace(a.turned, view=replace(a.turned.view, shape=(n, n)))
    e.copy(top, r)
    e.triangle(r, lower=False)
    name = "orgqr" if x.lanes == 1 else "ungqr"
    e.lapack(name, m, n, n, a, m, tau, space, space.shape[0])
    e.copy(a.turned, q)


STEPS: dict[str, Callable[[Each], None]] = {
    "lu": lu,
    "solve": solve,
    "triangular": triangular,
    "det": determinant,
    "slogdet": logarithm,
    "logdet": logarithm,
    "cholesky": cholesky,
    "eigh": eigh,
    "svd": svd,
    "qr": qr,
}


def write_lapack(kernel: LapackKernel, mode: Mode) -> Written:
    """The function of a kernel."""
    return Each(kernel, mode).write()
