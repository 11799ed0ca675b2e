"""The function that runs a plan: its kernels in order, shared among threads where they are.

In: a plan, and the module that is being written. Out: a function of inputs, outputs, workspace, control
and the thread's own block. What is not shared is done by thread 0; where a kernel needs what another
thread has written, all meet first.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np

from deltarule.compile.blocks import MEMBER, MEMBERS, SCRATCH
from deltarule.compile.kernels import FailingKernel, Kernel, LoopKernel
from deltarule.compile.llvm.clock import clocked
from deltarule.compile.llvm.loops import Address, Written
from deltarule.compile.llvm.team import meet
from deltarule.compile.llvm.text import Function
from deltarule.compile.plan import Plan


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
        f = self.function
        if not self.plan.shared:
            for kernel in self.plan.kernels:
                self.call(kernel, False)
            return f
        for stage in self.plan.stages:
            if stage.meet:
                meet(f)
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
        return f

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
        """Call the function of a kernel; one that cannot be split is the first thread's."""
        run = self.function
        f, addresses = self.module.kernel(kernel, shared)
        whole = shared and not f.units and not isinstance(kernel, LoopKernel)
        with clocked(run, kernel, self.module.clocked), self.first() if whole else nullcontext():
            self.call_function(kernel, f, addresses, shared)

    def first(self) -> AbstractContextManager[None]:
        """What only the first thread does."""
        return self.function.when(self.function.now(f"icmp eq i64 {self.member}, 0"))

    def call_function(
        self,
        kernel: Kernel,
        f: Function,
        addresses: list[Address],
        shared: bool,
    ) -> None:
        """Call a kernel's function with what it takes."""
        run = self.function
        word = type(kernel).__name__.removesuffix("Kernel").lower()
        name = self.module.add(f, word)
        args = [f"ptr {self.pointer(address)}" for address in addresses]
        if f.result != "void":
            args.append("ptr %state")
        if isinstance(kernel, LoopKernel):
            args.append("ptr %own")
        if f.coded:
            assert isinstance(kernel, FailingKernel)
            args.append(f"i64 {kernel.code}")
        if f.scratch:
            self.module.scratch = max(self.module.scratch, f.scratch)
            args.append(f"ptr {run.pure(f'getelementptr i8, ptr %own, i64 {SCRATCH}')}")
        if f.units:
            args += [f"i64 {bound}" for bound in self.bounds(f.units)]
        if f.result == "void":
            run.do(f"call void @{name}({', '.join(args)})")
            return
        status = run.now(f"call i32 @{name}({', '.join(args)})")
        failed = run.now(f"icmp ne i32 {status}, 0")
        if not self.plan.shared or (shared and isinstance(kernel, LoopKernel)):
            run.fail_if(failed)  # else all learn of it where they meet

    def bounds(self, units: int) -> tuple[str, str]:
        """Which of some units are this thread's."""
        run = self.function
        after = run.pure(f"add i64 {self.member}, 1")
        low, high = (
            run.pure(f"udiv i64 {run.pure(f'mul i64 {n}, {units}')}, {self.members}")
            for n in (self.member, after)
        )
        return low, high

    def pointer(self, address: Address) -> str:
        """The value of an address."""
        number, offset = address
        buffer = self.plan.buffers[number]
        match buffer.place:
            case "input":
                start = f"%in{buffer.at}"
            case "output":
                start = f"%out{buffer.at}"
            case "constant":
                start = self.constants[buffer.at]
            case _:
                start, offset = "%arena", offset + buffer.at
        if offset == 0:
            return start
        return self.function.pure(f"getelementptr i8, ptr {start}, i64 {offset}")
