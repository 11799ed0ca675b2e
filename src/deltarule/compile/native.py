"""Machine code, called from Python.

In: a ``Binary``. Out: ``Native``, which takes arrays of the right types and gives results in new ones.
"""

from __future__ import annotations

import ctypes
import struct
import threading
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from deltarule.compile import blocks
from deltarule.compile.binary import Binary, Callback, equations
from deltarule.compile.blocks import (
    ALIGNMENT,
    CONTROL,
    FASTEST,
    LAST,
    SCRATCH,
    TIMES,
    TRIPS,
    WISH,
)
from deltarule.compile.form import ONCE, Form
from deltarule.compile.threads import TEAM, shares, thread_count, together
from deltarule.program import ArrayType, Graph, interpret

PAGE = 4096
MOST_PAUSES = 16  # calls
LEAST = 3e-4  # seconds of work of one thread that are worth waking another
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p)


class Space:
    """Memory for one call: workspace, control block, and a block of its own for each thread.

    Attributes
    ----------
    arena, control : array of int8, int64
        The control block holds the code of a failed node, an index, a size, and the callback's address;
        the rest is where threads meet.
    members : array of int64 (threads, numbers)
        Own blocks: number of the thread, number of threads, then its scratch memory.
    own : list of int
        Addresses of these.
    times : array of int64 (threads, kernels, 2)
        Nanoseconds and calls of each kernel whose time is taken.
    """

    def __init__(
        self,
        binary: Binary,
        threads: int,
        callback: int,
        rows: int,
    ) -> None:
        self.arena = aligned(binary.arena)
        self.control = aligned(CONTROL).view(np.int64)
        self.control[:] = 0
        self.control[blocks.CALLBACK // 8] = callback
        length = -(-(SCRATCH + binary.scratch) // PAGE) * PAGE
        self.members = aligned(threads * length).view(np.int64).reshape(threads, -1)
        self.members[:, : SCRATCH // 8] = 0
        self.members[:, FASTEST // 8] = -1  # more than any
        self.gather(1)
        self.times = np.zeros((threads, max(1, rows), 2), np.int64)
        self.members[:, TIMES // 8] = [row.ctypes.data for row in self.times]
        self.own = [self.members.ctypes.data + i * length for i in range(threads)]

    def gather(self, members: int) -> None:
        """Number the threads of the next call."""
        for number in range(members):
            self.members[number, :2] = number, members
        self.members[0, LAST // 8] = 0
        self.control[WISH // 8] = 0


def aligned(nbytes: int) -> np.ndarray[Any, Any]:
    """Memory that starts at a multiple of the alignment."""
    memory = np.empty(nbytes + ALIGNMENT, np.int8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + nbytes]


class Native:
    """Machine code, ready to run. Calls from several threads at once are right: each has its workspace.

    Parameters
    ----------
    binary : Binary
        The code.
    graph : Graph
        What it computes; errors name its nodes.
    form : Form
        Whether it is run once or for each row.
    library : Library, optional
        The code, where it is loaded already.
    rows : int
        How many kernels' time the code takes.
    """

    def __init__(
        self,
        binary: Binary,
        graph: Graph,
        form: Form = ONCE,
        library: Any = None,
        rows: int = 0,
    ) -> None:
        from deltarule.compile.llvm.load import ENTRY, load

        self.binary = binary
        self.graph = graph
        self.form = form
        self.rows = rows
        library = library or load(binary.code, (ENTRY,), binary.imports)
        self.code = library.function(ENTRY, ctypes.c_int32, ctypes.c_char_p, ctypes.c_void_p)
        self.most = thread_count() if binary.shared else 1
        self.callback = CALLBACK(self.call_numpy) if binary.opaque else None
        self.results = form.found(graph.result_types, 1)
        self.pack = struct.Struct(f"{len(graph.inputs) + len(graph.outputs) + 2}N").pack
        self.free: list[Space] = []
        self.pause = 0  # calls that will start alone
        self.patience = 1  # and how many after the next parting
        self.thread = threading.local()

    def __call__(self, arrays: Sequence[Any], donated: frozenset[int]) -> list[Any]:
        """The results; arrays at the places ``donated`` may be overwritten and returned."""
        steps, kinds = 1, self.results
        if self.form.rows:
            steps = self.form.steps(arrays)
            kinds = self.form.found(self.graph.result_types, steps)
        results = [np.empty(shape, dtype) for shape, dtype in kinds]
        if donated:
            self.give_over(arrays, donated, results)
        try:
            space = self.free.pop()
        except IndexError:
            space = self.workspace()
        space.control[TRIPS // 8] = steps
        table = self.pack(*map(id, arrays), *map(id, results), id(space.arena), id(space.control))
        if self.most == 1 or steps * self.binary.seconds < LEAST:
            failed = self.run_alone(table, space)
        else:
            failed = self.run_together(table, space)
        if failed:
            self.fail(space.control)
        self.free.append(space)
        return results

    def run_alone(self, table: bytes, space: Space) -> int:
        """Run the program with the caller's thread only."""
        if self.most > 1:
            space.gather(1)  # the last call with this space may have had workers
        return int(self.code(table, space.own[0]))

    def run_together(self, table: bytes, space: Space) -> int:
        """Run the program with as many threads as are free.

        After a call that other programs disturbed so that the first thread went on alone, the next ones
        start alone, each time twice as many, up to a limit.
        """
        if self.pause:
            self.pause -= 1
            return self.run_alone(table, space)
        with TEAM.join(self.most) as workers:
            members = 1 + len(workers)
            space.gather(members)
            pairs = zip(workers, shares(len(workers)), strict=True)
            for number, (worker, cores) in enumerate(pairs, 1):
                worker.prepare(self.code, table, space.own[number], space, cores)
            failed = int(together(workers, partial(self.code, table, space.own[0])))
        parted = members > 1 and space.members[0, 1] == 1
        self.patience = min(2 * self.patience, MOST_PAUSES) if parted else 1
        self.pause = self.patience if parted else 0
        return failed

    def give_over(
        self,
        arrays: Sequence[Any],
        donated: frozenset[int],
        results: list[Any],
    ) -> None:
        """Put results into arrays that were given away, where that is safe."""
        for i, j in sorted(self.binary.in_place):
            array = arrays[i]
            shared = sum(array is x for x in arrays) > 1 or any(array is y for y in results)
            if i in donated and not shared and array.flags.writeable:
                results[j] = array

    def workspace(self) -> Space:
        """Memory for one call."""
        callback = 0
        if self.callback is not None:
            callback = ctypes.cast(self.callback, ctypes.c_void_p).value or 0
        return Space(self.binary, self.most, callback, self.rows)

    def fail(self, state: Any) -> None:
        """Raise what went wrong."""
        error = getattr(self.thread, "error", None)
        if error is not None:
            self.thread.error = None
            raise error
        code, wrong, size = (int(n) for n in state[:3])
        site = self.binary.sites[code - 1]
        found = islice(equations(self.graph), site.equation, None) if site.equation >= 0 else ()
        place = next((str(node.origin or "") for node in found), "")
        where = site.operation + (f" at {place}" if place else "")
        raise IndexError(f"index {wrong} is out of bounds for an axis of size {size}, in {where}")

    def call_numpy(self, code: int, addresses: int) -> int:
        """NumPy's evaluation of one node, on the arrays at the addresses."""
        try:
            evaluate(self.binary.opaque[code], addresses)
        except BaseException as error:  # raised again when the machine code has returned
            self.thread.error = error
            return 1
        return 0


def evaluate(call: Callback, addresses: int) -> None:
    """NumPy's evaluation of a graph on the arrays at the addresses: arguments, then results."""
    graph = call.graph
    types = (*graph.types, *graph.result_types)
    places = (ctypes.c_void_p * len(types)).from_address(addresses)
    rows = zip(places, types, call.strides, strict=True)
    arrays = [array_at(place or 0, kind, strides) for place, kind, strides in rows]
    args, outs = arrays[: len(graph.inputs)], arrays[len(graph.inputs) :]
    with np.errstate(all="ignore"):
        found = interpret(graph, *args)
    for out, value in zip(outs, found, strict=True):
        out[...] = value


def array_at(address: int, kind: ArrayType, strides: tuple[int, ...]) -> Any:
    """The array whose first element lies at an address."""
    if kind.size == 0:
        return np.empty(kind.shape, kind.dtype)
    reach = [step * (n - 1) for n, step in zip(kind.shape, strides, strict=True)]
    before = -sum(step for step in reach if step < 0)
    nbytes = sum(map(abs, reach)) + kind.dtype.itemsize
    memory: Any = (ctypes.c_char * nbytes).from_address(address - before)
    return np.ndarray(kind.shape, kind.dtype, memory, before, strides)
