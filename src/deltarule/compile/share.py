"""How threads share a program: which kernels are split among them, and where all must meet.

In: kernels in order, their buffers in memory. Out: ``Stage`` after ``Stage``. A kernel is split where it
is long enough to pay for a meeting; threads meet where one reads or overwrites what another has written
or reads. Which thread computes what never changes a bit of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deltarule.compile.kernels import (
    ContractKernel,
    GatherKernel,
    Kernel,
    LoopKernel,
    MapKernel,
    ReduceKernel,
    ScatterKernel,
)
from deltarule.compile.plan import Buffer, Stage
from deltarule.compile.views import View

Span = tuple[str, int, int, int]  # memory: its kind, its number, first and last byte
WORTH = 4e-6  # seconds of one thread, from which on a kernel is split
PRODUCTS = 1.5e11  # operations a second of one thread, about: in products,
OTHERS = 1e10  # elsewhere,
BYTES = 3e10  # and bytes moved


def seconds(kernel: Kernel) -> float:
    """Roughly how long a thread takes."""
    if isinstance(kernel, LoopKernel):
        return kernel.steps * sum(map(seconds, kernel.body.kernels))
    if isinstance(kernel, (GatherKernel, ScatterKernel)):
        return 2 * kernel.flops * kernel.out.dtype.itemsize / BYTES
    rate = PRODUCTS if isinstance(kernel, ContractKernel) else OTHERS
    moved = sum(distinct(view) * view.dtype.itemsize for view in (*kernel.reads, *kernel.writes))
    return max(kernel.flops / rate, moved / BYTES)


def distinct(view: View) -> int:
    """Elements of a view, not counting repetitions."""
    size = 1
    for n, stride in zip(view.shape, view.strides, strict=True):
        size *= n if stride else 1
    return size


def is_shared(kernel: Kernel) -> bool:
    """Whether a kernel is split among threads."""
    if isinstance(kernel, LoopKernel):
        return kernel.body.shared
    if isinstance(kernel, ReduceKernel) and len(kernel.axes) == len(kernel.shape):
        return False
    kinds = (MapKernel, ReduceKernel, ContractKernel, GatherKernel)
    return isinstance(kernel, kinds) and seconds(kernel) >= WORTH


def stages_of(
    kernels: Sequence[Kernel],
    buffers: Sequence[Buffer],
    in_place: frozenset[tuple[int, int]],
) -> tuple[Stage, ...]:
    """The stages of a plan; one that nobody shares where the work is small."""
    shared = [is_shared(kernel) for kernel in kernels]
    if not any(shared):
        return (Stage(0, len(kernels), False, False),) if kernels else ()
    found: list[Stage] = []
    same = {output: given for given, output in in_place}
    done: list[Touched] = []  # since the last meeting
    for i, kernel in enumerate(kernels):
        now = Touched(kernel, shared[i], buffers, same)
        meet = any(now.waits_for(earlier) for earlier in done)
        if meet:
            done = []
        done.append(now)
        if found and not meet and found[-1].shared == shared[i]:
            found[-1] = Stage(found[-1].start, i + 1, shared[i], found[-1].meet)
        else:
            found.append(Stage(i, i + 1, shared[i], meet))
    return tuple(found)


class Touched:
    """The memory that a kernel reads and writes."""

    def __init__(
        self,
        kernel: Kernel,
        shared: bool,
        buffers: Sequence[Buffer],
        same: dict[int, int],
    ) -> None:
        self.shared = shared
        self.reads = [span(buffers[view.buffer], same) for view in kernel.reads]
        self.writes = [span(buffers[view.buffer], same) for view in kernel.writes]

    def waits_for(self, earlier: Touched) -> bool:
        """Whether threads must meet between the two."""
        if not (self.shared or earlier.shared):
            return False  # both are the first thread's
        return any(overlap(a, b) for a, b in self.pairs(earlier))

    def pairs(self, earlier: Touched) -> Iterator[tuple[Span, Span]]:
        """Accesses of which at least one writes."""
        for a in self.writes:
            for b in (*earlier.reads, *earlier.writes):
                yield a, b
        for a in self.reads:
            for b in earlier.writes:
                yield a, b


def span(buffer: Buffer, same: dict[int, int]) -> Span:
    """Where a buffer lies. An output that may be written over an input counts as that input."""
    if buffer.place == "arena":
        return ("arena", 0, buffer.at, buffer.at + buffer.nbytes)
    if buffer.place == "output" and buffer.at in same:
        return ("input", same[buffer.at], 0, 1)
    return (buffer.place, buffer.at, 0, 1)


def overlap(a: Span, b: Span) -> bool:
    """Whether two stretches share a byte."""
    return a[:2] == b[:2] and a[2] < b[3] and b[2] < a[3]
