"""One module of LLVM assembly for a plan: its kernels, its loop bodies, and what Python calls.

In: a ``Plan`` and a ``Processor``. Out: ``Module``: the text, and the C functions that it calls. Equal
kernels are written once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.compile import kernels
from deltarule.compile.blocks import ALIGNMENT
from deltarule.compile.kernels import Kernel
from deltarule.compile.llvm.calls import LoopWriter, write_opaque
from deltarule.compile.llvm.clock import CLOCK, NOW
from deltarule.compile.llvm.contract import write_contract
from deltarule.compile.llvm.index import write_gather, write_scatter
from deltarule.compile.llvm.lapack import write_lapack
from deltarule.compile.llvm.load import ENTRY, Processor
from deltarule.compile.llvm.loops import Written, write_map
from deltarule.compile.llvm.mode import Mode
from deltarule.compile.llvm.pattern import pattern_of
from deltarule.compile.llvm.random import write_random
from deltarule.compile.llvm.reduce import write_reduce
from deltarule.compile.llvm.run import Run
from deltarule.compile.llvm.team import YIELD, barrier
from deltarule.compile.llvm.text import Function
from deltarule.compile.llvm.vectormath import imports
from deltarule.compile.plan import Plan

DATA_OFFSET = object.__basicsize__  # in an ndarray, the data pointer follows the object's head


@dataclass(frozen=True, slots=True)
class Module:
    """A module's text.

    Attributes
    ----------
    text : str
        LLVM assembly.
    imports : tuple of str
        C functions that it needs.
    scratch : int
        Bytes of memory that each thread needs for itself.
    clocked : tuple of Kernel
        Those whose time is taken, in the order of their rows.
    """

    text: str
    imports: tuple[str, ...]
    scratch: int
    clocked: tuple[Kernel, ...]


class Writer:
    """A module under construction."""

    def __init__(self, processor: Processor, profile: bool, flush: bool) -> None:
        self.processor = processor
        self.mode = Mode(processor.triple, flush)
        self.clocked: list[Kernel] | None = [] if profile else None
        self.names: dict[str, str] = {}  # of functions and constants, by their text without it
        self.texts: list[str] = []
        self.needs: set[str] = set()
        self.imports: set[str] = set()
        self.scratch = 0
        self.depth, self.watched = 0, False  # of loops; whether one is watched
        self.known: dict[Any, tuple[Function, list[int]]] = {}  # by their patterns

    def add(self, f: Function, word: str) -> str:
        """The name of a function, written unless an equal one is there."""
        if f.name:
            return f.name
        self.needs |= f.needs
        self.imports |= imports(f)
        key = f.finish("")
        if key not in self.names:
            name = self.names[key] = f"{word}{len(self.names)}"
            self.texts.append(f.finish(name))
        f.name = self.names[key]
        return f.name

    def constant(self, array: np.ndarray[Any, Any]) -> str:
        """The name of a constant array."""
        data = "".join(f"\\{byte}" for byte in array.tobytes().hex(" ").split())
        kind = f"private unnamed_addr constant [{array.nbytes} x i8]"
        text = f'{kind} c"{data}", align {ALIGNMENT}\n'
        if text not in self.names:
            name = self.names[text] = f"constant{len(self.names)}"
            self.texts.append(f"@{name} = {text}")
        return f"@{self.names[text]}"

    def kernel(self, kernel: Kernel, shared: bool) -> Written:
        """The function of a kernel, and the addresses it takes; that of an equal one where it is known."""
        if isinstance(kernel, kernels.LoopKernel):
            return self.write(kernel, shared)
        pattern, addresses = pattern_of(kernel)
        if (pattern, shared) not in self.known:
            f, own = self.write(kernel, shared)
            self.known[pattern, shared] = f, [addresses.index(address) for address in own]
        f, order = self.known[pattern, shared]
        return f, [addresses[i] for i in order]

    def write(self, kernel: Kernel, shared: bool) -> Written:
        """The function of a kernel, written anew."""
        size = self.processor.vector_bytes
        match kernel:
            case kernels.MapKernel():
                return write_map(kernel, size, shared)
            case kernels.ReduceKernel():
                return write_reduce(kernel, size, shared)
            case kernels.ContractKernel():
                return write_contract(kernel, self.processor, shared)
            case kernels.GatherKernel():
                return write_gather(kernel, size, shared)
            case kernels.ScatterKernel():
                return write_scatter(kernel, size)
            case kernels.RandomKernel():
                return write_random(kernel, size)
            case kernels.LoopKernel():
                return self.loop(kernel)
            case kernels.OpaqueKernel():
                return write_opaque(kernel, self.mode)
            case kernels.LapackKernel():
                return write_lapack(kernel, self.mode)
        raise AssertionError(f"no file writes {type(kernel).__name__}")

    def loop(self, kernel: kernels.LoopKernel) -> Written:
        """The function of a loop. Of those that stand in no other, the first is watched by the clock."""
        self.depth += 1
        body = self.plan(kernel.body)
        self.depth -= 1
        shared = kernel.body.shared
        watched = shared and not self.depth and not self.watched and not kernel.tested
        self.watched |= watched
        loop = LoopWriter(kernel, body, shared, watched)
        return loop.tested() if kernel.tested else loop.counted()

    def plan(self, plan: Plan) -> str:
        """The name of a function that runs a plan, given inputs, outputs, workspace, control and own."""
        return self.add(Run(self, plan).write(), "run")

    def entry(self, plan: Plan) -> None:
        """The function that Python calls, with a table of ndarrays and a thread's own memory."""
        run = self.plan(plan)
        f = Function(["table", "own"], "i32")
        args = []
        for i in range(len(plan.inputs) + len(plan.outputs) + 2):
            place = f.now(f"getelementptr ptr, ptr %table, i64 {i}")
            array = f.now(f"load ptr, ptr {place}")
            data = f.now(f"getelementptr i8, ptr {array}, i64 {DATA_OFFSET}")
            args.append(f.now(f"load ptr, ptr {data}"))
        args.append("%own")
        with self.mode.entered(f):
            status = f.now(f"call i32 @{run}({', '.join(f'ptr {arg}' for arg in args)})")
        f.fail_if(f.now(f"icmp ne i32 {status}, 0"))
        if plan.shared:
            last = f.now(f"call i32 @meet(ptr {args[-2]}, ptr %own)")
            f.fail_if(f.now(f"icmp ne i32 {last}, 0"))
            self.texts.append(barrier(self.processor.triple))
            self.imports.add(YIELD)
        if plan.shared or self.clocked is not None:
            self.texts.append(NOW)
            self.imports.add(CLOCK)
        self.needs |= f.needs
        self.texts.append(f.finish(ENTRY).replace("define internal", "define", 1))

    def declarations(self) -> list[str]:
        """What the texts need and do not declare themselves."""
        own = {
            line for text in self.texts for line in text.split("\n") if line.startswith("declare")
        }
        return sorted(self.needs - own)

    def finish(self) -> Module:
        """The whole module."""
        bits = 8 * self.processor.vector_bytes
        widths = f'"min-legal-vector-width"="{bits}" "prefer-vector-width"="{bits}"'
        attributes = f'attributes #0 = {{ nounwind "no-builtins" {widths} }}\n'
        text = "\n".join([*self.texts, *self.declarations(), attributes])
        return Module(text, tuple(sorted(self.imports)), self.scratch, tuple(self.clocked or ()))


def write(plan: Plan, processor: Processor, profile: bool = False) -> Module:
    """The module of a plan. The entry takes ndarrays: inputs, outputs, workspace, control."""
    writer = Writer(processor, profile, plan.flush)
    writer.entry(plan)
    return writer.finish()
