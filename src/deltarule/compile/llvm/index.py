"""Gather and scatter: rows read from, or written to, places that are checked.

In: a GatherKernel or ScatterKernel. Out: its function, which returns 1 at an index out of range, after
writing to ``%state`` which node it was, the index and the size; nothing is read or written there.
"""

from __future__ import annotations

import math

from deltarule.compile.kernels import GatherKernel, ScatterKernel
from deltarule.compile.llvm.loops import Pointers, Written, along
from deltarule.compile.llvm.scalar import Term
from deltarule.compile.llvm.text import I64, Function
from deltarule.compile.views import View


def write_gather(
    kernel: GatherKernel,
    vector_bytes: int,
    shared: bool = False,
) -> Written:
    """out[i] = x[index[i]]."""
    pointers = Pointers()
    views = (kernel.x, kernel.index, kernel.out)
    x, index, out = (pointers.name(view) for view in views)
    f = Function([*pointers.parameters, "state"], "i32")
    length, dtype = row_length(kernel.x), kernel.x.dtype
    f.units = kernel.index.size if shared else 0
    with f.part(shared, 0, kernel.index.size) as row:
        place = f.load(index, row, I64)
        f.inside(place, kernel.x.shape[0])
        source = f.scaled(place.text, kernel.x.strides[0])
        target = f.scaled(row, length)

        def move(at: str, count: int) -> None:
            value = f.load(x, f.plus(source, at), dtype, count)
            f.store(value, out, f.plus(target, at))

        along(f, length, lanes_of(kernel.x, vector_bytes), move)
    return f, pointers.addresses


def write_scatter(kernel: ScatterKernel, vector_bytes: int) -> Written:
    """out[index[i]] = new[i], or +=, one after the other."""
    pointers = Pointers()
    views = (kernel.index, kernel.new, kernel.out)
    index, new, out = (pointers.name(view) for view in views)
    f = Function([*pointers.parameters, "state"], "i32")
    length, dtype = row_length(kernel.out), kernel.out.dtype
    with f.loop(kernel.index.size) as loop:
        place = f.load(index, loop.index, I64)
        f.inside(place, kernel.out.shape[0])
        target = f.scaled(place.text, length)
        source = f.scaled(loop.index, length)

        def move(at: str, count: int) -> None:
            value = f.load(new, f.plus(source, at), dtype, count)
            if kernel.add:
                old = f.load(out, f.plus(target, at), dtype, count)
                value = (Term(f, old) + Term(f, value)).value
            f.store(value, out, f.plus(target, at))

        along(f, length, lanes_of(kernel.out, vector_bytes), move)
    return f, pointers.addresses


def row_length(view: View) -> int:
    """Elements of a row."""
    return math.prod(view.shape[1:])


def lanes_of(view: View, vector_bytes: int) -> int:
    """Elements of a vector."""
    return max(1, vector_bytes // view.dtype.itemsize)
