"""Matrix products and their kin: a tile of results is kept in registers while the summed axes are walked.

In: a ContractKernel, whose second operand lies side by side along the vector's axis. Out: its function. Every result is one chain
of multiply-adds in the order of the summed axes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deltarule.compile.llvm.loops import Address, Axis, Pointers, advance, nest, part, write
from deltarule.compile.llvm.scalar import Term
from deltarule.compile.llvm.text import Function, Value, constant
from deltarule.compile.plan import ContractKernel

NONE = Axis(1, (0, 0, 0))


class Contraction:
    """The parts of a Contract kernel that its loops share. Strides stand in the order a, b, out."""

    def __init__(self, kernel: ContractKernel, vector_bytes: int, registers: int) -> None:
        self.kernel = kernel
        self.dtype = kernel.out.dtype
        self.lanes = max(1, vector_bytes // self.dtype.itemsize)
        self.registers = registers
        pointers = Pointers()
        self.a, self.b, self.out = (pointers.name(view) for view in (kernel.a, kernel.b, kernel.out))
        self.addresses = pointers.addresses
        self.function = Function(pointers.parameters)
        self._sort_axes()

    def _sort_axes(self) -> None:
        """Summed axes, batches, rows (of a), columns (of b); the widest row axis and the vector's axis apart."""
        kernel = self.kernel
        strides = [view.strides for view in (kernel.a, kernel.b, kernel.out)]
        outer = [i for i in range(len(kernel.shape)) if i not in kernel.axes]
        rows = [i for i in outer if kernel.a.strides[i] and not kernel.b.strides[i]]
        columns = [i for i in outer if kernel.b.strides[i] and not kernel.a.strides[i]]
        batch = [i for i in outer if i not in rows and i not in columns]
        self.summed = part(kernel.shape, strides, kernel.axes)
        self.outside = part(kernel.shape, strides, batch)
        row_axes = part(kernel.shape, strides, rows)
        column_axes = part(kernel.shape, strides, columns)
        self.row = max(row_axes, key=lambda axis: axis.size, default=NONE)
        self.column = next(axis for axis in column_axes if axis.strides[1] == 1)
        self.outside += [a for a in row_axes if a is not self.row] + [a for a in column_axes if a is not self.column]

    def write(self) -> tuple[Function, list[Address]]:
        """The function, and the addresses it takes."""
        f = self.function
        height, width = self.tile()
        with nest(f, self.outside, ["0"] * 3) as offsets:
            for start, trips, lanes in self._columns(width):
                with f.loop(trips) as loop:
                    index = f.plus(f.scaled(loop.index, sum(lanes)), str(start))
                    at = advance(f, offsets, index, self.column.strides)
                    for first, times, rows in self._rows(height):
                        with f.loop(times) as inner:
                            row = f.plus(f.scaled(inner.index, rows), str(first))
                            self.block(advance(f, at, row, self.row.strides), rows, lanes)
        return f, self.addresses

    def tile(self) -> tuple[int, int]:
        """Rows and vectors of the tile: as large as the registers allow, with little left over at the edges."""
        vectors = -(-self.column.size // self.lanes)
        best = None
        for width in range(1, min(4, vectors) + 1):
            most = (self.registers - width - 1) // width
            for height in range(1, min(most, self.row.size) + 1):
                cost = self._cost(height, width, vectors)
                if best is None or cost < best[0]:
                    best = (cost, height, width)
        assert best is not None
        return best[1:]

    def _cost(self, height: int, width: int, vectors: int) -> float:
        """Cycles of one step of the summed axes over all tiles: multiply-adds (at least 4 deep), and loads."""
        total = 0.0
        for w, times in ((width, vectors // width), (vectors % width, 1)):
            for h, more in ((height, self.row.size // height), (self.row.size % height, 1)):
                if w and h:
                    total += times * more * (max(h * w / 2, 4, (h + w) / 2) + 1)
        return total

    def _columns(self, width: int) -> Iterator[tuple[int, int, list[int]]]:
        """Stretches of columns: where they start, how many tiles, the lanes of each vector of a tile."""
        whole, rest = divmod(self.column.size, width * self.lanes)
        if whole:
            yield 0, whole, [self.lanes] * width
        if rest:
            full, last = divmod(rest, self.lanes)
            yield whole * width * self.lanes, 1, [self.lanes] * full + ([last] if last else [])

    def _rows(self, height: int) -> Iterator[tuple[int, int, int]]:
        """Stretches of rows: where they start, how many tiles, and rows of a tile."""
        whole, rest = divmod(self.row.size, height)
        if whole:
            yield 0, whole, height
        if rest:
            yield whole * height, 1, rest

    def block(self, offsets: Sequence[str], rows: int, lanes: Sequence[int]) -> None:
        """One tile of results."""
        zeros = [constant(0, self.dtype, n) for _ in range(rows) for n in lanes]
        totals = self._sum(self.summed, offsets, zeros, rows, lanes)
        f = self.function
        for i, total in enumerate(totals):
            row, vector = divmod(i, len(lanes))
            at = f.plus(offsets[2], str(row * self.row.strides[2] + sum(lanes[:vector]) * self.column.strides[2]))
            write(f, total, self.out, at, self.column.strides[2])

    def _sum(
        self, axes: Sequence[Axis], offsets: Sequence[str], totals: list[Value], rows: int, lanes: Sequence[int]
    ) -> list[Value]:
        """Loops over the summed axes, handing on the tile."""
        f = self.function
        if not axes:
            return self._step(offsets, totals, rows, lanes)
        with f.loop(axes[0].size, totals) as loop:
            at = advance(f, offsets, loop.index, axes[0].strides)
            loop.next = self._sum(axes[1:], at, loop.carried, rows, lanes)
        return loop.results

    def _step(self, offsets: Sequence[str], totals: list[Value], rows: int, lanes: Sequence[int]) -> list[Value]:
        """One multiply-add for each vector of the tile."""
        f = self.function
        starts = [sum(lanes[:i]) for i in range(len(lanes))]
        right = [
            f.load(self.b, f.plus(offsets[1], str(start)), self.dtype, n)
            for start, n in zip(starts, lanes, strict=True)
        ]
        new = []
        for row in range(rows):
            x = f.load(self.a, f.plus(offsets[0], str(row * self.row.strides[0])), self.dtype)
            for i, n in enumerate(lanes):
                left = Term(f, f.spread(x, n))
                total = Term(f, totals[row * len(lanes) + i])
                y = Term(f, right[i])
                new.append((left.fma(y, total) if self.dtype.kind == "f" else left * y + total).value)
        return new


def write_contract(kernel: ContractKernel, vector_bytes: int, registers: int) -> tuple[Function, list[Address]]:
    """The function of a Contract kernel."""
    return Contraction(kernel, vector_bytes, registers).write()
