"""The plan of a program: which kernels run in which order, and where in memory their arrays lie.

In: kernels and buffers, from ``schedule`` and ``memory``. Out: ``Plan``, frozen and printable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.compile.kernels import Kernel, LapackKernel, LoopKernel, OpaqueKernel
from deltarule.program import ArrayType
from deltarule.program.types import NAMES


@dataclass(frozen=True, slots=True)
class Buffer:
    """A run of memory.

    Attributes
    ----------
    place : str
        ``input``, ``output``, ``constant`` or ``arena``.
    at : int
        Which input, output or constant; in the arena the offset in bytes.
    dtype, size
        Of the elements, and how many.
    """

    place: str
    at: int
    dtype: np.dtype[Any]
    size: int

    @property
    def nbytes(self) -> int:
        """Length in bytes."""
        return self.size * self.dtype.itemsize

    def __str__(self) -> str:
        at = f"+{self.at}" if self.place == "arena" else str(self.at)
        return f"{self.place}{at}: {NAMES[self.dtype]}[{self.size}]"


@dataclass(frozen=True, slots=True)
class Stage:
    """Kernels from ``start`` up to ``stop`` that run without a meeting of threads among them.

    Attributes
    ----------
    shared : bool
        Whether each of them is split among the threads; else the first thread runs them.
    meet : bool
        Whether all threads meet before.
    """

    start: int
    stop: int
    shared: bool
    meet: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """Kernels in order, and the buffers that they share.

    Attributes
    ----------
    inputs, outputs : tuple of ArrayType
        What is given and what comes back.
    buffers : tuple of Buffer
        All memory; those of the arena overlap where their lives do not.
    kernels : tuple of Kernel
        In order of execution.
    arena : int
        Bytes of workspace.
    in_place : set of tuple
        Pairs (input, output) of one type where the output may be written over the input.
    stages : tuple of Stage
        How threads share the kernels.
    constants : tuple of array
        Arrays written in the program.
    interpreted : str
        Why the program is interpreted and not compiled, if so.
    flush : bool
        Whether subnormal numbers count as 0.
    """

    inputs: tuple[ArrayType, ...]
    outputs: tuple[ArrayType, ...]
    buffers: tuple[Buffer, ...]
    kernels: tuple[Kernel, ...]
    arena: int
    in_place: frozenset[tuple[int, int]]
    stages: tuple[Stage, ...] = ()
    constants: tuple[np.ndarray[Any, Any], ...] = ()
    interpreted: str = ""
    flush: bool = False

    @property
    def shared(self) -> bool:
        """Whether some kernel is split among threads."""
        return any(stage.shared for stage in self.stages)

    @property
    def flops(self) -> int:
        """Estimated operations of one run."""
        return sum(kernel.flops for kernel in self.kernels)

    @property
    def length(self) -> int:
        """How much there is to compile."""
        return sum(kernel.length for kernel in self.kernels)

    @property
    def opaque(self) -> tuple[OpaqueKernel, ...]:
        """Kernels that call NumPy, those of loop bodies included."""
        found: list[OpaqueKernel] = []
        for kernel in self.kernels:
            if isinstance(kernel, OpaqueKernel):
                found.append(kernel)
            elif isinstance(kernel, LoopKernel):
                found += kernel.body.opaque
        return tuple(found)

    @property
    def callbacks(self) -> tuple[OpaqueKernel, ...]:
        """What NumPy computes, always or where LAPACK reports a failure."""
        found: list[OpaqueKernel] = []
        for kernel in self.kernels:
            if isinstance(kernel, OpaqueKernel):
                found.append(kernel)
            elif isinstance(kernel, LapackKernel) and kernel.needed:
                found.append(kernel.numpy())
            elif isinstance(kernel, LoopKernel):
                found += kernel.body.callbacks
        return tuple(found)

    @property
    def foreign(self) -> int:
        """Operations that NumPy does."""
        total = 0
        for kernel in self.kernels:
            if isinstance(kernel, OpaqueKernel):
                total += kernel.flops
            elif isinstance(kernel, LoopKernel):
                total += kernel.steps * kernel.body.foreign
        return total

    @property
    def native(self) -> float:
        """Share of the operations that are machine code."""
        if self.interpreted:
            return 0.0
        return 1 - self.foreign / self.flops if self.flops else 1.0

    def __str__(self) -> str:
        return "\n".join(_lines(self, ""))


def _lines(plan: Plan, indent: str) -> Iterator[str]:
    count = f"{len(plan.kernels)} kernels, {plan.arena} bytes of workspace"
    yield f"{indent}plan of {count}, native {plan.native:.2f}"
    if plan.interpreted:
        yield f"{indent}  interpreted: {plan.interpreted}"
    for i, buffer in enumerate(plan.buffers):
        yield f"{indent}  b{i} = {buffer}"
    for kernel in plan.kernels:
        yield f"{indent}  {_line(kernel)}"
        if isinstance(kernel, LoopKernel):
            yield from _lines(kernel.body, indent + "    ")


def _line(kernel: Kernel) -> str:
    """``map b0[3] -> b1[3]: exp mul  # file.py:7``."""
    word = type(kernel).__name__.removesuffix("Kernel").lower()
    reads = ", ".join(map(str, kernel.reads))
    writes = ", ".join(map(str, kernel.writes))
    names = " ".join(dict.fromkeys(node.primitive.name for node in kernel.nodes))
    places = dict.fromkeys(str(node.origin) for node in kernel.nodes if node.origin)
    origins = "".join(f"  # {place}" for place in places)
    return f"{word} {reads} -> {writes}: {names}{origins}"
