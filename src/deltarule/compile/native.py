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
from deltarule.compile.plan import Plan
from deltarule.program import Node

ALIGNMENT = 64
STATE = 4  # numbers: code of a failed node, index, size; address of the callback
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p)


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
    """

    def __init__(
        self,
        plan: Plan,
        codes: Sequence[Node],
        processor: Any = None,
    ) -> None:
        from deltarule.compile.llvm.load import load, this_processor
        from deltarule.compile.llvm.module import ENTRY, write

        self.plan = plan
        self.codes = codes
        self.processor = processor or this_processor()
        self.module = write(plan, self.processor)
        library = load(self.module.text, (ENTRY,), self.module.imports, self.processor)
        self.code = library.function(ENTRY, ctypes.c_int32, ctypes.c_char_p)
        self.opaque = {kernel.code: kernel for kernel in plan.opaque}
        self.callback = CALLBACK(self.call_numpy) if self.opaque else None
        self.results = [(t.shape, t.dtype) for t in plan.outputs]
        self.pack = struct.Struct(f"{len(plan.inputs) + len(plan.outputs) + 2}N").pack
        self.free: list[tuple[Any, Any]] = []  # workspaces
        self.thread = threading.local()

    def __call__(self, arrays: Sequence[Any], donated: frozenset[int]) -> list[Any]:
        """The results; arrays at the places ``donated`` may be overwritten and returned."""
        results = [np.empty(shape, dtype) for shape, dtype in self.results]
        if donated:
            self.give_over(arrays, donated, results)
        space = self.free.pop() if self.free else self.workspace()
        if self.code(self.pack(*map(id, arrays), *map(id, results), *map(id, space))):
            self.fail(space[1])
        self.free.append(space)
        return results

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

    def workspace(self) -> tuple[Any, Any]:
        """An arena, and the state in which machine code tells what failed."""
        state = np.zeros(STATE, np.int64)
        if self.callback is not None:
            state[STATE - 1] = ctypes.cast(self.callback, ctypes.c_void_p).value or 0
        return np.empty(self.plan.arena + ALIGNMENT, np.int8), state

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
