"""Reductions: sum, mean, max, min and argmax over some axes of a walk.

In: a ReduceKernel. Out: its function. Along an axis that is kept, each lane of a vector is a result of
its own; along a reduced axis the lanes hold partial results, combined at the end half with half. The
order is fixed by the shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.compile.kernels import ReduceKernel
from deltarule.compile.llvm.loops import (
    Axis,
    Pointers,
    Walk,
    Written,
    advance,
    along,
    axes_of,
    lanes_of,
    nest,
    write,
)
from deltarule.compile.llvm.scalar import Term, choose, maximum, minimum
from deltarule.compile.llvm.text import I64, Function, Value, constant

Step = Callable[[Sequence[str], Value], Value]


def identity(op: str, dtype: np.dtype[Any]) -> Any:
    """What changes nothing when it is combined."""
    if op in ("sum", "mean"):
        return 0
    if dtype.kind == "f":
        return -math.inf if op == "max" else math.inf
    if dtype.kind == "b":
        return op == "min"
    limits = np.iinfo(dtype)
    return limits.min if op == "max" else limits.max


class Reduction:
    """The parts of a Reduce kernel that its loops share."""

    def __init__(
        self,
        kernel: ReduceKernel,
        vector_bytes: int,
        shared: bool,
    ) -> None:
        self.shared = shared
        self.op = kernel.op
        self.dtype = kernel.scalars[-1].dtype
        self.pointers = Pointers()
        self.function = Function([])
        self.walk = Walk(self.function, kernel.scalars, self.pointers)
        self.target = self.pointers.name(kernel.out)
        self.function.parameters = self.pointers.parameters
        strides = [view.strides for view in (*self.walk.views, kernel.out)]
        kept = [i for i in range(len(kernel.shape)) if i not in kernel.axes]
        self.kept = axes_of(kernel.shape, strides, kept)
        self.gone = axes_of(kernel.shape, strides, kernel.axes)
        self.still = Axis(1, (0,) * len(strides))
        self.lanes = lanes_of(kernel.scalars, vector_bytes)
        self.vector = self.vector_axis()

    def vector_axis(self) -> Axis | None:
        """The longest axis along which all reads lie side by side or repeat, if any."""
        if self.lanes == 1:
            return None
        candidates = self.kept if self.op == "argmax" else [*self.kept, *self.gone]
        fitting = []
        for axis in candidates:
            steps = axis.strides[:-1]
            if 1 in steps and all(step in (0, 1) for step in steps):
                fitting.append(axis)
        # of those that fill a vector, one along which results lie side by side
        return max(
            fitting,
            key=lambda axis: (min(axis.size, self.lanes), axis.strides[-1] == 1),
            default=None,
        )

    def write(self) -> Written:
        """The function, and the addresses it takes."""
        outer = [axis for axis in self.kept if axis is not self.vector]
        start = ["0"] * (len(self.walk.views) + 1)
        self.shared = self.shared and bool(self.kept)
        with nest(self.function, outer, start, self.shared) as offsets:
            self.shared = self.shared and not outer
            if self.vector is None or self.vector not in self.kept:
                self.within(offsets)
            else:
                self.across(offsets, self.vector)
        return self.function, self.pointers.addresses

    def across(self, offsets: Sequence[str], axis: Axis) -> None:
        """A vector of results at a time."""
        f = self.function
        lanes = min(self.lanes, axis.size)

        def body(index: str, count: int) -> None:
            self.results(advance(f, offsets, index, axis.strides), count, axis)

        along(f, axis.size, lanes, body, self.shared)

    def results(
        self,
        offsets: Sequence[str],
        lanes: int,
        axis: Axis,
    ) -> None:
        """Results side by side, each reduced by itself."""
        if self.op == "argmax":
            found = self.argmax(offsets, lanes, axis)
        else:
            found = self.over(
                self.gone,
                offsets,
                self.nothing(lanes),
                lambda at, total: self.combine(total, self.element(at, axis, lanes)),
            )
        self.store(found, offsets, axis.strides[-1])

    def within(self, offsets: Sequence[str]) -> None:
        """One result at a time, its elements shared among the lanes."""
        axis = self.vector or self.still
        lanes = min(self.lanes, axis.size)
        if self.op == "argmax":
            self.store(self.argmax(offsets, 1, self.still), offsets, 1)
            return
        others = [other for other in self.gone if other is not axis]

        def row(at: Sequence[str], total: Value) -> Value:
            return self.row(at, total, axis)

        total = self.over(others, offsets, self.nothing(lanes), row)
        self.store(self.fold(total), offsets, 1)

    def row(
        self,
        offsets: Sequence[str],
        total: Value,
        axis: Axis,
    ) -> Value:
        """All elements along the vector's axis."""
        f = self.function
        lanes = total.lanes
        blocks, rest = divmod(axis.size, lanes)
        with f.loop(blocks, [total]) as loop:
            at = advance(f, offsets, f.scaled(loop.index, lanes), axis.strides)
            loop.next = [self.combine(loop.carried[0], self.element(at, axis, lanes))]
        (total,) = loop.results
        if rest:
            at = advance(f, offsets, str(blocks * lanes), axis.strides)
            total = self.combine(total, self.widened(self.element(at, axis, rest), lanes))
        return total

    def over(
        self,
        axes: Sequence[Axis],
        offsets: Sequence[str],
        total: Value,
        step: Step,
    ) -> Value:
        """Loops over axes, each trip handing its partial result to the next."""
        if not axes:
            return step(offsets, total)
        f = self.function
        with f.loop(axes[0].size, [total]) as loop:
            at = advance(f, offsets, loop.index, axes[0].strides)
            loop.next = [self.over(axes[1:], at, loop.carried[0], step)]
        return loop.results[0]

    def element(
        self,
        offsets: Sequence[str],
        axis: Axis,
        lanes: int,
    ) -> Value:
        """What is reduced, at ``lanes`` points along an axis."""
        return self.walk.values(offsets[:-1], axis.strides[:-1], lanes, {})[-1]

    def combine(self, a: Value, b: Value) -> Value:
        """Two partial results as one."""
        x, y = Term(self.function, a), Term(self.function, b)
        if self.op in ("sum", "mean"):
            return (x + y).value
        return (maximum(x, y) if self.op == "max" else minimum(x, y)).value

    def nothing(self, lanes: int) -> Value:
        """The result over no elements, in each lane."""
        return constant(identity(self.op, self.dtype), self.dtype, lanes)

    def widened(self, x: Value, lanes: int) -> Value:
        """Lanes added that change nothing."""
        return self.function.widen(x, lanes, identity(self.op, self.dtype))

    def fold(self, x: Value) -> Value:
        """All lanes combined, half with half."""
        while x.lanes > 1:
            if x.lanes % 2:
                x = self.widened(x, x.lanes + 1)
            half = x.lanes // 2
            low = self.function.shuffle(x, list(range(half)))
            high = self.function.shuffle(x, list(range(half, x.lanes)))
            x = self.combine(low, high)
        return x

    def argmax(
        self,
        offsets: Sequence[str],
        lanes: int,
        axis: Axis,
    ) -> Value:
        """Index of the first largest; of the first NaN where there is one."""
        f = self.function
        gone = self.gone[0] if self.gone else self.still
        first = self.element(offsets, axis, lanes)
        with f.loop(gone.size, [first, constant(0, I64, lanes)]) as loop:
            at = advance(f, offsets, loop.index, gone.strides)
            best, place = (Term(f, x) for x in loop.carried)
            new = Term(f, self.element(at, axis, lanes))
            better = new > best
            if self.dtype.kind == "f":
                better = (better | (new != new)) & (best == best)
            here = Term(f, f.spread(Value(loop.index, I64), lanes))
            loop.next = [choose(better, new, best).value, choose(better, here, place).value]
        return loop.results[1]

    def store(
        self,
        x: Value,
        offsets: Sequence[str],
        step: int,
    ) -> None:
        """Write results; a mean is divided by the number of elements."""
        if self.op == "mean":
            count = math.prod(axis.size for axis in self.gone)
            x = (Term(self.function, x) / count).value
        write(self.function, x, self.target, offsets[-1], step)


def write_reduce(
    kernel: ReduceKernel,
    vector_bytes: int,
    shared: bool = False,
) -> Written:
    """The function of a Reduce kernel."""
    return Reduction(kernel, vector_bytes, shared).write()
