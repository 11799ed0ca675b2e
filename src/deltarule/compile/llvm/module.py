"""One module of LLVM assembly for a plan: its kernels, its loop bodies, and the entry that Python calls.

In: a ``Plan`` and a ``Processor``. Out: ``Module``: the text, and the library functions that it calls. Equal kernels are written once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.compile.llvm.calls import write_loop, write_opaque
from deltarule.compile.llvm.contract import write_contract
from deltarule.compile.llvm.index import write_gather, write_scatter
from deltarule.compile.llvm.load import Processor
from deltarule.compile.llvm.loops import Address, write_map
from deltarule.compile.llvm.random import write_random
from deltarule.compile.llvm.reduce import write_reduce
from deltarule.compile.llvm.text import Function
from deltarule.compile.llvm.vectormath import imports
from deltarule.compile.plan import (
    ContractKernel,
    GatherKernel,
    Kernel,
    LoopKernel,
    MapKernel,
    OpaqueKernel,
    Plan,
    RandomKernel,
    ReduceKernel,
    ScatterKernel,
)

ENTRY = "deltarule_run"
ALIGNMENT = 64
DATA_OFFSET = object.__basicsize__  # of the data pointer in an ndarray: it follows the object's head


@dataclass(frozen=True, slots=True)
class Module:
    """Text of a module, and the names of the library functions it needs."""

    text: str
    imports: tuple[str, ...]


class Writer:
    """A module under construction."""

    def __init__(self, processor: Processor) -> None:
        self.processor = processor
        self.functions: dict[str, str] = {}  # text without its name -> name
        self.texts: list[str] = []
        self.needs: set[str] = set()
        self.imports: set[str] = set()

    def add(self, f: Function, word: str) -> str:
        """The name of a function, written unless an equal one is there."""
        self.needs |= f.needs
        self.imports.update(imports(f))
        key = f.finish("")
        if key not in self.functions:
            self.functions[key] = f"{word}{len(self.functions)}"
            self.texts.append(f.finish(self.functions[key]))
        return self.functions[key]

    def constant(self, array: np.ndarray[Any, Any]) -> str:
        """The name of a constant array."""
        data = "".join(f"\\{byte:02X}" for byte in array.tobytes())
        text = f'private unnamed_addr constant [{array.nbytes} x i8] c"{data}", align {ALIGNMENT}\n'
        if text not in self.functions:
            self.functions[text] = f"constant{len(self.functions)}"
            self.texts.append(f"@{self.functions[text]} = {text}")
        return f"@{self.functions[text]}"

    def kernel(self, kernel: Kernel) -> tuple[Function, list[Address], str]:
        """The function of a kernel, the addresses it takes, and a word for it."""
        width, registers = self.processor.vector_bytes, self.processor.registers
        match kernel:
            case MapKernel():
                return *write_map(kernel, width), "map"
            case ReduceKernel():
                return *write_reduce(kernel, width), "reduce"
            case ContractKernel():
                return *write_contract(kernel, width, registers), "contract"
            case GatherKernel():
                return *write_gather(kernel, width), "gather"
            case ScatterKernel():
                return *write_scatter(kernel, width), "scatter"
            case RandomKernel():
                return *write_random(kernel, width), "random"
            case LoopKernel():
                return *write_loop(kernel, self.plan(kernel.body)), "loop"
            case OpaqueKernel():
                return *write_opaque(kernel), "opaque"

    def plan(self, plan: Plan) -> str:
        """The name of a function that runs a plan: it takes inputs, outputs, workspace and state."""
        inputs = [f"in{i}" for i in range(len(plan.inputs))]
        outputs = [f"out{i}" for i in range(len(plan.outputs))]
        run = Function([*inputs, *outputs, "arena", "state"], "i32")
        constants = [self.constant(array) for array in plan.constants]
        for kernel in plan.kernels:
            f, addresses, word = self.kernel(kernel)
            name = self.add(f, word)
            args = [f"ptr {_pointer(run, plan, constants, address)}" for address in addresses]
            if f.result == "void":
                run.do(f"call void @{name}({', '.join(args)})")
            else:
                status = run.now(f"call i32 @{name}({', '.join([*args, 'ptr %state'])})")
                run.fail_if(run.now(f"icmp ne i32 {status}, 0"))
        return self.add(run, "run")


def _pointer(run: Function, plan: Plan, constants: Sequence[str], address: Address) -> str:
    number, offset = address
    buffer = plan.buffers[number]
    if buffer.place == "constant":
        name = constants[buffer.at]
    else:
        name = {"input": f"%in{buffer.at}", "output": f"%out{buffer.at}", "arena": "%arena"}[buffer.place]
    at = offset + (buffer.at if buffer.place == "arena" else 0)
    return run.pure(f"getelementptr i8, ptr {name}, i64 {at}") if at else name


def write(plan: Plan, processor: Processor) -> Module:
    """The module of a plan. Its entry takes a table of ndarrays: inputs, outputs, workspace, state."""
    writer = Writer(processor)
    run = writer.plan(plan)
    entry = Function(["table"], "i32")
    args = []
    for i in range(len(plan.inputs) + len(plan.outputs) + 2):
        place = entry.now(f"getelementptr ptr, ptr %table, i64 {i}")
        array = entry.now(f"load ptr, ptr {place}")
        data = entry.now(f"getelementptr i8, ptr {array}, i64 {DATA_OFFSET}")
        args.append(entry.now(f"load ptr, ptr {data}"))
    args[-2] = _aligned(entry, args[-2])
    status = entry.now(f"call i32 @{run}({', '.join(f'ptr {arg}' for arg in args)})")
    entry.fail_if(entry.now(f"icmp ne i32 {status}, 0"))
    texts = [*writer.texts, entry.finish(ENTRY).replace("define internal", "define", 1)]
    width = 8 * processor.vector_bytes
    attributes = (
        f'attributes #0 = {{ nounwind "min-legal-vector-width"="{width}" "prefer-vector-width"="{width}" '
        f'"no-builtins" }}\n'
    )
    return Module("\n".join([*texts, *sorted(writer.needs), attributes]), tuple(sorted(writer.imports)))


def _aligned(f: Function, pointer: str) -> str:
    number = f.now(f"ptrtoint ptr {pointer} to i64")
    raised = f.now(f"add i64 {number}, {ALIGNMENT - 1}")
    return f.now(f"inttoptr i64 {f.now(f'and i64 {raised}, {-ALIGNMENT}')} to ptr")
