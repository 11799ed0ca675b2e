"""One module of LLVM assembly for a plan: its kernels, its loop bodies, and what Python calls.

In: a ``Plan`` and a ``Processor``. Out: ``Module``: the text, and the C functions that it calls. Equal
kernels are written once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.compile import kernels
from deltarule.compile.kernels import Kernel
from deltarule.compile.llvm.calls import write_loop, write_opaque
from deltarule.compile.llvm.contract import write_contract
from deltarule.compile.llvm.index import write_gather, write_scatter
from deltarule.compile.llvm.load import ENTRY, Processor
from deltarule.compile.llvm.loops import Address, Written, write_map
from deltarule.compile.llvm.random import write_random
from deltarule.compile.llvm.reduce import write_reduce
from deltarule.compile.llvm.text import Function
from deltarule.compile.llvm.vectormath import imports
from deltarule.compile.plan import Plan

ALIGNMENT = 64
DATA_OFFSET = object.__basicsize__  # in an ndarray, the data pointer follows the object's head


@dataclass(frozen=True, slots=True)
class Module:
    """Text of a module, and the names of the C functions that it needs."""

    text: str
    imports: tuple[str, ...]


class Writer:
    """A module under construction."""

    def __init__(self, processor: Processor) -> None:
        self.processor = processor
        self.names: dict[str, str] = {}  # of functions and constants, by their text without it
        self.texts: list[str] = []
        self.needs: set[str] = set()
        self.imports: set[str] = set()

    def add(self, f: Function, word: str) -> str:
        """The name of a function, written unless an equal one is there."""
        self.needs |= f.needs
        self.imports |= imports(f)
        key = f.finish("")
        if key not in self.names:
            name = self.names[key] = f"{word}{len(self.names)}"
            self.texts.append(f.finish(name))
        return self.names[key]

    def constant(self, array: np.ndarray[Any, Any]) -> str:
        """The name of a constant array."""
        data = "".join(f"\\{byte:02X}" for byte in array.tobytes())
        kind = f"private unnamed_addr constant [{array.nbytes} x i8]"
        text = f'{kind} c"{data}", align {ALIGNMENT}\n'
        if text not in self.names:
            name = self.names[text] = f"constant{len(self.names)}"
            self.texts.append(f"@{name} = {text}")
        return f"@{self.names[text]}"

    def kernel(self, kernel: Kernel) -> Written:
        """The function of a kernel, and the addresses it takes."""
        size = self.processor.vector_bytes
        match kernel:
            case kernels.MapKernel():
                return write_map(kernel, size)
            case kernels.ReduceKernel():
                return write_reduce(kernel, size)
            case kernels.ContractKernel():
                return write_contract(kernel, size, self.processor.registers)
            case kernels.GatherKernel():
                return write_gather(kernel, size)
            case kernels.ScatterKernel():
                return write_scatter(kernel, size)
            case kernels.RandomKernel():
                return write_random(kernel, size)
            case kernels.LoopKernel():
                return write_loop(kernel, self.plan(kernel.body))
            case kernels.OpaqueKernel():
                return write_opaque(kernel)
        raise AssertionError(f"no file writes {type(kernel).__name__}")

    def plan(self, plan: Plan) -> str:
        """The name of a function that runs a plan, given inputs, outputs, workspace and state."""
        inputs = [f"in{i}" for i in range(len(plan.inputs))]
        outputs = [f"out{i}" for i in range(len(plan.outputs))]
        run = Function([*inputs, *outputs, "arena", "state"], "i32")
        constants = [self.constant(array) for array in plan.constants]
        for kernel in plan.kernels:
            f, addresses = self.kernel(kernel)
            name = self.add(f, type(kernel).__name__.removesuffix("Kernel").lower())
            args = [f"ptr {pointer(run, plan, constants, address)}" for address in addresses]
            if f.result == "void":
                run.do(f"call void @{name}({', '.join(args)})")
                continue
            args.append("ptr %state")
            status = run.now(f"call i32 @{name}({', '.join(args)})")
            run.fail_if(run.now(f"icmp ne i32 {status}, 0"))
        return self.add(run, "run")

    def entry(self, plan: Plan) -> None:
        """The function that Python calls, with a table of ndarrays."""
        run = self.plan(plan)
        f = Function(["table"], "i32")
        args = []
        for i in range(len(plan.inputs) + len(plan.outputs) + 2):
            place = f.now(f"getelementptr ptr, ptr %table, i64 {i}")
            array = f.now(f"load ptr, ptr {place}")
            data = f.now(f"getelementptr i8, ptr {array}, i64 {DATA_OFFSET}")
            args.append(f.now(f"load ptr, ptr {data}"))
        args[-2] = aligned(f, args[-2])
        status = f.now(f"call i32 @{run}({', '.join(f'ptr {arg}' for arg in args)})")
        f.fail_if(f.now(f"icmp ne i32 {status}, 0"))
        self.texts.append(f.finish(ENTRY).replace("define internal", "define", 1))

    def finish(self) -> Module:
        """The whole module."""
        bits = 8 * self.processor.vector_bytes
        widths = f'"min-legal-vector-width"="{bits}" "prefer-vector-width"="{bits}"'
        attributes = f'attributes #0 = {{ nounwind "no-builtins" {widths} }}\n'
        text = "\n".join([*self.texts, *sorted(self.needs), attributes])
        return Module(text, tuple(sorted(self.imports)))


def pointer(
    run: Function,
    plan: Plan,
    constants: Sequence[str],
    address: Address,
) -> str:
    """The value of an address in a function that runs a plan."""
    number, offset = address
    buffer = plan.buffers[number]
    match buffer.place:
        case "input":
            start = f"%in{buffer.at}"
        case "output":
            start = f"%out{buffer.at}"
        case "constant":
            start = constants[buffer.at]
        case _:
            start, offset = "%arena", offset + buffer.at
    if offset == 0:
        return start
    return run.pure(f"getelementptr i8, ptr {start}, i64 {offset}")


def aligned(f: Function, pointer: str) -> str:
    """A pointer raised to the next multiple of the alignment."""
    number = f.now(f"ptrtoint ptr {pointer} to i64")
    raised = f.now(f"add i64 {number}, {ALIGNMENT - 1}")
    multiple = f.now(f"and i64 {raised}, {-ALIGNMENT}")
    return f.now(f"inttoptr i64 {multiple} to ptr")


def write(plan: Plan, processor: Processor) -> Module:
    """The module of a plan. The entry takes ndarrays: inputs, outputs, workspace, state."""
    writer = Writer(processor)
    writer.entry(plan)
    return writer.finish()
