"""Reductions: sum, mean, max, min, argmax over some axes of a walk.

In: a ReduceKernel. Out: its function. Along an axis that is kept, each lane of a vector reduces by itself; along a reduced axis
the lanes hold partial results that are combined at the end, in halves. The order is fixed by the shapes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.compile.llvm.loops import Address, Axis, Pointers, Walk, advance, lanes_of, nest, part, write
from deltarule.compile.llvm.scalar import Term, choose, maximum, minimum
from deltarule.compile.llvm.text import I64, Function, Value, constant
from deltarule.compile.plan import ReduceKernel


def identity(op: str, dtype: np.dtype[Any]) -> Any:
    """What changes nothing."""
    if op in ("sum", "mean"):
        return 0
    if dtype.kind == "f":
        return -math.inf if op == "max" else math.inf
    if dtype.kind == "b":
        return op == "min"
    limits = np.iinfo(dtype)
    return limits.min if op == "max" else limits.max


def combine(op: str, f: Function, a: Value, b: Value) -> Value:
    """Two partial results as one."""
    x, y = Term(f, a), Term(f, b)
    if op in ("sum", "mean"):
        return (x + y).value
    return (maximum(x, y) if op == "max" else minimum(x, y)).value


class Reduction:
    """The parts of a Reduce kernel that its loops share."""

    def __init__(self, kernel: ReduceKernel, vector_bytes: int) -> None:
        self.kernel = kernel
        self.pointers = Pointers()
        self.function = f = Function([])
        self.walk = Walk(f, kernel.scalars, self.pointers)
        self.target = self.pointers.name(kernel.out)
        f.parameters = self.pointers.parameters
        strides = [v.strides for v in (*self.walk.views, kernel.out)]
        axes = range(len(kernel.shape))
        self.kept = part(kernel.shape, strides, [i for i in axes if i not in kernel.axes])
        self.gone = part(kernel.shape, strides, kernel.axes)
        self.lanes = lanes_of(kernel.scalars, vector_bytes)
        self.dtype = self._dtype()
        self.vector = self._vector_axis()

    def _dtype(self) -> np.dtype[Any]:
        last = self.kernel.scalars[-1]
        return last.view.dtype if hasattr(last, "view") else last.dtype

    def _vector_axis(self) -> Axis | None:
        """The axis along which all reads lie side by side or repeat, the longest such."""
        loads = len(self.walk.views)
        if self.lanes == 1:
            return None
        fits = [a for a in (*self.kept, *self.gone) if all(s in (0, 1) for s in a.strides[:loads]) and 1 in a.strides[:loads]]
        if self.kernel.op == "argmax":
            fits = [a for a in fits if a in self.kept]
        return max(fits, key=lambda a: (min(a.size, self.lanes), a.strides[-1] == 1), default=None)

    def write(self) -> tuple[Function, list[Address]]:
        """The function, and the addresses it takes."""
        outer = [a for a in self.kept if a is not self.vector]
        with nest(self.function, outer, ["0"] * (len(self.walk.views) + 1)) as offsets:
            if self.vector is not None and self.vector in self.kept:
                self.across(offsets, self.vector)
            elif self.kernel.op == "argmax":
                self.store(self.accumulate(offsets, 1, Axis(1, (0,) * len(offsets))), offsets, 1)
            else:
                self.within(offsets)
        return self.function, self.pointers.addresses

    def across(self, offsets: Sequence[str], axis: Axis) -> None:
        """A vector of results at a time."""
        f = self.function
        lanes = min(self.lanes, axis.size)
        blocks, rest = divmod(axis.size, lanes)
        with f.loop(blocks) as loop:
            at = advance(f, offsets, f.scaled(loop.index, lanes), axis.strides)
            self.store(self.accumulate(at, lanes, axis), at, axis.strides[-1])
        if rest:
            at = advance(f, offsets, str(blocks * lanes), axis.strides)
            self.store(self.accumulate(at, rest, axis), at, axis.strides[-1])

    def accumulate(self, offsets: Sequence[str], lanes: int, axis: Axis) -> Value:
        """The reduction of ``lanes`` results over all reduced axes."""
        if self.kernel.op == "argmax":
            return self._argmax(offsets, lanes, axis)
        start = constant(identity(self.kernel.op, self.dtype), self.dtype, lanes)
        return self._over(self.gone, offsets, start, lanes, axis)

    def _over(self, axes: Sequence[Axis], offsets: Sequence[str], start: Value, lanes: int, axis: Axis) -> Value:
        """Loops over ``axes``, each handing on the partial result."""
        f = self.function
        loads = len(self.walk.views)
        if not axes:
            steps = axis.strides[:loads]
            new = self.walk.values(offsets[:loads], steps, lanes, {})[-1]
            return combine(self.kernel.op, f, start, new)
        with f.loop(axes[0].size, [start]) as loop:
            at = advance(f, offsets, loop.index, axes[0].strides)
            loop.next = [self._over(axes[1:], at, loop.carried[0], lanes, axis)]
        return loop.results[0]

    def within(self, offsets: Sequence[str]) -> None:
        """One result at a time; the lanes share its elements."""
        f = self.function
        axis = self.vector or Axis(1, (0,) * len(offsets))
        lanes = min(self.lanes, axis.size)
        others = [a for a in self.gone if a is not axis]
        start = constant(identity(self.kernel.op, self.dtype), self.dtype, lanes)
        total = self._rows(others, offsets, start, axis)
        self.store(self._fold(total), offsets, 1)

    def _rows(self, axes: Sequence[Axis], offsets: Sequence[str], start: Value, axis: Axis) -> Value:
        f = self.function
        if axes:
            with f.loop(axes[0].size, [start]) as loop:
                at = advance(f, offsets, loop.index, axes[0].strides)
                loop.next = [self._rows(axes[1:], at, loop.carried[0], axis)]
            return loop.results[0]
        blocks, rest = divmod(axis.size, start.lanes)
        with f.loop(blocks, [start]) as loop:
            at = advance(f, offsets, f.scaled(loop.index, start.lanes), axis.strides)
            loop.next = [self._over([], at, loop.carried[0], start.lanes, axis)]
        total = loop.results[0]
        if rest:
            at = advance(f, offsets, str(blocks * start.lanes), axis.strides)
            loads = len(self.walk.views)
            last = self.walk.values(at[:loads], axis.strides[:loads], rest, {})[-1]
            total = combine(self.kernel.op, f, total, self._widen(last, start.lanes))
        return total

    def _widen(self, x: Value, lanes: int) -> Value:
        """Lanes added that change nothing."""
        nothing = constant(identity(self.kernel.op, self.dtype), self.dtype, x.lanes)
        if x.lanes == 1:
            wide = constant(identity(self.kernel.op, self.dtype), self.dtype, lanes)
            text = self.function.pure(f"insertelement {wide}, {x}, i64 0")
            return Value(text, x.dtype, lanes)
        places = [i if i < x.lanes else x.lanes for i in range(lanes)]
        return self.function.shuffle(x, places, nothing)

    def _fold(self, x: Value) -> Value:
        """All lanes combined, half with half."""
        f = self.function
        while x.lanes > 1:
            half = (x.lanes + 1) // 2
            if x.lanes % 2:
                x = self._widen(x, x.lanes + 1)
            high = f.shuffle(x, list(range(half, 2 * half)))
            x = combine(self.kernel.op, f, f.shuffle(x, list(range(half))), high)
        return x

    def _argmax(self, offsets: Sequence[str], lanes: int, axis: Axis) -> Value:
        """Index of the first largest; of the first NaN where there is one."""
        f = self.function
        loads = len(self.walk.views)
        (gone,) = self.gone or [Axis(1, (0,) * len(offsets))]
        steps = axis.strides[:loads]
        first = self.walk.values(offsets[:loads], steps, lanes, {})[-1]
        with f.loop(gone.size, [first, constant(0, I64, lanes)]) as loop:
            at = advance(f, offsets, loop.index, gone.strides)
            best, place = Term(f, loop.carried[0]), Term(f, loop.carried[1])
            new = Term(f, self.walk.values(at[:loads], steps, lanes, {})[-1])
            better = new > best
            if self.dtype.kind == "f":
                better = (better | (new != new)) & (best == best)
            here = Term(f, f.spread(Value(loop.index, I64), lanes))
            loop.next = [choose(better, new, best).value, choose(better, here, place).value]
        return loop.results[1]

    def store(self, x: Value, offsets: Sequence[str], step: int) -> None:
        """Write results; a mean is divided by the number of elements."""
        f = self.function
        if self.kernel.op == "mean":
            count = math.prod(a.size for a in self.gone)
            x = (Term(f, x) / count).value
        write(f, x, self.target, offsets[-1], step)


def write_reduce(kernel: ReduceKernel, vector_bytes: int) -> tuple[Function, list[Address]]:
    """The function of a Reduce kernel."""
    return Reduction(kernel, vector_bytes).write()

