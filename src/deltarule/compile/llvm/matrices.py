"""Matrices in memory, and the loop over those of a kernel: what all steps of linear algebra share.

In: a LapackKernel. Out: ``Each``, its function under construction, whose methods move matrices and call
LAPACK and BLAS by their addresses. Memory is row-major here and column-major there, so that one's matrix is
the other's transpose: right sides are rows of what BLAS sees, and only what LAPACK overwrites is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from deltarule.compile.kernels import LapackKernel
from deltarule.compile.llvm.calls import call_numpy
from deltarule.compile.llvm.loops import Pointers, Written, along, axes_of, nest
from deltarule.compile.llvm.mode import Mode
from deltarule.compile.llvm.scalar import Term
from deltarule.compile.llvm.text import I32, Function, Value, constant
from deltarule.compile.views import View
from deltarule.program.ops.complex import REAL
from deltarule.program.ops.linalg import LETTERS

LANES = 8


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
        self.letter = LETTERS[kernel.args[0].dtype.char]
        self.odd = ""  # the label of what is done with a matrix out of the ordinary
        self.n = kernel.args[0].shape[len(kernel.lead)]

    def write(self, step: Callable[[Each], None]) -> Written:
        """A step for every matrix. One that is out of the ordinary sends all of them to NumPy."""
        f = self.function
        with self.matrices():
            step(self)
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
        with self.mode.left(f):
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
            vector = (*words, n, a, size, x, 1)
            self.call(f"blas.{self.letter}trsv", *vector)
        else:
            uplo, diag = words[0], words[2]
            rows = ("R", uplo, "TN"[turned], diag, k, n, self.one(x), a, size, x, k)
            self.call(f"blas.{self.letter}trsm", *rows)

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
        inner = next((a for a in (1, 0) if all(s[a] == source.lanes for s in steps)), -1)
        if inner < 0:
            with f.loop(source.shape[0]) as i, f.loop(source.shape[1]) as j:
                target.store(source.load(i.index, j.index), i.index, j.index)
            return
        with f.loop(source.shape[1 - inner]) as row:
            first = [f.scaled(row.index, s[1 - inner]) for s in steps]

            def move(at: str, count: int) -> None:
                x = f.load(source.pointer, f.plus(first[0], at), source.view.dtype, count)
                f.store(x, target.pointer, f.plus(first[1], at))

            along(f, source.shape[inner] * source.lanes, LANES, move)

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
            start = x.place(row.index, "0")

            def clear(at: str, count: int) -> None:
                f.store(constant(0, x.view.dtype, count), x.pointer, f.plus(start, at))

            along(f, k * x.lanes, LANES, clear)
            x.store(x.ones, row.index, row.index)

    def swap_rows(
        self,
        x: Matrix,
        pivots: Matrix,
        backward: bool,
    ) -> None:
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
