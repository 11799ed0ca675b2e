"""The processor's mode for subnormal numbers, set where Python enters and as it was when Python goes on.

In: a function under construction. Out: instructions before and after a call. x86-64 and ARM have such a
mode; elsewhere, and where it is not wanted, nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from deltarule.compile.llvm.text import I32, Function

MXCSR = 1 << 15 | 1 << 6  # results flush to zero, and subnormal arguments are zeros
FPCR = 1 << 24  # both
X86 = ("x86_64", "amd64")
ARM = ("aarch64", "arm64")


@dataclass(frozen=True, slots=True)
class Mode:
    """How a module treats subnormal numbers.

    Attributes
    ----------
    triple : str
        LLVM's word for the system.
    flush : bool
        Whether they count as 0.
    """

    triple: str
    flush: bool

    @contextmanager
    def entered(self, f: Function) -> Iterator[None]:
        """What is written inside runs in the module's mode; afterwards the thread's own is back."""
        with self.changed(f, on=True):
            yield

    @contextmanager
    def left(self, f: Function) -> Iterator[None]:
        """What is written inside runs with subnormal numbers; afterwards the module's mode is back."""
        with self.changed(f, on=False):
            yield

    @contextmanager
    def changed(self, f: Function, on: bool) -> Iterator[None]:
        """Flushing on or off inside."""
        family = self.triple.split("-")[0]
        if not self.flush or family not in (*X86, *ARM):
            yield
        elif family in X86:
            yield from self.x86(f, on)
        else:
            yield from self.arm(f, on)

    def x86(self, f: Function, on: bool) -> Iterator[None]:
        """By way of memory."""
        f.needs |= {f"declare void @llvm.x86.sse.{word}mxcsr(ptr)" for word in ("st", "ld")}
        old, new = f.room(1, I32), f.room(1, I32)
        f.do(f"call void @llvm.x86.sse.stmxcsr(ptr {old})")
        mode = f.now(f"load i32, ptr {old}, align 4")
        changed = f.now(f"or i32 {mode}, {MXCSR}" if on else f"and i32 {mode}, {~MXCSR}")
        f.do(f"store i32 {changed}, ptr {new}, align 4")
        f.do(f"call void @llvm.x86.sse.ldmxcsr(ptr {new})")
        yield
        f.do(f"call void @llvm.x86.sse.ldmxcsr(ptr {old})")

    def arm(self, f: Function, on: bool) -> Iterator[None]:
        """By way of a register."""
        f.needs |= {
            "declare i64 @llvm.aarch64.get.fpcr()",
            "declare void @llvm.aarch64.set.fpcr(i64)",
        }
        old = f.now("call i64 @llvm.aarch64.get.fpcr()")
        new = f.now(f"or i64 {old}, {FPCR}" if on else f"and i64 {old}, {~FPCR}")
        f.do(f"call void @llvm.aarch64.set.fpcr(i64 {new})")
        yield
        f.do(f"call void @llvm.aarch64.set.fpcr(i64 {old})")
