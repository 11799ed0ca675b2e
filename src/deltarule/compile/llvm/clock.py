"""The time that each kernel takes, for a profile: read before and after its call.

In: the function that calls, and the kernel. Out: nanoseconds and calls, added up in the table of the
thread, whose address stands in its own block. Where no profile is wanted, nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deltarule.compile.blocks import TIMES
from deltarule.compile.kernels import Kernel
from deltarule.compile.llvm.team import CLOCK, MONOTONIC
from deltarule.compile.llvm.text import I64, Function


@contextmanager
def clocked(
    f: Function,
    kernel: Kernel,
    kernels: list[Kernel] | None,
) -> Iterator[None]:
    """Add the time of what is written inside to the kernel's row; ``kernels`` lists the rows."""
    if kernels is None:
        yield
        return
    f.clock = True
    row = len(kernels)
    kernels.append(kernel)
    start = now(f)
    yield
    spent = f.now(f"sub i64 {now(f)}, {start}")
    place = f.now(f"getelementptr i8, ptr %own, i64 {TIMES}")
    table = f.now(f"load ptr, ptr {place}, align 8")
    for i, more in enumerate((spent, "1")):
        at = f.now(f"getelementptr i64, ptr {table}, i64 {2 * row + i}")
        old = f.now(f"load i64, ptr {at}, align 8")
        f.do(f"store i64 {f.now(f'add i64 {old}, {more}')}, ptr {at}, align 8")


def now(f: Function) -> str:
    """Nanoseconds."""
    f.needs.add(f"declare i32 @{CLOCK}(i32, ptr)")
    room = f.room(2, I64)
    f.do(f"call i32 @{CLOCK}(i32 {MONOTONIC}, ptr {room})")
    seconds = f.now(f"load i64, ptr {room}, align 8")
    place = f.now(f"getelementptr i64, ptr {room}, i64 1")
    rest = f.now(f"load i64, ptr {place}, align 8")
    return f.now(f"add i64 {f.now(f'mul i64 {seconds}, 1000000000')}, {rest}")
