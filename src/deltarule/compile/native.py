"""Machine code of a plan, called from Python.

In: a ``Plan``. Out: ``Native``, which takes arrays of the right types and gives results in new ones.
"""

from __future__ import annotations

import ctypes
import struct
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.compile.kernels import OpaqueKernel
from deltarule.compile.llvm.calls import CALLBACK as CALLBACK_PLACE
from deltarule.compile.llvm.clock import TIMES
from deltarule.compile.llvm.module import ALIGNMENT, Module
from deltarule.compile.llvm.team import CONTROL, SCRATCH
from deltarule.compile.plan import Plan
from deltarule.compile.share import seconds
from deltarule.compile.threads import TEAM, thread_count
from deltarule.program import Node

PAGE = 4096
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
        arena: int,
        module: Module,
        threads: int,
        callback: int,
    ) -> None:
        self.arena = aligned(arena)
        self.control = aligned(CONTROL).view(np.int64)
        self.control[:] = 0
        self.control[CALLBACK_PLACE] = callback
        length = -(-(SCRATCH + module.scratch) // PAGE) * PAGE
        self.members = aligned(threads * length).view(np.int64).reshape(threads, -1)
        self.members[:, :2] = 0, 1
        self.times = np.zeros((threads, max(1, len(module.clocked)), 2), np.int64)
        self.members[:, TIMES // 8] = [row.ctypes.data for row in self.times]
        self.own = [self.members.ctypes.data + i * length for i in range(threads)]


def aligned(nbytes: int) -> np.ndarray[Any, Any]:
    """Memory that starts at a multiple of the alignment."""
    memory = np.empty(nbytes + ALIGNMENT, np.int8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + nbytes]


class Native:
    """Machine code of one plan. Calls from several threads at once are right: each has its workspace.

    Parameters
    ----------
    plan : Plan
        What it runs.
    codes : sequence of Node
        The nodes that the code names by number, from 1.
    processor : Processor, optional
        What it is made for; this machine by default.
    profile : bool
        Whether the time of each kernel is taken.
    """

    def __init__(
        self,
        plan: Plan,
        codes: Sequence[Node],
        processor: Any = None,
        profile: bool = False,
    ) -> None:
        from deltarule.compile.llvm.load import load, this_processor
        from deltarule.compile.llvm.module import ENTRY, write

        self.plan = plan
        self.codes = codes
        self.processor = processor or this_processor()
        self.module = write(plan, self.processor, profile)
        library = load(self.module.text, (ENTRY,), self.module.imports, self.processor)
        self.code = library.function(ENTRY, ctypes.c_int32, ctypes.c_char_p, ctypes.c_void_p)
        self.most = most_threads(plan)
        self.opaque = {kernel.code: kernel for kernel in plan.opaque}
        self.callback = CALLBACK(self.call_numpy) if self.opaque else None
        self.results = [(t.shape, t.dtype) for t in plan.outputs]
        self.pack = struct.Struct(f"{len(plan.inputs) + len(plan.outputs) + 2}N").pack
        self.free: list[Space] = []
        self.thread = threading.local()

    def __call__(self, arrays: Sequence[Any], donated: frozenset[int]) -> list[Any]:
        """The results; arrays at the places ``donated`` may be overwritten and returned."""
        results = [np.empty(shape, dtype) for shape, dtype in self.results]
        if donated:
            self.give_over(arrays, donated, results)
        space = self.free.pop() if self.free else self.workspace()
        table = self.pack(*map(id, arrays), *map(id, results), id(space.arena), id(space.control))
        if self.most == 1:
            failed = self.code(table, space.own[0])
        else:
            failed = self.run_together(table, space)
        if failed:
            self.fail(space.control)
        self.free.append(space)
        return results

    def run_together(self, table: bytes, space: Space) -> int:
        """Run the program with as many threads as are free."""
        with TEAM.join(self.most) as helpers:
            members = 1 + len(helpers)
            for number in range(members):
                space.members[number, :2] = number, members
            for number, helper in enumerate(helpers, 1):
                helper.start(self.code, table, space.own[number], space)
            return int(self.code(table, space.own[0]))

    def give_over(
        self,
        arrays: Sequence[Any],
        donated: frozenset[int],
        results: list[Any],
    ) -> None:
        """Put results into arrays that were given away, where that is safe."""
        for i, j in sorted(self.plan.in_place):
            array = arrays[i]
            shared = sum(array is x for x in arrays) > 1 or any(array is y for y in results)
            if i in donated and not shared and array.flags.writeable:
                results[j] = array

    def workspace(self) -> Space:
        """Memory for one call."""
        callback = 0
        if self.callback is not None:
            callback = ctypes.cast(self.callback, ctypes.c_void_p).value or 0
        return Space(self.plan.arena, self.module, self.most, callback)

    def fail(self, state: Any) -> None:
        """Raise what went wrong."""
        error = getattr(self.thread, "error", None)
        if error is not None:
            self.thread.error = None
            raise error
        code, wrong, size = (int(n) for n in state[:3])
        node = self.codes[code - 1]
        place = str(node.origin or "")
        where = node.primitive.name + (f" at {place}" if place else "")
        raise IndexError(f"index {wrong} is out of bounds for an axis of size {size}, in {where}")

    def call_numpy(self, code: int, addresses: int) -> int:
        """NumPy's evaluation of one node, on the arrays at the addresses."""
        try:
            evaluate(self.opaque[code], addresses)
        except BaseException as error:  # raised again when the machine code has returned
            self.thread.error = error
            return 1
        return 0

    def assembly(self) -> str:
        """The machine code as text."""
        from deltarule.compile.llvm.load import assembly

        return assembly(self.module.text, self.processor)


def most_threads(plan: Plan) -> int:
    """How many threads a plan can use."""
    if not plan.shared or sum(map(seconds, plan.kernels)) < LEAST:
        return 1
    return thread_count()


def evaluate(kernel: OpaqueKernel, addresses: int) -> None:
    """NumPy's evaluation of a node, written to the kernel's results."""
    views = (*kernel.args, *kernel.outs)
    places = (ctypes.c_void_p * len(views)).from_address(addresses)
    arrays = [array_at(p or 0, v.shape, v.dtype) for p, v in zip(places, views, strict=True)]
    args, outs = arrays[: len(kernel.args)], arrays[len(kernel.args) :]
    (node,) = kernel.nodes
    with np.errstate(all="ignore"):
        found = node.primitive.evaluate(*args, **node.attrs)
    several = found if isinstance(node.type, tuple) else (found,)
    for out, value in zip(outs, several, strict=True):
        out[...] = value


def array_at(address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """The array that lies at an address."""
    nbytes = int(np.prod(shape)) * dtype.itemsize
    if nbytes == 0:
        return np.empty(shape, dtype)
    memory: Any = (ctypes.c_char * nbytes).from_address(address)
    return np.frombuffer(memory, dtype).reshape(shape)
