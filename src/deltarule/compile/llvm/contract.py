"""Matrix products and their kin: a tile of sums stays in registers while the sum is walked, and what is
done with the sums is done to the tile.

In: a ContractKernel. Out: its function. Panels of the operand that is read by vectors are copied side by
side where many tiles read them. Every sum is one chain of multiply-adds, in the order of the summed
axes: its bits do not depend on tiles or threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from deltarule.compile.kernels import ContractKernel, Sum, applied
from deltarule.compile.llvm.load import Processor
from deltarule.compile.llvm.loops import (
    Axis,
    Pointers,
    Walk,
    Written,
    advance,
    axes_of,
    lanes_of,
    nest,
    read,
    write,
)
from deltarule.compile.llvm.pack import Panel
from deltarule.compile.llvm.scalar import Term
from deltarule.compile.llvm.text import Function, Value, constant

WIDEST = 4  # vectors of a tile
SHORTEST = 4  # multiply-adds that must be under way to hide their latency
UNROLLED = 64  # expressions written out for a tile; more are looped over
REMAINDER = (
    1.04  # how much better a tile must be that leaves rows or columns over: they are code, too
)
CROWDED = 512  # bytes from row to row, from which on a panel is worth a copy
FEW = 8  # tiles below each other, below which a panel is read where it lies
NEAR = 1 << 17  # bytes of panels that stay in the second cache
TALL = 512  # rows from which on threads share rows: each copies all panels for itself
FAR = 1 << 20  # bytes of an operand that is asked for ahead
Tile = tuple[int, int]  # rows, vectors


@dataclass(frozen=True, slots=True)
class Stretch:
    """Panels from ``first`` on: ``groups`` of ``panels`` each, all ``columns`` wide."""

    first: int
    groups: int
    panels: int
    columns: int


class Contraction:
    """The parts of a Contract kernel that its loops share.

    Strides stand in the order a, b, loads of the scalars, stores.
    """

    def __init__(
        self,
        kernel: ContractKernel,
        processor: Processor,
        shared: bool,
    ) -> None:
        self.dtype = kernel.a.dtype
        self.registers = processor.registers
        self.lanes = max(1, processor.vector_bytes // self.dtype.itemsize)
        self.narrow = min(self.lanes, lanes_of(kernel.scalars, processor.vector_bytes))
        pointers = Pointers()
        self.a, self.b = (pointers.name(view) for view in (kernel.a, kernel.b))
        f = self.function = Function([])
        self.walk = Walk(f, kernel.scalars, pointers)
        self.sum = next(i for i, x in enumerate(kernel.scalars) if isinstance(x, Sum))
        self.targets = [(place, pointers.name(view)) for place, view in kernel.stores]
        self.addresses = pointers.addresses
        f.parameters = pointers.parameters
        self.views = [*self.walk.views, *kernel.writes]
        self.arrange(kernel)
        self.applied = applied(kernel.scalars)
        self.tile = self.best_tile()
        self.panel = self.packed()
        self.split = self.split_axis() if shared else ""
        self.group = self.grouped()

    def arrange(self, kernel: ContractKernel) -> None:
        """Rows are those of a alone, columns of b alone; the rest lies outside."""
        still = (0,) * len(kernel.axes)
        strides = [kernel.a.strides, kernel.b.strides]
        strides += [(*view.strides, *still) for view in self.views]
        outer = range(len(kernel.kept))
        only_a = [i for i in outer if strides[0][i] and not strides[1][i]]
        only_b = [i for i in outer if strides[1][i] and not strides[0][i]]
        batch = [i for i in outer if i not in only_a and i not in only_b]
        rows = axes_of(kernel.shape, strides, only_a)
        columns = axes_of(kernel.shape, strides, only_b)
        self.summed = axes_of(kernel.shape, strides, kernel.axes)
        self.row = max(rows, key=lambda axis: axis.size, default=Axis(1, (0,) * len(strides)))
        step = strides[1][kernel.vector]
        self.column = next(axis for axis in columns if axis.strides[1] == step)
        self.outside = axes_of(kernel.shape, strides, batch)
        self.outside += [axis for axis in rows if axis is not self.row]
        self.outside += [axis for axis in columns if axis is not self.column]

    # Choices.

    def best_tile(self) -> Tile:
        """Rows and vectors of the tile: as many as fit the registers, with little left over."""
        vectors = -(-self.column.size // self.lanes)
        sizes = []
        for width in range(1, min(WIDEST, vectors) + 1):
            most = (self.registers - width - 1) // width
            for height in range(1, min(most, self.row.size) + 1):
                sizes.append((self.cost(height, width, vectors), height, width))
        _, height, width = min(sizes)
        return height, width

    def cost(
        self,
        height: int,
        width: int,
        vectors: int,
    ) -> float:
        """Cycles for one step of the sum in all tiles."""
        total = 0.0
        for w, across in ((width, vectors // width), (vectors % width, 1)):
            for h, down in ((height, self.row.size // height), (self.row.size % height, 1)):
                if w and h:
                    products, loads = h * w / 2, (h + w) / 2
                    total += across * down * (max(products, loads, SHORTEST) + 1)
        for n, size in ((self.row.size, height), (vectors, width)):
            total *= REMAINDER if n % size else 1
        return total

    def packed(self) -> Panel | None:
        """The panel that columns of b are copied to, where that pays."""
        if self.dtype.kind != "f":
            return None
        step = self.column.strides[1]
        tiles = -(-self.row.size // self.tile[0])
        along = max(axis.strides[1] for axis in self.summed) * self.dtype.itemsize
        if step == 1 and (tiles < FEW or along < CROWDED):
            return None
        f = self.function
        return Panel(f, self.b, "%scratch", self.dtype, self.lanes, self.summed, step)

    def split_axis(self) -> str:
        """What threads share: the outermost loop, panels of columns or tiles of rows."""
        height, width = self.tile
        panels = -(-self.column.size // (width * self.lanes))
        tiles = -(-self.row.size // height)
        self.function.units = self.outside[0].size if self.outside else 1
        if self.function.units >= 8:
            return "outside"
        idle = {n: -(-n // 2) / n for n in (panels, tiles)}
        few = self.row.size < TALL or tiles < 16
        word = "columns" if few and panels > 1 and idle[panels] <= idle[tiles] + 0.05 else "rows"
        self.function.units = panels if word == "columns" else tiles
        return word

    def grouped(self) -> int:
        """Panels that are copied before tiles are walked, so that rows are left for long stretches."""
        panels = self.column.size // (self.tile[1] * self.lanes)
        if self.panel is None or self.split == "columns":
            return 1
        most = max(1, NEAR // self.panel.nbytes(self.tile[1] * self.lanes))
        count = max((n for n in range(1, most + 1) if panels % n == 0), default=1)
        self.function.scratch = count * self.panel.nbytes(self.tile[1] * self.lanes)
        return count

    # Loops.

    def write(self) -> Written:
        """The function, and the addresses it takes."""
        with self.places() as offsets:
            for stretch in self.stretches():
                with self.function.part(
                    self.split == "columns", stretch.first, stretch.groups
                ) as i:
                    column = self.function.plus(
                        self.function.scaled(i, stretch.panels * stretch.columns),
                        str(stretch.first * self.tile[1] * self.lanes),
                    )
                    at = advance(self.function, offsets, column, self.column.strides)
                    self.panels(at, stretch)
        return self.function, self.addresses

    @contextmanager
    def places(self) -> Iterator[list[str]]:
        """The loops around the product."""
        f = self.function
        start = ["0"] * (2 + len(self.views))
        self.known = self.walk.uniform(start[2:], self.reach())
        if self.split != "outside":
            with nest(f, self.outside, start) as offsets:
                yield offsets
            return
        with f.between("%lo", "%hi") as index:
            at = advance(f, start, index, self.outside[0].strides)
            with nest(f, self.outside[1:], at) as offsets:
                yield offsets

    def reach(self) -> tuple[int, ...]:
        """For each load of the scalars, 0 where it is of one element only."""
        axes = [*self.outside, self.row, self.column]
        loads = range(2, 2 + len(self.walk.views))
        return tuple(max(abs(axis.strides[i]) for axis in axes) for i in loads)

    def stretches(self) -> Iterator[Stretch]:
        """The columns: groups of whole panels, then what is left."""
        width = self.tile[1] * self.lanes
        panels, rest = divmod(self.column.size, width)
        if panels:
            yield Stretch(0, panels // self.group, self.group, width)
        if rest:
            yield Stretch(panels, 1, 1, rest)

    def panels(self, offsets: Sequence[str], stretch: Stretch) -> None:
        """All tiles of a group of panels."""
        columns = stretch.columns
        if self.panel is None:
            self.rows(offsets, stretch, self.b, self.summed, columns * self.column.strides[1])
            return
        f = self.function
        width = -(-columns // self.lanes) * self.lanes
        length = self.panel.nbytes(width) // self.dtype.itemsize
        f.scratch = max(f.scratch, stretch.panels * self.panel.nbytes(width))
        with f.loop(stretch.panels) as loop:
            start = f.plus(offsets[1], f.scaled(loop.index, columns * self.column.strides[1]))
            self.panel.fill(start, f.scaled(loop.index, length), columns, width)
        at = [offsets[0], "0", *offsets[2:]]
        self.rows(at, stretch, self.panel.target, self.panel.axes(width), length)

    def rows(
        self,
        offsets: Sequence[str],
        stretch: Stretch,
        b: str,
        summed: Sequence[Axis],
        length: int,
    ) -> None:
        """All tiles: below each other, and side by side where several panels are copied."""
        f, height = self.function, self.tile[0]
        columns = stretch.columns
        strides = (0, length, *(columns * step for step in self.column.strides[2:]))
        tiles, rest = divmod(self.row.size, height)
        for first, count, rows in ((0, tiles, height), (tiles, 1, rest)):
            if not (count and rows):
                continue
            with f.part(self.split == "rows", first, count) as index:
                row = f.plus(f.scaled(index, rows), str(first * height))
                below = advance(f, offsets, row, self.row.strides)
                with f.loop(stretch.panels) as loop:
                    at = advance(f, below, loop.index, strides)
                    self.ahead(at, rows, columns)
                    tile = Sums(self, rows, columns, b)
                    self.finish(tile.total(summed, at), at, rows, columns)

    def ahead(self, offsets: Sequence[str], rows: int, columns: int) -> None:
        """Ask for what the scalars load from large operands."""
        f = self.function
        for i, view in enumerate(self.walk.views):
            far = view.size * view.dtype.itemsize >= FAR
            if not far or self.column.strides[2 + i] != 1 or not self.row.strides[2 + i]:
                continue
            name = self.walk.names[next(p for p, at in self.walk.order.items() if at == i)]
            for row in range(rows):
                for column in range(0, columns, 64 // view.dtype.itemsize):
                    place = row * self.row.strides[2 + i] + column
                    f.prefetch(name, f.plus(offsets[2 + i], str(place)), view.dtype, True)

    # What is done with the sums.

    def finish(
        self,
        totals: Sequence[Value],
        offsets: Sequence[str],
        rows: int,
        columns: int,
    ) -> None:
        """The scalars of a tile of sums."""
        width = len(totals) // rows
        if self.narrow == self.lanes and self.applied * len(totals) <= UNROLLED:
            for i, total in enumerate(totals):
                row, vector = divmod(i, width)
                count = min(self.lanes, columns - vector * self.lanes)
                at = advance(self.function, offsets, str(row), self.row.strides)
                self.point(total, at, vector * self.lanes, count)
            return
        f = self.function
        room = f.room(len(totals) * self.lanes, self.dtype)
        for i, total in enumerate(totals):
            f.store(total, room, str(i * self.lanes))
        with f.loop(rows) as loop:
            at = advance(f, offsets, loop.index, self.row.strides)
            for first in range(0, columns, self.narrow):
                count = min(self.narrow, columns - first)
                place = f.plus(f.scaled(loop.index, width * self.lanes), str(first))
                self.point(f.load(room, place, self.dtype, count), at, first, count)

    def point(
        self,
        total: Value,
        offsets: Sequence[str],
        column: int,
        count: int,
    ) -> None:
        """The scalars at some columns of a row."""
        f = self.function
        if total.lanes != count:
            total = f.shuffle(total, list(range(count)))
        at = advance(f, offsets, str(column), self.column.strides)[2:]
        steps = self.column.strides[2:]
        loads = len(self.walk.views)
        known = {**self.known, self.sum: total}
        values = self.walk.values(at[:loads], steps[:loads], count, known)
        for (place, name), offset, step in zip(
            self.targets, at[loads:], steps[loads:], strict=True
        ):
            write(f, values[place], name, offset, step)


class Sums:
    """The sums of one tile.

    Parameters
    ----------
    product : Contraction
        Whose tile it is.
    rows, columns : int
        Its size.
    b : str
        Pointer to the operand that is read by vectors.
    """

    def __init__(
        self,
        product: Contraction,
        rows: int,
        columns: int,
        b: str,
    ) -> None:
        self.product, self.function = product, product.function
        self.rows, self.b = rows, b
        self.dtype, lanes = product.dtype, product.lanes
        self.step = product.column.strides[1] if product.panel is None else 1
        self.lanes = [min(lanes, columns - first) for first in range(0, columns, lanes)]
        if product.panel is not None:
            self.lanes = [lanes] * len(self.lanes)  # filled up with zeros

    def total(self, axes: Sequence[Axis], offsets: Sequence[str]) -> list[Value]:
        """The sums, row after row."""
        zeros = [constant(0, self.dtype, n) for _ in range(self.rows) for n in self.lanes]
        return self.over(axes, offsets, zeros)

    def over(
        self,
        axes: Sequence[Axis],
        offsets: Sequence[str],
        totals: list[Value],
    ) -> list[Value]:
        """Loops over the summed axes, handing on the tile."""
        if not axes:
            return self.add(offsets, totals)
        f = self.function
        with f.loop(axes[0].size, totals) as loop:
            at = advance(f, offsets, loop.index, axes[0].strides)
            loop.next = self.over(axes[1:], at, loop.carried)
        return loop.results

    def add(self, offsets: Sequence[str], totals: list[Value]) -> list[Value]:
        """One multiply-add for each vector of the tile."""
        f, product = self.function, self.product
        right, start = [], 0
        for n in self.lanes:
            at = f.plus(offsets[1], str(start * self.step))
            x = read(f, self.b, at, self.step, self.dtype, n)
            right.append(Term(f, x))
            start += n
        found = []
        for row in range(self.rows):
            at = f.plus(offsets[0], str(row * product.row.strides[0]))
            number = f.load(product.a, at, self.dtype)
            for vector, b in enumerate(right):
                a = Term(f, f.spread(number, b.value.lanes))
                total = Term(f, totals[row * len(right) + vector])
                found.append(multiply_add(a, b, total).value)
        return found


def multiply_add(a: Term, b: Term, total: Term) -> Term:
    """a * b + total."""
    return a.fma(b, total) if a.dtype.kind == "f" else a * b + total


def write_contract(
    kernel: ContractKernel,
    processor: Processor,
    shared: bool = False,
) -> Written:
    """The function of a Contract kernel."""
    return Contraction(kernel, processor, shared).write()
