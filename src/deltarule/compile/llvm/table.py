"""Many calls as a table: a line of numbers for each, and a loop that walks along it.

In: calls, each a case and the numbers in which it differs from others of its case. Out: a table, and
instructions that read it line by line, each case written once. A loop that Python has unrolled repeats a
few cases a thousand times: LLVM sees the few, the rest is data.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.compile.llvm.text import I32, I64, Function, scalar_type

Writer = Callable[[Sequence[str]], None]


@dataclass(frozen=True, slots=True)
class Case:
    """Calls that differ by numbers only.

    Attributes
    ----------
    place : int
        Among the cases.
    count : int
        How many numbers.
    write : callable
        Writes the instructions, given the names of the numbers.
    """

    place: int
    count: int
    write: Writer


class Table:
    """Calls in order, and the instructions that make them."""

    def __init__(self) -> None:
        self.cases: dict[Hashable, Case] = {}
        self.numbers: list[int] = []

    def add(self, key: Hashable, numbers: Sequence[int], write: Writer) -> None:
        """One more call; ``write`` is kept where its case is new."""
        case = self.cases.get(key)
        if case is None:
            case = self.cases[key] = Case(len(self.cases), len(numbers), write)
        self.numbers += [case.place, *numbers]

    def write(self, f: Function, constant: Callable[[np.ndarray[Any, Any]], str]) -> None:
        """The loop, in a function; ``constant`` puts an array into its module."""
        kind = I32 if max(self.numbers) < 2**31 else I64
        table = constant(np.array([*self.numbers, len(self.cases)], kind))
        step, word = kind.itemsize, scalar_type(kind)
        blocks = [f.name_block() for _ in self.cases]
        start, after = f.name_block(), f.name_block()
        line = f.fresh()

        def read(place: int) -> str:
            at = f.now(f"getelementptr i8, ptr {line}, i64 {place * step}")
            return f.now(f"load {word}, ptr {at}, align {step}")

        ways = [f"[ {table}, %{f.block} ]"]
        f.do(f"br label %{start}")
        f.label(start)
        top = len(f.lines)
        which = read(0)
        choices = " ".join(f"{word} {i}, label %{block}" for i, block in enumerate(blocks))
        f.do(f"switch {word} {which}, label %{after} [ {choices} ]")
        for case, block in zip(self.cases.values(), blocks, strict=True):
            with f.branch(block):
                case.write([widened(f, read(1 + i), kind) for i in range(case.count)])
                size = (1 + case.count) * step
                following = f.now(f"getelementptr i8, ptr {line}, i64 {size}")
                ways.append(f"[ {following}, %{f.block} ]")
                f.do(f"br label %{start}")
        f.lines.insert(top, f"  {line} = phi ptr {', '.join(ways)}")
        f.label(after)


def widened(f: Function, number: str, kind: np.dtype[Any]) -> str:
    """A number as an offset is counted."""
    return number if kind == I64 else f.now(f"zext i32 {number} to i64")
