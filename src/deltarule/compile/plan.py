"""The plan of a program: which kernels run in which order, and where in memory each of their arrays lies.

In: nothing; ``schedule`` makes plans of graphs. Out: ``Plan`` and its parts, frozen, printable. An array is a ``View`` of a buffer:
transposes, slices, broadcasts and most reshapes are views, and cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.program import ArrayType, Node
from deltarule.program.types import NAMES

Ints = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Buffer:
    """A run of memory: ``place`` is input, output, constant or arena; ``at`` which one, or the offset in bytes."""

    place: str
    at: int
    dtype: np.dtype[Any]
    size: int

    @property
    def nbytes(self) -> int:
        """Length in bytes."""
        return self.size * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.place}{'' if self.place != 'arena' else '+'}{self.at}: {NAMES[self.dtype]}[{self.size}]"


@dataclass(frozen=True, slots=True)
class View:
    """An array in a buffer: element i lies at ``offset + sum(i * strides)``, counted in elements."""

    buffer: int
    dtype: np.dtype[Any]
    shape: Ints
    strides: Ints
    offset: int = 0

    @staticmethod
    def whole(buffer: int, kind: ArrayType) -> View:
        """All of a buffer, in row-major order."""
        return View(buffer, kind.dtype, kind.shape, row_major(kind.shape))

    @property
    def size(self) -> int:
        """Number of elements."""
        return ArrayType(self.shape, self.dtype).size

    @property
    def contiguous(self) -> bool:
        """Whether the elements lie side by side in row-major order."""
        ordered = zip(self.shape, self.strides, row_major(self.shape), strict=True)
        return self.size == 0 or all(n == 1 or have == want for n, have, want in ordered)

    def transpose(self, order: Ints) -> View:
        """Axes in another order."""
        shape = tuple(self.shape[i] for i in order)
        return replace(self, shape=shape, strides=tuple(self.strides[i] for i in order))

    def broadcast(self, shape: Ints) -> View:
        """Repeated along new leading axes and along axes of size 1."""
        lead = len(shape) - len(self.shape)
        ends = zip(self.shape, self.strides, shape[lead:], strict=True)
        kept = (stride if n == m else 0 for n, stride, m in ends)
        return replace(self, shape=tuple(shape), strides=(0,) * lead + tuple(kept))

    def slice(self, start: Ints, size: Ints, step: Ints) -> View:
        """Every ``step``-th element from ``start``."""
        moved = self.offset + sum(a * s for a, s in zip(start, self.strides, strict=True))
        strides = tuple(a * s for a, s in zip(step, self.strides, strict=True))
        return replace(self, shape=tuple(size), strides=strides, offset=moved if 0 not in size else 0)

    def reshape(self, shape: Ints) -> View | None:
        """Another shape over the same elements, or None where that is no view."""
        if self.size == 0 or self.contiguous:
            return replace(self, shape=tuple(shape), strides=row_major(shape))
        runs = merge_axes(self.shape, [self.strides])
        strides: list[int] = []
        sizes = [(n, s[0]) for n, *s in runs]
        at, room = -1, 1
        stride = 0
        for n in shape:
            if n == 1:
                strides.append(0)
                continue
            if room == 1:
                at += 1
                room, stride = sizes[at]
                stride *= room
            if room % n:
                return None
            room //= n
            stride //= n
            strides.append(stride)
        return replace(self, shape=tuple(shape), strides=tuple(strides))

    def __str__(self) -> str:
        shape = ",".join(map(str, self.shape))
        moved = "" if self.contiguous and not self.offset else f" @{self.offset}{list(self.strides)}"
        return f"b{self.buffer}[{shape}]{moved}"


def row_major(shape: Sequence[int]) -> Ints:
    """Strides of an array whose elements lie side by side; 0 along axes of size 1."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step if n != 1 else 0)
        step *= n
    return tuple(reversed(strides))


def merge_axes(shape: Sequence[int], strides: Sequence[Ints]) -> list[tuple[int, ...]]:
    """The same walk over fewer axes: ``(size, stride of each view)``."""
    merged: list[tuple[int, ...]] = []
    for axis, n in enumerate(shape):
        if n == 1:
            continue
        steps = tuple(s[axis] for s in strides)
        if merged and all(a == b * n for a, b in zip(merged[-1][1:], steps, strict=True)):
            merged[-1] = (merged[-1][0] * n, *steps)
        else:
            merged.append((n, *steps))
    return merged


@dataclass(frozen=True, slots=True)
class Load:
    """Elements of a view, one per point of the iteration."""

    view: View

    def __str__(self) -> str:
        return str(self.view)


@dataclass(frozen=True, slots=True)
class Number:
    """One number at every point."""

    value: Any
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True, slots=True)
class Apply:
    """A scalar expression on earlier values of the same kernel."""

    expression: str
    args: Ints
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return f"{self.expression} of {', '.join(f'%{i}' for i in self.args)}"


Scalar = Load | Number | Apply


@dataclass(frozen=True, slots=True)
class MapKernel:
    """A loop over ``shape``: values computed at each point, some of them stored."""

    shape: Ints
    scalars: tuple[Scalar, ...]
    stores: tuple[tuple[int, View], ...]
    nodes: tuple[Node, ...]

    @property
    def reads(self) -> tuple[View, ...]:
        """Views that it reads."""
        return tuple(s.view for s in self.scalars if isinstance(s, Load))

    @property
    def writes(self) -> tuple[View, ...]:
        """Views that it writes."""
        return tuple(view for _, view in self.stores)

    @property
    def flops(self) -> int:
        """Operations, counted one for each expression and point."""
        return _size(self.shape) * sum(isinstance(s, Apply) for s in self.scalars)


@dataclass(frozen=True, slots=True)
class ReduceKernel:
    """The value of ``scalars[-1]`` over ``shape``, combined along ``axes`` by ``op``. ``out`` has stride 0 there."""

    shape: Ints
    scalars: tuple[Scalar, ...]
    op: str
    axes: Ints
    out: View
    nodes: tuple[Node, ...]

    reads = MapKernel.reads

    @property
    def writes(self) -> tuple[View, ...]:
        """Views that it writes."""
        return (self.out,)

    @property
    def flops(self) -> int:
        """Operations."""
        return _size(self.shape) * (1 + sum(isinstance(s, Apply) for s in self.scalars))


@dataclass(frozen=True, slots=True)
class ContractKernel:
    """out = sum over ``axes`` of a * b; all three views span the whole iteration, with stride 0 where they repeat.

    ``vector`` is the axis of b (unit stride) and of out along which a vector of results is computed.
    """

    shape: Ints
    axes: Ints
    a: View
    b: View
    out: View
    vector: int
    nodes: tuple[Node, ...]

    @property
    def reads(self) -> tuple[View, ...]:
        """Views that it reads."""
        return (self.a, self.b)

    @property
    def writes(self) -> tuple[View, ...]:
        """Views that it writes."""
        return (self.out,)

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * _size(self.shape)


@dataclass(frozen=True, slots=True)
class GatherKernel:
    """out[i] = x[index[i]], checked. ``code`` names the node where an index is out of range."""

    x: View
    index: View
    out: View
    code: int
    nodes: tuple[Node, ...]

    @property
    def reads(self) -> tuple[View, ...]:
        """Views that it reads."""
        return (self.x, self.index)

    @property
    def writes(self) -> tuple[View, ...]:
        """Views that it writes."""
        return (self.out,)

    @property
    def flops(self) -> int:
        """One for each element moved."""
        return self.out.size


@dataclass(frozen=True, slots=True)
class ScatterKernel:
    """out[index[i]] = new[i], or += with ``add``, checked, in order. ``out`` holds the old values already."""

    index: View
    new: View
    out: View
    add: bool
    code: int
    nodes: tuple[Node, ...]

    @property
    def reads(self) -> tuple[View, ...]:
        """Views that it reads."""
        return (self.index, self.new, self.out)

    @property
    def writes(self) -> tuple[View, ...]:
        """Views that it writes."""
        return (self.out,)

    @property
    def flops(self) -> int:
        """One for each element moved."""
        return self.new.size


@dataclass(frozen=True, slots=True)
class RandomKernel:
    """Philox bits at each position, for each of the leading keys and steps."""

    key: View
    step: View
    site: int
    count: int
    out: View
    nodes: tuple[Node, ...]

    @property
    def reads(self) -> tuple[View, ...]:
        """Views that it reads."""
        return (self.key, self.step)

    @property
    def writes(self) -> tuple[View, ...]:
        """Views that it writes."""
        return (self.out,)

    @property
    def flops(self) -> int:
        """Ten rounds of about eight operations for four numbers."""
        return 20 * self.out.size


@dataclass(frozen=True, slots=True)
class LoopKernel:
    """``length`` runs of a body.

    A carry whose ``spare`` is None is written in place; the others go back and forth between ``carry`` and ``spare``, so
    that the last step writes ``carry``. No carry is ever copied.
    """

    body: Plan
    consts: tuple[View, ...]
    inits: tuple[View, ...]
    xs: tuple[View, ...]
    carry: tuple[View, ...]
    spare: tuple[View | None, ...]
    ys: tuple[View, ...]
    workspace: View
    length: int
    reverse: bool
    nodes: tuple[Node, ...]

    @property
    def reads(self) -> tuple[View, ...]:
        """Views that it reads."""
        return (*self.consts, *self.inits, *self.xs)

    @property
    def writes(self) -> tuple[View, ...]:
        """Views that it writes."""
        return (*self.carry, *(view for view in self.spare if view), *self.ys, self.workspace)

    @property
    def flops(self) -> int:
        """Those of the body, ``length`` times."""
        return self.length * self.body.flops


@dataclass(frozen=True, slots=True)
class OpaqueKernel:
    """NumPy's evaluation of a node, called back from machine code. Its arrays are contiguous."""

    args: tuple[View, ...]
    outs: tuple[View, ...]
    code: int
    nodes: tuple[Node, ...]

    @property
    def reads(self) -> tuple[View, ...]:
        """Views that it reads."""
        return self.args

    @property
    def writes(self) -> tuple[View, ...]:
        """Views that it writes."""
        return self.outs

    @property
    def flops(self) -> int:
        """One for each element of the results."""
        return sum(view.size for view in self.outs)


Kernel = (
    MapKernel | ReduceKernel | ContractKernel | GatherKernel | ScatterKernel | RandomKernel | LoopKernel | OpaqueKernel
)


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
    constants : tuple of array
        Arrays written in the program.
    interpreted : str
        Why the program is interpreted and not compiled, if so.
    """

    inputs: tuple[ArrayType, ...]
    outputs: tuple[ArrayType, ...]
    buffers: tuple[Buffer, ...]
    kernels: tuple[Kernel, ...]
    arena: int
    in_place: frozenset[tuple[int, int]]
    constants: tuple[np.ndarray[Any, Any], ...] = ()
    interpreted: str = ""

    @property
    def flops(self) -> int:
        """Estimated operations of one run."""
        return sum(kernel.flops for kernel in self.kernels)

    @property
    def length(self) -> int:
        """How much there is to compile: scalars of all kernels, one for each other kernel, bodies included."""
        total = 0
        for kernel in self.kernels:
            total += len(kernel.scalars) if isinstance(kernel, MapKernel | ReduceKernel) else 1
            total += kernel.body.length if isinstance(kernel, LoopKernel) else 0
        return total

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
    def foreign(self) -> int:
        """Operations that are not machine code of ours."""
        total = 0
        for kernel in self.kernels:
            if isinstance(kernel, OpaqueKernel):
                total += kernel.flops
            elif isinstance(kernel, LoopKernel):
                total += kernel.length * kernel.body.foreign
        return total

    @property
    def native(self) -> float:
        """Share of the operations that are machine code."""
        if self.interpreted:
            return 0.0
        return 1 - self.foreign / self.flops if self.flops else 1.0

    def __str__(self) -> str:
        return "\n".join(_lines(self, ""))


def _size(shape: Ints) -> int:
    n = 1
    for m in shape:
        n *= m
    return n


def _lines(plan: Plan, indent: str) -> Iterator[str]:
    yield f"{indent}plan of {len(plan.kernels)} kernels, {plan.arena} bytes of workspace, native {plan.native:.2f}"
    if plan.interpreted:
        yield f"{indent}  interpreted: {plan.interpreted}"
    for i, buffer in enumerate(plan.buffers):
        yield f"{indent}  b{i} = {buffer}"
    for kernel in plan.kernels:
        word = type(kernel).__name__.removesuffix("Kernel").lower()
        reads, writes = (", ".join(map(str, views)) for views in (kernel.reads, kernel.writes))
        names = " ".join(dict.fromkeys(node.primitive.name for node in kernel.nodes))
        places = dict.fromkeys(str(node.origin) for node in kernel.nodes if node.origin)
        yield f"{indent}  {word} {reads} -> {writes}: {names}" + "".join(f"  # {place}" for place in places)
        if isinstance(kernel, LoopKernel):
            yield from _lines(kernel.body, indent + "    ")
