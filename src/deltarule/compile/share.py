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
    LapackKernel,
    LoopKernel,
    MapKernel,
    ReduceKernel,
    ScatterKernel,
)
from deltarule.compile.plan import Buffer, Stage
from deltarule.compile.views import View

WORTH = 4e-6  # seconds of one thread, from which on a kernel is split
PRODUCTS = 1.5e11  # operations a second of one thread, about: in products,
OTHERS = 1e10  # elsewhere,
BYTES = 3e10  # and bytes moved
CREW = 50_000  # operations on one matrix, from which on LAPACK's library takes threads of its own


def seconds(kernel: Kernel) -> float:
    """Roughly how long a thread takes."""
    if isinstance(kernel, LoopKernel):
        return kernel.steps * sum(map(seconds, kernel.body.kernels))
    if isinstance(kernel, (GatherKernel, ScatterKernel)):
        return moved(kernel) / BYTES
    rate = PRODUCTS if isinstance(kernel, ContractKernel) else OTHERS
    return max(kernel.flops / rate, moved(kernel) / BYTES)


def moved(kernel: Kernel) -> int:
    """Bytes that a kernel reads and writes, each element once; of gather and scatter the rows touched."""
    if isinstance(kernel, (GatherKernel, ScatterKernel)):
        return 2 * kernel.flops * kernel.out.dtype.itemsize
    views = (*kernel.reads, *kernel.writes)
    return sum(distinct(view) * view.dtype.itemsize for view in views)


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


def brings_threads(kernel: Kernel) -> bool:
    """Whether a library computes with threads of its own, which want the cores for themselves."""
    if isinstance(kernel, LoopKernel):
        return any(map(brings_threads, kernel.body.kernels))
    return isinstance(kernel, LapackKernel) and kernel.operations >= CREW


def stages_of(
    kernels: Sequence[Kernel],
    buffers: Sequence[Buffer],
    in_place: frozenset[tuple[int, int]],
) -> tuple[Stage, ...]:
    """The stages of a plan; one that nobody shares where the work is small, or where our threads, waiting for
    each other, would keep a library's from the cores."""
    shared = [
        is_shared(kernel) and not moves_nothing(kernel, buffers, in_place) for kernel in kernels
    ]
    loops = any(isinstance(kernel, LoopKernel) and kernel.body.shared for kernel in kernels)
    if not any(shared) or (not loops and any(map(brings_threads, kernels))):
        return (Stage(0, len(kernels), False, False),) if kernels else ()
    found: list[Stage] = []
    done: dict[bool, list[Touched]] = {False: [], True: []}  # since the last meeting
    for i, kernel in enumerate(kernels):
        now = Touched(kernel, buffers, in_place)
        earlier = [*done[True], *done[False]] if shared[i] else done[True]
        meet = any(now.waits_for(one) for one in earlier)  # others are the first thread's
        if meet:
            done = {False: [], True: []}
        done[shared[i]].append(now)
        if found and not meet and found[-1].shared == shared[i]:
            found[-1] = Stage(found[-1].start, i + 1, shared[i], found[-1].meet)
        else:
            found.append(Stage(i, i + 1, shared[i], meet))
    return tuple(found)


def moves_nothing(
    kernel: Kernel,
    buffers: Sequence[Buffer],
    in_place: frozenset[tuple[int, int]],
) -> bool:
    """Whether a kernel copies an input to the output that may be the same memory."""
    if not (isinstance(kernel, MapKernel) and len(kernel.scalars) == len(kernel.reads) == 1):
        return False
    places = [buffers[view.buffer] for view in (*kernel.reads, *kernel.writes)]
    if [place.place for place in places] != ["input", "output"]:
        return False
    return (places[0].at, places[1].at) in in_place


class Touched:
    """The memory that a kernel reads and writes."""

    def __init__(
        self,
        kernel: Kernel,
        buffers: Sequence[Buffer],
        in_place: frozenset[tuple[int, int]],
    ) -> None:
        self.in_place = in_place
        self.reads = [buffers[view.buffer] for view in kernel.reads]
        self.writes = [buffers[view.buffer] for view in kernel.writes]

    def waits_for(self, earlier: Touched) -> bool:
        """Whether threads must meet between the two."""
        return any(overlap(a, b, self.in_place) for a, b in self.pairs(earlier))

    def pairs(self, earlier: Touched) -> Iterator[tuple[Buffer, Buffer]]:
        """Accesses of which at least one writes."""
        for a in self.writes:
            for b in (*earlier.reads, *earlier.writes):
                yield a, b
        for a in self.reads:
            for b in earlier.writes:
                yield a, b


def overlap(
    a: Buffer,
    b: Buffer,
    in_place: frozenset[tuple[int, int]],
) -> bool:
    """Whether two buffers may share a byte: an output lies over any input that it may be written over."""
    if a.place == b.place == "arena":
        return a.at < b.at + b.nbytes and b.at < a.at + a.nbytes
    if a.place == b.place:
        return a.at == b.at
    given, output = (a, b) if a.place == "input" else (b, a)
    kinds = (given.place, output.place)
    return kinds == ("input", "output") and (given.at, output.at) in in_place
