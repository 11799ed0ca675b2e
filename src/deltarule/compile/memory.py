"""Where each buffer lies: one arena, in which memory is used again as soon as its last reader is done.

In: kernels in order, the sizes of their buffers, and which buffers are outputs or constants. Out: the ``Plan``.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.compile.plan import Buffer, Kernel, MapKernel, Plan, View
from deltarule.program import Graph

ALIGNMENT = 64


def finish(
    graph: Graph,
    kernels: Sequence[Kernel],
    sizes: Sequence[tuple[np.dtype[Any], int]],
    outputs: dict[int, int],
    constants: dict[int, np.ndarray[Any, Any]],
) -> Plan:
    """The plan, with every buffer in its place."""
    inputs = len(graph.inputs)
    inside = {i for i in range(inputs, len(sizes)) if i not in outputs and i not in constants}
    places, arena = _lay_out(kernels, sizes, inside)
    buffers = []
    for i, (dtype, size) in enumerate(sizes):
        if i < inputs:
            buffers.append(Buffer("input", i, dtype, size))
        elif i in outputs:
            buffers.append(Buffer("output", outputs[i], dtype, size))
        elif i in constants:
            buffers.append(Buffer("constant", list(constants).index(i), dtype, size))
        else:
            buffers.append(Buffer("arena", places[i], dtype, size))
    pairs = _in_place(kernels, graph, outputs)
    return Plan(graph.types, graph.result_types, tuple(buffers), tuple(kernels), arena, pairs, tuple(constants.values()))


def _lay_out(
    kernels: Sequence[Kernel], sizes: Sequence[tuple[np.dtype[Any], int]], inside: set[int]
) -> tuple[dict[int, int], int]:
    """Offsets of the arena's buffers, and its size."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for position, kernel in enumerate(kernels):
        for view in (*kernel.reads, *kernel.writes):
            if view.buffer in inside:
                first.setdefault(view.buffer, position)
                last[view.buffer] = position
    ending: dict[int, list[int]] = {}
    starting: dict[int, list[int]] = {}
    for buffer, position in first.items():
        starting.setdefault(position, []).append(buffer)
        ending.setdefault(last[buffer], []).append(buffer)
    lengths = {i: _rounded(sizes[i][0].itemsize * sizes[i][1]) for i in inside}
    room = Room()
    places = dict.fromkeys(inside, 0)
    for position, kernel in enumerate(kernels):
        dying = ending.get(position, [])
        for buffer in sorted(starting.get(position, []), key=lambda i: -lengths[i]):
            heir = _overwrites(kernel, buffer, dying, lengths)
            if heir is not None:
                dying.remove(heir)
                places[buffer] = places[heir]
            else:
                places[buffer] = room.take(lengths[buffer])
        for buffer in dying:
            room.give(places[buffer], lengths[buffer])
    return places, room.end


def _rounded(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def _overwrites(kernel: Kernel, new: int, dying: Sequence[int], lengths: dict[int, int]) -> int | None:
    """A dying buffer that a Map reads only at the point where it writes ``new``."""
    if not isinstance(kernel, MapKernel):
        return None
    for old in dying:
        if lengths[old] == lengths[new] and old != new and _pointwise(kernel, old, new):
            return old
    return None


def _pointwise(kernel: MapKernel, old: int, new: int) -> bool:
    """Whether every read of ``old`` is at the element of ``new`` that is written then."""
    stores = [view for _, view in kernel.stores if view.buffer == new]
    loads = [view for view in kernel.reads if view.buffer == old]
    if len(stores) != 1 or any(view.buffer == old for view in kernel.writes) or not loads:
        return False
    (store,) = stores
    same = all((v.offset, _walk(v), v.dtype.itemsize) == (0, _walk(store), store.dtype.itemsize) for v in loads)
    return same and store.offset == 0 and store.contiguous


def _walk(view: View) -> list[tuple[int, int]]:
    return [(n, s) for n, s in zip(view.shape, view.strides, strict=True) if n != 1]


def _in_place(kernels: Sequence[Kernel], graph: Graph, outputs: dict[int, int]) -> frozenset[tuple[int, int]]:
    """Inputs and outputs of one type where the output may be written over the input."""
    last_read: dict[int, int] = {}
    first_write: dict[int, int] = {}
    for position, kernel in enumerate(kernels):
        for view in kernel.reads:
            last_read[view.buffer] = position
        for view in kernel.writes:
            first_write.setdefault(view.buffer, position)
    pairs = []
    for buffer, output in outputs.items():
        written = first_write.get(buffer, len(kernels))
        for i, kind in enumerate(graph.types):
            if kind != graph.result_types[output]:
                continue
            read = last_read.get(i, -1)
            kernel = kernels[written] if written < len(kernels) else None
            if read < written or (read == written and isinstance(kernel, MapKernel) and _pointwise(kernel, i, buffer)):
                pairs.append((i, output))
    return frozenset(pairs)


class Room:
    """Free stretches of the arena, kept in order and joined where they touch."""

    def __init__(self) -> None:
        self.end = 0
        self._free: list[tuple[int, int]] = []  # offset, length

    def take(self, length: int) -> int:
        """The offset of the smallest stretch that is long enough."""
        fits = [(size, offset) for offset, size in self._free if size >= length]
        if not length:
            return 0
        if fits:
            size, offset = min(fits)
            self._free.remove((offset, size))
            if size > length:
                bisect.insort(self._free, (offset + length, size - length))
            return offset
        offset = self.end
        if self._free and sum(self._free[-1]) == self.end:
            offset = self._free.pop()[0]
        self.end = offset + length
        return offset

    def give(self, offset: int, length: int) -> None:
        """Free a stretch."""
        if not length:
            return
        at = bisect.bisect(self._free, (offset, length))
        if at < len(self._free) and self._free[at][0] == offset + length:
            length += self._free.pop(at)[1]
        if at and sum(self._free[at - 1]) == offset:
            before = self._free.pop(at - 1)
            offset, length = before[0], before[1] + length
        bisect.insort(self._free, (offset, length))

