"""Where each buffer lies: one arena, whose memory is used again when its last reader is done.

In: kernels in order, the sizes of their buffers, and which are outputs or constants. Out: the ``Plan``.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.compile.blocks import ALIGNMENT
from deltarule.compile.kernels import ContractKernel, Kernel, MapKernel
from deltarule.compile.plan import Buffer, Plan
from deltarule.compile.share import stages_of
from deltarule.compile.views import View
from deltarule.program import ArrayType, Graph

Sizes = Sequence[tuple[np.dtype[Any], int]]


def finish(
    graph: Graph,
    kernels: Sequence[Kernel],
    sizes: Sizes,
    outputs: dict[int, int],
    constants: dict[int, np.ndarray[Any, Any]],
) -> Plan:
    """The plan, with every buffer in its place."""
    order = list(constants)
    fixed = {i: ("input", i) for i in range(len(graph.inputs))}
    fixed |= {buffer: ("output", i) for buffer, i in outputs.items()}
    fixed |= {buffer: ("constant", order.index(buffer)) for buffer in order}
    lengths = {i: nbytes(*sizes[i]) for i in range(len(sizes)) if i not in fixed}
    places, arena = lay_out(kernels, lengths)
    buffers = []
    for i, (dtype, size) in enumerate(sizes):
        place, at = fixed.get(i) or ("arena", places[i])
        buffers.append(Buffer(place, at, dtype, size))
    pairs = in_place(kernels, graph, outputs)
    return Plan(
        graph.types,
        graph.result_types,
        tuple(buffers),
        tuple(kernels),
        arena,
        pairs,
        stages_of(kernels, buffers, pairs),
        tuple(constants.values()),
    )


def nbytes(dtype: np.dtype[Any], size: int) -> int:
    """Length of a buffer, rounded up."""
    return -(-size * dtype.itemsize // ALIGNMENT) * ALIGNMENT


def lay_out(kernels: Sequence[Kernel], lengths: dict[int, int]) -> tuple[dict[int, int], int]:
    """Offsets of the arena's buffers, and its size."""
    lives = lifetimes(kernels)
    starting: dict[int, list[int]] = defaultdict(list)
    ending: dict[int, list[int]] = defaultdict(list)
    for buffer, (first, last) in lives.items():
        if buffer in lengths:
            starting[first].append(buffer)
            ending[last].append(buffer)
    room = Room()
    places = dict.fromkeys(lengths, 0)
    for position, kernel in enumerate(kernels):
        dying = ending[position]
        for buffer in sorted(starting[position], key=lambda i: -lengths[i]):
            old = overwritten(kernel, buffer, dying, lengths)
            if old is None:
                places[buffer] = room.take(lengths[buffer])
            else:
                dying.remove(old)
                places[buffer] = places[old]
        for buffer in dying:
            room.give(places[buffer], lengths[buffer])
    return places, room.end


def lifetimes(kernels: Sequence[Kernel]) -> dict[int, tuple[int, int]]:
    """Positions of the first and last kernel that touch each buffer."""
    lives: dict[int, tuple[int, int]] = {}
    for position, kernel in enumerate(kernels):
        for view in (*kernel.reads, *kernel.writes):
            first, _ = lives.get(view.buffer, (position, position))
            lives[view.buffer] = (first, position)
    return lives


def overwritten(
    kernel: Kernel,
    new: int,
    dying: Sequence[int],
    lengths: dict[int, int],
) -> int | None:
    """A dying buffer that a Map reads only at the point where it writes ``new``."""
    for old in dying:
        if lengths[old] == lengths[new] and old != new and pointwise(kernel, old, new):
            return old
    return None


def pointwise(kernel: Kernel, old: int, new: int) -> bool:
    """Whether every read of ``old`` is of the element of ``new`` that is written then."""
    if not isinstance(kernel, (MapKernel, ContractKernel)):
        return False
    if isinstance(kernel, ContractKernel) and old in (kernel.a.buffer, kernel.b.buffer):
        return False
    stores = [view for view in kernel.writes if view.buffer == new]
    loads = [view for view in kernel.reads if view.buffer == old]
    if len(stores) != 1 or not loads or any(view.buffer == old for view in kernel.writes):
        return False
    walks = {walk(view) for view in (*stores, *loads)}
    return len(walks) == 1 and stores[0].offset == 0 and stores[0].contiguous


def walk(view: View) -> tuple[int, ...]:
    """What two views over one shape must share to touch the same bytes in the same order."""
    strides = (s for n, s in zip(view.shape, view.strides, strict=True) if n != 1)
    return (view.offset, view.dtype.itemsize, *strides)


def in_place(
    kernels: Sequence[Kernel], graph: Graph, outputs: dict[int, int]
) -> frozenset[tuple[int, int]]:
    """Inputs and outputs of one type where the output may be written over the input."""
    last_read: dict[int, int] = {}
    first_write: dict[int, int] = {}
    for position, kernel in enumerate(kernels):
        for view in kernel.reads:
            last_read[view.buffer] = position
        for view in kernel.writes:
            first_write.setdefault(view.buffer, position)
    pairs = []
    inputs: dict[ArrayType, list[int]] = defaultdict(list)
    for i, kind in enumerate(graph.types):
        inputs[kind].append(i)
    results = graph.result_types
    for buffer, output in outputs.items():
        written = first_write.get(buffer, len(kernels))
        for i in inputs[results[output]]:
            read = last_read.get(i, -1)
            safe = read < written
            if read == written:
                safe = pointwise(kernels[written], i, buffer)
            if safe:
                pairs.append((i, output))
    return frozenset(pairs)


class Room:
    """Free stretches of the arena, in order, joined where they touch."""

    def __init__(self) -> None:
        self.end = 0
        self.free: list[tuple[int, int]] = []  # offset, length

    def take(self, length: int) -> int:
        """The offset of the smallest stretch that is long enough; more memory where none is."""
        if length == 0:
            return 0
        fitting = [(size, offset) for offset, size in self.free if size >= length]
        if fitting:
            size, offset = min(fitting)
            self.free.remove((offset, size))
            if size > length:
                bisect.insort(self.free, (offset + length, size - length))
            return offset
        offset = self.end
        if self.free and sum(self.free[-1]) == self.end:
            offset, _ = self.free.pop()
        self.end = offset + length
        return offset

    def give(self, offset: int, length: int) -> None:
        """A stretch is free again."""
        if length == 0:
            return
        at = bisect.bisect(self.free, (offset, length))
        if at < len(self.free) and self.free[at][0] == offset + length:
            length += self.free.pop(at)[1]
        if at and sum(self.free[at - 1]) == offset:
            offset, before = self.free.pop(at - 1)
            length += before
        bisect.insort(self.free, (offset, length))
