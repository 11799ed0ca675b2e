"""Panels: the columns of a product's operand that a tile reads, copied side by side.

In: where the operand lies. Out: instructions that fill a panel, row after row of the sum, each ``width``
numbers long, zeros where the operand has no column. What lies along the sum in memory is transposed in
blocks of registers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from deltarule.compile.llvm.loops import Axis, advance, nest
from deltarule.compile.llvm.text import Function, Value, constant


def transposed(f: Function, rows: Sequence[Value]) -> list[Value]:
    """As many vectors as each has lanes, with rows and lanes exchanged."""
    found, half, lanes = list(rows), 1, len(rows)
    while half < lanes:
        upper = [i if not i & half else lanes + i - half for i in range(lanes)]
        lower = [i + half if not i & half else lanes + i for i in range(lanes)]
        for i in range(lanes):
            if not i & half:
                a, b = found[i], found[i + half]
                found[i], found[i + half] = f.shuffle(a, upper, b), f.shuffle(a, lower, b)
        half *= 2
    return found


class Panel:
    """One panel of an operand.

    Parameters
    ----------
    function : Function
        Where instructions go.
    source, target : str
        Pointers to the operand and to the panel.
    dtype, lanes
        Of the numbers, and how many fill a vector.
    summed : sequence of Axis
        The axes of the sum, outermost first; the operand's stride is the second of each.
    stride : int
        The operand's stride from column to column.
    """

    def __init__(
        self,
        function: Function,
        source: str,
        target: str,
        dtype: np.dtype[np.generic],
        lanes: int,
        summed: Sequence[Axis],
        stride: int,
    ) -> None:
        self.function = function
        self.source, self.target = source, target
        self.dtype, self.lanes = dtype, lanes
        self.summed, self.stride = summed, stride

    def axes(self, width: int) -> list[Axis]:
        """The axes of the sum, with the panel's strides in the place of the operand's."""
        found, step = [], width
        for axis in reversed(self.summed):
            strides = (axis.strides[0], step, *axis.strides[2:])
            found.append(replace(axis, strides=strides))
            step *= axis.size
        return found[::-1]

    def nbytes(self, width: int) -> int:
        """Length of a panel."""
        depth = math.prod(axis.size for axis in self.summed)
        return depth * width * self.dtype.itemsize

    def fill(
        self,
        start: str,
        place: str,
        columns: int,
        width: int,
    ) -> None:
        """Copy ``columns`` columns from an offset of the operand on to a place in the panels."""
        pairs = zip(self.summed, self.axes(width), strict=True)
        walks = [Axis(own.size, (own.strides[1], new.strides[1])) for own, new in pairs]
        inner = walks[-1]
        if self.stride == 1:
            with nest(self.function, walks, [start, place]) as offsets:
                self.row(offsets, columns, width)
        elif inner.strides[0] == 1 and inner.size >= self.lanes:
            with nest(self.function, walks[:-1], [start, place]) as offsets:
                self.blocks(offsets, inner, columns, width)
        else:
            with nest(self.function, walks, [start, place]) as offsets:
                self.numbers(offsets, columns, width)

    def row(self, offsets: Sequence[str], columns: int, width: int) -> None:
        """Numbers that lie side by side."""
        f = self.function
        for first in range(0, width, self.lanes):
            count = min(self.lanes, columns - first)
            x = f.load(self.source, f.plus(offsets[0], str(first)), self.dtype, count)
            f.store(f.widen(x, self.lanes), self.target, f.plus(offsets[1], str(first)))

    def numbers(self, offsets: Sequence[str], columns: int, width: int) -> None:
        """Numbers apart from each other, one by one."""
        f = self.function
        if columns < width:
            last = f.plus(offsets[1], str(width - self.lanes))
            f.store(constant(0, self.dtype, self.lanes), self.target, last)
        with f.loop(columns) as loop:
            at = f.plus(offsets[0], f.scaled(loop.index, self.stride))
            f.store(
                f.load(self.source, at, self.dtype), self.target, f.plus(offsets[1], loop.index)
            )

    def blocks(
        self,
        offsets: Sequence[str],
        axis: Axis,
        columns: int,
        width: int,
    ) -> None:
        """Square blocks, read along the sum and transposed."""
        f = self.function
        tiles, rest = divmod(axis.size, self.lanes)
        for start, count, depth in ((0, tiles, self.lanes), (tiles * self.lanes, 1, rest)):
            if not (count and depth):
                continue
            with f.loop(count) as loop:
                index = f.plus(f.scaled(loop.index, self.lanes), str(start))
                at = advance(f, offsets, index, axis.strides)
                across = (self.lanes * self.stride, self.lanes)
                if columns >= self.lanes:
                    with f.loop(columns // self.lanes) as block:
                        self.block(advance(f, at, block.index, across), self.lanes, depth, width)
                if columns % self.lanes:
                    last = str(columns // self.lanes)
                    self.block(advance(f, at, last, across), columns % self.lanes, depth, width)

    def block(
        self,
        offsets: Sequence[str],
        count: int,
        depth: int,
        width: int,
    ) -> None:
        """``depth`` numbers along the sum of ``count`` columns."""
        f = self.function
        rows = [constant(0, self.dtype, self.lanes)] * self.lanes
        for i in range(count):
            at = f.plus(offsets[0], str(i * self.stride))
            rows[i] = f.widen(f.load(self.source, at, self.dtype, depth), self.lanes)
        for i, x in enumerate(transposed(f, rows)[:depth]):
            f.store(x, self.target, f.plus(offsets[1], str(i * width)))
