"""Matrix products and their kin: a tile of results stays in registers while the sum is walked.

In: a ContractKernel, whose second operand lies side by side along the vector's axis. Out: its function.
Every result is one chain of multiply-adds, in the order of the summed axes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deltarule.compile.kernels import ContractKernel
from deltarule.compile.llvm.loops import (
    Axis,
    Pointers,
    Written,
    advance,
    axes_of,
    nest,
    write,
)
from deltarule.compile.llvm.scalar import Term
from deltarule.compile.llvm.text import Function, Value, constant

WIDEST = 4  # vectors of a tile
SHORTEST = 4  # multiply-adds that must be under way to hide their latency


class Contraction:
    """The parts of a Contract kernel that its loops share. Strides stand in the order a, b, out."""

    def __init__(
        self,
        kernel: ContractKernel,
        vector_bytes: int,
        registers: int,
    ) -> None:
        self.dtype = kernel.out.dtype
        self.lanes = max(1, vector_bytes // self.dtype.itemsize)
        self.registers = registers
        pointers = Pointers()
        views = (kernel.a, kernel.b, kernel.out)
        self.a, self.b, self.out = (pointers.name(view) for view in views)
        self.addresses = pointers.addresses
        self.function = Function(pointers.parameters)
        strides = [view.strides for view in views]
        outer = [i for i in range(len(kernel.shape)) if i not in kernel.axes]
        only_a = [i for i in outer if strides[0][i] and not strides[1][i]]
        only_b = [i for i in outer if strides[1][i] and not strides[0][i]]
        batch = [i for i in outer if i not in only_a and i not in only_b]
        rows = axes_of(kernel.shape, strides, only_a)
        columns = axes_of(kernel.shape, strides, only_b)
        self.summed = axes_of(kernel.shape, strides, kernel.axes)
        self.row = max(rows, key=lambda axis: axis.size, default=Axis(1, (0, 0, 0)))
        self.column = next(axis for axis in columns if axis.strides[1] == 1)
        self.outside = axes_of(kernel.shape, strides, batch)
        self.outside += [axis for axis in rows if axis is not self.row]
        self.outside += [axis for axis in columns if axis is not self.column]

    def write(self) -> Written:
        """The function, and the addresses it takes."""
        f = self.function
        height, width = self.tile()
        with nest(f, self.outside, ["0"] * 3) as offsets:
            for start, tiles, lanes in self.stretches(width):
                with f.loop(tiles) as loop:
                    column = f.plus(f.scaled(loop.index, sum(lanes)), str(start))
                    at = advance(f, offsets, column, self.column.strides)
                    self.rows(at, height, lanes)
        return f, self.addresses

    def tile(self) -> tuple[int, int]:
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
        return total

    def stretches(self, width: int) -> Iterator[tuple[int, int, list[int]]]:
        """Stretches of columns: the first one, how many tiles, the lanes of a tile's vectors."""
        full = [self.lanes] * width
        tiles, rest = divmod(self.column.size, sum(full))
        if tiles:
            yield 0, tiles, full
        if rest:
            vectors, last = divmod(rest, self.lanes)
            lanes = [self.lanes] * vectors + [last] * (last > 0)
            yield tiles * sum(full), 1, lanes

    def rows(
        self,
        offsets: Sequence[str],
        height: int,
        lanes: Sequence[int],
    ) -> None:
        """All tiles below each other."""
        f = self.function
        tiles, rest = divmod(self.row.size, height)
        for start, count, rows in ((0, tiles, height), (tiles * height, 1, rest)):
            if count and rows:
                with f.loop(count) as loop:
                    row = f.plus(f.scaled(loop.index, rows), str(start))
                    self.block(advance(f, offsets, row, self.row.strides), rows, lanes)

    def block(
        self,
        offsets: Sequence[str],
        rows: int,
        lanes: Sequence[int],
    ) -> None:
        """One tile of results."""
        f = self.function
        zeros = [constant(0, self.dtype, n) for _ in range(rows) for n in lanes]
        totals = self.total(self.summed, offsets, zeros, rows)
        down, along = self.row.strides[2], self.column.strides[2]
        for i, total in enumerate(totals):
            row, vector = divmod(i, len(lanes))
            place = row * down + sum(lanes[:vector]) * along
            write(f, total, self.out, f.plus(offsets[2], str(place)), along)

    def total(
        self,
        axes: Sequence[Axis],
        offsets: Sequence[str],
        totals: list[Value],
        rows: int,
    ) -> list[Value]:
        """Loops over the summed axes, handing on the tile."""
        if not axes:
            return self.step(offsets, totals, rows)
        f = self.function
        with f.loop(axes[0].size, totals) as loop:
            at = advance(f, offsets, loop.index, axes[0].strides)
            loop.next = self.total(axes[1:], at, loop.carried, rows)
        return loop.results

    def step(
        self,
        offsets: Sequence[str],
        totals: list[Value],
        rows: int,
    ) -> list[Value]:
        """One multiply-add for each vector of the tile."""
        f = self.function
        width = len(totals) // rows
        right = []
        start = 0
        for total in totals[:width]:
            at = f.plus(offsets[1], str(start))
            right.append(Term(f, f.load(self.b, at, self.dtype, total.lanes)))
            start += total.lanes
        found = []
        for i, total in enumerate(totals):
            row, vector = divmod(i, width)
            if vector == 0:
                at = f.plus(offsets[0], str(row * self.row.strides[0]))
                number = f.load(self.a, at, self.dtype)
            left = Term(f, f.spread(number, total.lanes))
            found.append(self.multiply_add(left, right[vector], Term(f, total)).value)
        return found

    def multiply_add(
        self,
        a: Term,
        b: Term,
        total: Term,
    ) -> Term:
        """a * b + total."""
        return a.fma(b, total) if self.dtype.kind == "f" else a * b + total


def write_contract(kernel: ContractKernel, vector_bytes: int, registers: int) -> Written:
    """The function of a Contract kernel."""
    return Contraction(kernel, vector_bytes, registers).write()
