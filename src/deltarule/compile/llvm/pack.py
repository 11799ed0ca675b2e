"""Panels: the columns of a product's operand that a tile reads, copied side by side.

In: where the operand lies. Out: instructions that fill a panel, row after row of the sum, each ``width``
numbers long, zeros where the operand has no column. What lies along the sum in memory is transposed in
blocks of registers.
"""

from __future__ import annotations

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


def widened(f: Function, x: Value, lanes: int) -> Value:
    """Zeros added after the lanes of x."""
    assert x.dtype is not None
    if x.lanes == lanes:
        return x
    if x.lanes == 1:
        return f.insert(constant(0, x.dtype, lanes), x, 0)
    places = [min(i, x.lanes) for i in range(lanes)]
    return f.shuffle(x, places, constant(0, x.dtype, x.lanes))


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

    def fill(self, start: str, columns: int, width: int) -> None:
        """Copy ``columns`` columns from an offset of the operand on."""
        pairs = zip(self.summed, self.axes(width), strict=True)
        walks = [Axis(own.size, (own.strides[1], new.strides[1])) for own, new in pairs]
        inner = walks[-1]
        if self.stride != 1 and inner.strides[0] == 1 and inner.size >= self.lanes:
            with nest(self.function, walks[:-1], [start, "0"]) as offsets:
                self.blocks(offsets, inner, columns, width)
            return
        with nest(self.function, walks, [start, "0"]) as offsets:
            for first in range(0, width, self.lanes):
                count = min(self.lanes, columns - first)
                self.put(self.row(offsets[0], first, count), offsets[1], first)

    def row(self, offset: str, first: int, count: int) -> Value:
        """Numbers of the operand, from column to column."""
        f = self.function
        at = f.plus(offset, str(first * self.stride))
        if self.stride == 1:
            return f.load(self.source, at, self.dtype, count)
        x = constant(0, self.dtype, self.lanes)
        for i in range(count):
            x = f.insert(x, f.load(self.source, f.plus(at, str(i * self.stride)), self.dtype), i)
        return x

    def put(self, x: Value, offset: str, first: int) -> None:
        """Write a vector of the panel."""
        f = self.function
        f.store(widened(f, x, self.lanes), self.target, f.plus(offset, str(first)))

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
                for first in range(0, width, self.lanes):
                    self.block(at, first, min(self.lanes, columns - first), depth, width)

    def block(
        self,
        offsets: Sequence[str],
        first: int,
        count: int,
        depth: int,
        width: int,
    ) -> None:
        """``depth`` numbers along the sum of ``count`` columns."""
        f = self.function
        rows = [constant(0, self.dtype, self.lanes)] * self.lanes
        for i in range(count):
            at = f.plus(offsets[0], str((first + i) * self.stride))
            rows[i] = widened(f, f.load(self.source, at, self.dtype, depth), self.lanes)
        for i, x in enumerate(transposed(f, rows)[:depth]):
            f.store(x, self.target, f.plus(offsets[1], str(i * width + first)))
