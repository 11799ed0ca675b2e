"""Gather and scatter: rows read from, or written to, checked places.

In: a GatherKernel or ScatterKernel. Out: its function, which returns 1 at an index out of range, after writing to ``%state``
which node it was, the index, and the size; nothing is read or written there.
"""

from __future__ import annotations

import math

from deltarule.compile.llvm.loops import Address, Pointers, along
from deltarule.compile.llvm.scalar import Term
from deltarule.compile.llvm.text import I64, Function, Value
from deltarule.compile.plan import GatherKernel, ScatterKernel, View


def write_gather(kernel: GatherKernel, vector_bytes: int) -> tuple[Function, list[Address]]:
    """out[i] = x[index[i]]."""
    pointers = Pointers()
    x, index, out = (pointers.name(view) for view in (kernel.x, kernel.index, kernel.out))
    f = Function([*pointers.parameters, "state"], "i32")
    length, lanes = _row(kernel.x, vector_bytes)
    with f.loop(kernel.index.size) as loop:
        at = f.load(index, loop.index, I64)
        f.inside(at, kernel.x.shape[0], kernel.code)
        source, target = f.scaled(at.text, kernel.x.strides[0]), f.scaled(loop.index, length)

        def move(place: str, count: int) -> None:
            value = f.load(x, f.plus(source, place), kernel.x.dtype, count)
            f.store(value, out, f.plus(target, place))

        if length:
            along(f, length, lanes, move)
    return f, pointers.addresses


def write_scatter(kernel: ScatterKernel, vector_bytes: int) -> tuple[Function, list[Address]]:
    """out[index[i]] = new[i], or +=, one after the other."""
    pointers = Pointers()
    index, new, out = (pointers.name(view) for view in (kernel.index, kernel.new, kernel.out))
    f = Function([*pointers.parameters, "state"], "i32")
    length, lanes = _row(kernel.out, vector_bytes)
    with f.loop(kernel.index.size) as loop:
        at = f.load(index, loop.index, I64)
        f.inside(at, kernel.out.shape[0], kernel.code)
        target, source = f.scaled(at.text, length), f.scaled(loop.index, length)

        def move(place: str, count: int) -> None:
            value = f.load(new, f.plus(source, place), kernel.new.dtype, count)
            if kernel.add:
                value = _sum(f, f.load(out, f.plus(target, place), kernel.out.dtype, count), value)
            f.store(value, out, f.plus(target, place))

        if length:
            along(f, length, lanes, move)
    return f, pointers.addresses


def _sum(f: Function, a: Value, b: Value) -> Value:
    return (Term(f, a) + Term(f, b)).value


def _row(view: View, vector_bytes: int) -> tuple[int, int]:
    """Elements of a row, and of a vector."""
    return math.prod(view.shape[1:]), max(1, vector_bytes // view.dtype.itemsize)
