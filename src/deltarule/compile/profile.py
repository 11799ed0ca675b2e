"""Where the time of a program goes: kernel by kernel, beside what this machine can do at most.

In: an executable and its arrays. Out: ``Profile``. The program is made once more, with a clock around each
kernel; its results are the same bits.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.compile.binary import assembled
from deltarule.compile.kernels import Kernel, LoopKernel
from deltarule.compile.native import Native
from deltarule.compile.peak import measured_peak
from deltarule.compile.program import NONE, Executable, ready
from deltarule.compile.share import moved
from deltarule.errors import CompileError


@dataclass(frozen=True, slots=True)
class Row:
    """One kernel of a profile.

    Attributes
    ----------
    kind, operations, places : str
        The kernel's kind, the primitives it computes, and the user's lines or layers they come from.
    calls : int
        How often it ran.
    seconds : float
        All calls together: of the slowest thread.
    flops, nbytes : int
        Operations, and bytes read and written, of one call.
    peak : float
        Share of the operations that this machine's threads could have done in that time.
    """

    kind: str
    operations: str
    places: str
    calls: int
    seconds: float
    flops: int
    nbytes: int
    peak: float

    @property
    def microseconds(self) -> float:
        """Of one call."""
        return self.seconds / max(1, self.calls) * 1e6

    @property
    def flops_a_second(self) -> float:
        """Operations done."""
        return self.flops * self.calls / max(self.seconds, 1e-12)

    @property
    def bytes_a_second(self) -> float:
        """Bytes read and written."""
        return self.nbytes * self.calls / max(self.seconds, 1e-12)


@dataclass(frozen=True, slots=True)
class Profile:
    """The kernels of a program, the longest first.

    Attributes
    ----------
    rows : tuple of Row
        Kernels that took any time.
    seconds : float
        Of all calls of the program.
    threads : int
        How many ran it.
    peak : float
        Measured operations a second of independent multiply-adds, of all these threads.
    """

    rows: tuple[Row, ...]
    seconds: float
    threads: int
    peak: float

    def __str__(self) -> str:
        head = f"{'us a call':>10} {'calls':>8} {'time':>6} {'GFLOP/s':>8} {'peak':>6} {'GB/s':>6}"
        lines = [f"{head}  kernel"]
        for row in self.rows:
            lines.append(
                f"{row.microseconds:>10.1f} {row.calls:>8} {row.seconds / self.seconds:>6.1%} "
                f"{row.flops_a_second / 1e9:>8.1f} {row.peak:>6.1%} "
                f"{row.bytes_a_second / 1e9:>6.1f}  "
                f"{row.kind} {row.operations}  {row.places}".rstrip()
            )
        lines.append(self.summary)
        return "\n".join(lines)

    @property
    def summary(self) -> str:
        """The whole in one sentence."""
        done = sum(row.flops * row.calls for row in self.rows)
        return (
            f"{self.seconds * 1e3:.2f} ms, {self.threads} thread{'s' * (self.threads > 1)}, "
            f"{done / self.seconds / 1e9:.1f} GFLOP/s, {done / self.seconds / self.peak:.0%} of "
            f"the measured peak of {self.peak / 1e9:.0f}"
        )


class Clocked:
    """A program with a clock around each kernel.

    Parameters
    ----------
    executable : Executable
        What is measured.

    Raises
    ------
    CompileError
        Where the program is interpreted.
    """

    def __init__(self, executable: Executable) -> None:
        from deltarule.compile.llvm.load import this_processor
        from deltarule.compile.llvm.module import write

        plan, codes = executable.planned
        if plan.interpreted:
            raise CompileError(f"a profile needs machine code; {plan.interpreted}")
        processor = this_processor()
        module = write(plan, processor, profile=True)
        binary = assembled(executable.graph, plan, codes, module, processor)
        self.kernels = module.clocked
        rows = len(module.clocked)
        self.native = Native(binary, executable.graph, executable.form, rows=rows)
        self.seconds = 0.0

    def __call__(self, *arrays: Any) -> tuple[Any, ...]:
        """The results."""
        given = [ready(x) for x in arrays]
        start = time.perf_counter()
        found = self.native(given, NONE)
        self.seconds += time.perf_counter() - start
        return tuple(found)

    def profile(self) -> Profile:
        """The time of all calls so far."""
        times = sum(
            (space.times for space in self.native.free), np.zeros((1, len(self.kernels), 2))
        )
        double = any(view.dtype == np.float64 for kernel in self.kernels for view in kernel.writes)
        peak = measured_peak("float64" if double else "float32", self.native.most)
        pairs = zip(self.kernels, np.moveaxis(times, 1, 0), strict=True)
        rows = [
            row_of(kernel, spent, peak)
            for kernel, spent in pairs
            if spent.any() and not isinstance(kernel, LoopKernel)
        ]
        rows.sort(key=lambda row: -row.seconds)
        return Profile(tuple(rows), self.seconds, self.native.most, peak)


def row_of(kernel: Kernel, times: Any, peak: float) -> Row:
    """A kernel and the time of its threads, in nanoseconds and calls."""
    seconds = float(times[:, 0].max()) / 1e9
    calls = int(times[:, 1].max())
    names = dict.fromkeys(node.primitive.name for node in kernel.nodes)
    places = dict.fromkeys(str(node.origin) for node in kernel.nodes if node.origin)
    places.pop("", None)  # the training's own work, such as counting steps
    return Row(
        type(kernel).__name__.removesuffix("Kernel").lower(),
        " ".join(names),
        ", ".join(places),
        calls,
        seconds,
        kernel.flops,
        moved(kernel),
        kernel.flops * calls / max(seconds, 1e-12) / peak,
    )
