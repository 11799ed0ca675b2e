"""The time that each kernel takes, for a profile: read before and after its call.

In: the function that calls, and the kernel. Out: nanoseconds and calls, added up in the table of the
thread, whose address stands in its own block. Where no profile is wanted, nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from deltarule.compile.blocks import TIMES
from deltarule.compile.llvm.text import Function

CLOCK, MONOTONIC = "clock_gettime", 1
NOW = f"""define internal i64 @nanoseconds() #0 {{
  %time = alloca [2 x i64], align 8
  %ignored = call i32 @{CLOCK}(i32 {MONOTONIC}, ptr %time)
  %seconds = load i64, ptr %time, align 8
  %place = getelementptr i8, ptr %time, i64 8
  %rest = load i64, ptr %place, align 8
  %whole = mul i64 %seconds, 1000000000
  %now = add i64 %whole, %rest
  ret i64 %now
}}

declare i32 @{CLOCK}(i32, ptr)
"""


@contextmanager
def clocked(f: Function, row: Sequence[int | str]) -> Iterator[None]:
    """Add the time of what is written inside to a row, if there is one."""
    if not row:
        yield
        return
    start = f.now("call i64 @nanoseconds()")
    yield
    spent = f.now(f"sub i64 {f.now('call i64 @nanoseconds()')}, {start}")
    place = f.now(f"getelementptr i8, ptr %own, i64 {TIMES}")
    table = f.now(f"load ptr, ptr {place}, align 8")
    at = f.now(f"getelementptr [2 x i64], ptr {table}, i64 {row[0]}")
    for i, more in enumerate((spent, "1")):
        cell = f.now(f"getelementptr i64, ptr {at}, i64 {i}")
        old = f.now(f"load i64, ptr {cell}, align 8")
        f.do(f"store i64 {f.now(f'add i64 {old}, {more}')}, ptr {cell}, align 8")
