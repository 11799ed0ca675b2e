"""The function that runs a plan: its kernels in order, shared among threads where they are.

In: a plan, and the module that is being written. Out: a function of inputs, outputs, workspace, control
and the thread's own block. What is not shared is done by thread 0; where a kernel needs what another
thread has written, all meet first. Many kernels are a table: the time that LLVM takes over a function grows
faster than its calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Protocol

import numpy as np

from deltarule.compile.blocks import MEMBER, MEMBERS, SCRATCH
from deltarule.compile.kernels import FailingKernel, Kernel, LoopKernel
from deltarule.compile.llvm.clock import clocked
from deltarule.compile.llvm.loops import Address, Written
from deltarule.compile.llvm.table import Table
from deltarule.compile.llvm.team import meet
from deltarule.compile.llvm.text import Function
from deltarule.compile.plan import Plan

MANY = 64  # kernels, from which on they are a table


class Module(Protocol):
    """What is wanted of the module under construction."""

    scratch: int
    clocked: list[Kernel] | None

    def kernel(self, kernel: Kernel, shared: bool) -> Written:
        """The function of a kernel."""

    def add(self, f: Function, word: str) -> str:
        """The name of a function that is now in the module."""

    def constant(self, array: np.ndarray[Any, Any]) -> str:
        """The name of a constant array."""


class Run:
    """The function of one plan, under construction."""

    def __init__(self, module: Module, plan: Plan) -> None:
        self.module, self.plan = module, plan
        inputs = [f"in{i}" for i in range(len(plan.inputs))]
        outputs = [f"out{i}" for i in range(len(plan.outputs))]
        self.function = Function([*inputs, *outputs, "arena", "state", "own"], "i32")
        self.constants = [module.constant(array) for array in plan.constants]

    def write(self) -> Function:
        """All kernels."""
        if len(self.plan.kernels) < MANY:
            self.write_calls()
        else:
            self.write_table()
        return self.function

    def write_calls(self) -> None:
        """A call for each kernel."""
        if not self.plan.shared:
            for kernel in self.plan.kernels:
                self.call(kernel, False)
            return
        for stage in self.plan.stages:
            if stage.meet:
                meet(self.function)
            self.count()
            kernels = self.plan.kernels[stage.start : stage.stop]
            if stage.shared:
                for kernel in kernels:
                    self.call(kernel, True)
                    if isinstance(kernel, LoopKernel):
                        self.count()  # it may have sent the others away
                continue
            with self.first():
                for kernel in kernels:
                    self.call(kernel, False)

    def write_table(self) -> None:
        """A line of a table for each kernel."""
        table = Table()
        for stage in self.plan.stages:
            if stage.meet:
                table.add("meet", (), lambda _: meet(self.function))
            for kernel in self.plan.kernels[stage.start : stage.stop]:
                self.enter(table, kernel, stage.shared)
        table.write(self.function, self.module.constant)

    def enter(self, table: Table, kernel: Kernel, shared: bool) -> None:
        """The line of a kernel: its offsets, and its own numbers."""
        f, addresses = self.module.kernel(kernel, shared)
        name = self.name(kernel, f)
        places = [self.place(address) for address in addresses]
        starts = tuple(start for start, _ in places)
        numbers = [offset for _, offset in places] + self.numbers(kernel, f)
        write = partial(self.call_by_line, kernel, f, starts, shared)
        table.add((name, starts, shared), numbers, write)

    def call_by_line(
        self,
        kernel: Kernel,
        f: Function,
        starts: Sequence[str],
        shared: bool,
        numbers: Sequence[str],
    ) -> None:
        """The call of a kernel that stands for all lines of its case."""
        run = self.function
        pairs = zip(starts, numbers, strict=False)
        pointers = [run.now(f"getelementptr i8, ptr {start}, i64 {at}") for start, at in pairs]
        if self.plan.shared:
            self.count()
        with nullcontext() if shared or not self.plan.shared else self.first():
            self.call_function(kernel, f, pointers, numbers[len(starts) :], shared)

    def count(self) -> None:
        """Which thread this is, and of how many."""
        self.member, self.members = self.own(MEMBER), self.own(MEMBERS)

    def own(self, offset: int) -> str:
        """A number of the thread's own block."""
        f = self.function
        return f.now(
            f"load i64, ptr {f.pure(f'getelementptr i8, ptr %own, i64 {offset}')}, align 8"
        )

    def call(self, kernel: Kernel, shared: bool) -> None:
        """Call the function of a kernel."""
        f, addresses = self.module.kernel(kernel, shared)
        pointers = [self.pointer(*self.place(address)) for address in addresses]
        self.call_function(kernel, f, pointers, self.numbers(kernel, f), shared)

    def first(self) -> AbstractContextManager[None]:
        """What only the first thread does."""
        return self.function.when(self.function.now(f"icmp eq i64 {self.member}, 0"))

    def numbers(self, kernel: Kernel, f: Function) -> list[int]:
        """The number of a kernel's node, and that of its row of the clock, where they are wanted."""
        found = []
        if f.coded:
            assert isinstance(kernel, FailingKernel)
            found.append(kernel.code)
        rows = self.module.clocked
        if rows is not None:
            found.append(len(rows))
            rows.append(kernel)
        return found

    def call_function(
        self,
        kernel: Kernel,
        f: Function,
        pointers: Sequence[str],
        numbers: Sequence[int | str],
        shared: bool,
    ) -> None:
        """Call a kernel's function with what it takes; one that cannot be split is the first thread's."""
        run = self.function
        whole = shared and not f.units and not isinstance(kernel, LoopKernel)
        code, row = numbers[: f.coded], numbers[f.coded :]
        with clocked(run, row), self.first() if whole else nullcontext():
            args = [f"ptr {pointer}" for pointer in pointers] + self.further(kernel, f, code)
            name = self.name(kernel, f)
            if f.result == "void":
                run.do(f"call void @{name}({', '.join(args)})")
                return
            status = run.now(f"call i32 @{name}({', '.join(args)})")
            failed = run.now(f"icmp ne i32 {status}, 0")
            if not self.plan.shared or (shared and isinstance(kernel, LoopKernel)):
                run.fail_if(failed)  # else all learn of it where they meet

    def name(self, kernel: Kernel, f: Function) -> str:
        """The name of a kernel's function, which is now in the module."""
        word = type(kernel).__name__.removesuffix("Kernel").lower()
        return self.module.add(f, word)

    def further(self, kernel: Kernel, f: Function, code: Sequence[int | str]) -> list[str]:
        """What a kernel's function takes after its addresses."""
        args = []
        if f.result != "void":
            args.append("ptr %state")
        if isinstance(kernel, LoopKernel):
            args.append("ptr %own")
        args += [f"i64 {number}" for number in code]
        if f.scratch:
            self.module.scratch = max(self.module.scratch, f.scratch)
            args.append(f"ptr {self.function.pure(f'getelementptr i8, ptr %own, i64 {SCRATCH}')}")
        if f.units:
            args += [f"i64 {bound}" for bound in self.bounds(f.units)]
        return args

    def bounds(self, units: int) -> tuple[str, str]:
        """Which of some units are this thread's."""
        run = self.function
        after = run.pure(f"add i64 {self.member}, 1")
        low, high = (
            run.pure(f"udiv i64 {run.pure(f'mul i64 {n}, {units}')}, {self.members}")
            for n in (self.member, after)
        )
        return low, high

    def place(self, address: Address) -> tuple[str, int]:
        """An address as what is given, and an offset into it."""
        number, offset = address
        buffer = self.plan.buffers[number]
        match buffer.place:
            case "input":
                return f"%in{buffer.at}", offset
            case "output":
                return f"%out{buffer.at}", offset
            case "constant":
                return self.constants[buffer.at], offset
            case _:
                return "%arena", offset + buffer.at

    def pointer(self, start: str, offset: int) -> str:
        """The value of an address."""
        if offset == 0:
            return start
        return self.function.pure(f"getelementptr i8, ptr {start}, i64 {offset}")
