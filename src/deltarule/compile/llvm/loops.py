"""Loops over elements: walks over axes, and Map kernels.

In: a kernel of a plan. Out: its function, and which addresses it takes. The walk is over as few axes as
possible; along the last one a vector of elements is computed at a time, what is left by a shorter one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.compile.kernels import (
    Apply,
    Load,
    MapKernel,
    Number,
    Scalar,
    applied,
)
from deltarule.compile.llvm.scalar import evaluate
from deltarule.compile.llvm.text import Function, Value, constant
from deltarule.compile.llvm.vectormath import from_library
from deltarule.compile.views import Ints, View, merge_axes

Address = tuple[int, int]  # a buffer, and an offset in bytes
Written = tuple[Function, list[Address]]


class Pointers:
    """The addresses that a kernel's function takes, in order."""

    def __init__(self) -> None:
        self.addresses: list[Address] = []

    def name(self, view: View) -> str:
        """The parameter that points to a view's first element."""
        address = (view.buffer, view.offset * view.dtype.itemsize)
        if address not in self.addresses:
            self.addresses.append(address)
        return f"%p{self.addresses.index(address)}"

    @property
    def parameters(self) -> list[str]:
        """Names of the parameters."""
        return [f"p{i}" for i in range(len(self.addresses))]


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a walk: its size, and the stride of each view along it."""

    size: int
    strides: Ints


def axes_of(shape: Ints, strides: Sequence[Ints], chosen: Sequence[int]) -> list[Axis]:
    """The walk over some axes only, merged where that is the same walk."""
    sizes = [shape[i] for i in chosen]
    steps = [tuple(s[i] for i in chosen) for s in strides]
    return [Axis(n, tuple(s)) for n, *s in merge_axes(sizes, steps)]


def advance(
    f: Function,
    offsets: Sequence[str],
    index: str,
    strides: Ints,
) -> list[str]:
    """Offsets moved by ``index`` along an axis."""
    pairs = zip(offsets, strides, strict=True)
    return [f.plus(offset, f.scaled(index, stride)) for offset, stride in pairs]


@contextmanager
def nest(
    f: Function,
    axes: Sequence[Axis],
    offsets: Sequence[str],
    split: bool = False,
) -> Iterator[list[str]]:
    """Loops over axes, outermost first; gives the offset of each view inside.

    With ``split``, threads share the outermost.
    """
    with ExitStack() as stack:
        inside = list(offsets)
        for depth, axis in enumerate(axes):
            if split and depth == 0:
                f.units = axis.size
            index = stack.enter_context(f.part(split and depth == 0, 0, axis.size))
            inside = advance(f, inside, index, axis.strides)
        yield inside


def along(
    f: Function,
    size: int,
    lanes: int,
    body: Callable[[str, int], None],
    split: bool = False,
) -> None:
    """Call ``body(index, count)`` for vectors of ``lanes``, and for one shorter vector."""
    blocks, rest = divmod(size, lanes)
    if split:
        f.units = blocks + (rest > 0)
    if blocks:
        with f.part(split, 0, blocks) as index:
            body(f.scaled(index, lanes), lanes)
    if rest:
        with f.part(split, blocks, 1):
            body(str(blocks * lanes), rest)


class Walk:
    """The scalars of a kernel, computed at a place of its loops.

    Parameters
    ----------
    function : Function
        Where instructions go.
    scalars : sequence of Scalar
        What is computed at each point.
    pointers : Pointers
        Addresses of the views.
    """

    def __init__(
        self,
        function: Function,
        scalars: Sequence[Scalar],
        pointers: Pointers,
    ) -> None:
        self.function = function
        self.scalars = scalars
        loads = {i: s.view for i, s in enumerate(scalars) if isinstance(s, Load)}
        self.views = list(loads.values())
        self.order = {place: i for i, place in enumerate(loads)}
        self.names = {place: pointers.name(view) for place, view in loads.items()}

    def uniform(self, offsets: Sequence[str], steps: Ints) -> dict[int, Value]:
        """Values that are the same all along an axis on which the loads move by ``steps``."""
        known: dict[int, Value] = {}
        for place, scalar in enumerate(self.scalars):
            if isinstance(scalar, Load):
                at = self.order[place]
                if steps[at] == 0:
                    name, view = self.names[place], scalar.view
                    known[place] = self.function.load(name, offsets[at], view.dtype)
            elif isinstance(scalar, Apply):
                moving = [arg for arg in scalar.args if arg not in known]
                fixed = all(isinstance(self.scalars[arg], Number) for arg in moving)
                if fixed and len(moving) < len(scalar.args):
                    known[place] = self.apply(scalar, known, 1)
        return known

    def values(
        self,
        offsets: Sequence[str],
        steps: Ints,
        lanes: int,
        known: dict[int, Value],
    ) -> list[Value]:
        """All scalars at ``lanes`` points."""
        f = self.function
        found: dict[int, Value] = {}
        for place, scalar in enumerate(self.scalars):
            if place in known:
                found[place] = f.spread(known[place], lanes)
            elif isinstance(scalar, Load):
                at = self.order[place]
                name = self.names[place]
                found[place] = read(
                    f,
                    name,
                    offsets[at],
                    steps[at],
                    scalar.dtype,
                    lanes,
                )
            elif isinstance(scalar, Number):
                found[place] = constant(scalar.value, scalar.dtype, lanes)
            elif isinstance(scalar, Apply):
                found[place] = self.apply(scalar, found, lanes)
        return [found[place] for place in range(len(self.scalars))]

    def apply(
        self,
        scalar: Apply,
        found: dict[int, Value],
        lanes: int,
    ) -> Value:
        """An expression of values found; arguments not among these are numbers."""
        args = []
        for arg in scalar.args:
            number = self.scalars[arg]
            if arg in found:
                args.append(found[arg])
            else:
                assert isinstance(number, Number)
                args.append(constant(number.value, number.dtype, lanes))
        return evaluate(scalar.expression, args, scalar.dtype, self.function)


def read(
    f: Function,
    pointer: str,
    offset: str,
    step: int,
    dtype: np.dtype[Any],
    lanes: int,
) -> Value:
    """``lanes`` elements, ``step`` apart."""
    if step == 0 and lanes > 1:
        return f.spread(f.load(pointer, offset, dtype), lanes)
    if step == 1 or lanes == 1:
        return f.load(pointer, offset, dtype, lanes)
    out = Value("poison", dtype, lanes)
    for i in range(lanes):
        x = f.load(pointer, f.plus(offset, str(i * step)), dtype)
        out = f.insert(out, x, i)
    return out


def write(
    f: Function,
    x: Value,
    pointer: str,
    offset: str,
    step: int,
) -> None:
    """Store lanes, ``step`` apart."""
    if x.lanes == 1 or step == 1:
        f.store(x, pointer, offset)
        return
    for i in range(x.lanes):
        f.store(f.shuffle(x, [i]), pointer, f.plus(offset, str(i * step)))


def lanes_of(scalars: Sequence[Scalar], vector_bytes: int) -> int:
    """How many points a vector holds; 1 where a function of the library is called."""
    if any(isinstance(s, Apply) and from_library(s.expression, s.dtype) for s in scalars):
        return 1
    widest = max((s.dtype.itemsize for s in scalars), default=1)
    return max(1, vector_bytes // widest)


def is_copy(kernel: MapKernel) -> bool:
    """Whether a kernel copies elements in their order: nothing is to be done in place."""
    views = (*kernel.reads, *kernel.writes)
    same = len({view.strides for view in views}) == 1
    return same and len(kernel.scalars) == len(kernel.stores) == 1 and len(views) == 2


def write_map(
    kernel: MapKernel,
    vector_bytes: int,
    shared: bool = False,
) -> Written:
    """The function of a Map kernel."""
    pointers = Pointers()
    f = Function([])
    walk = Walk(f, kernel.scalars, pointers)
    targets = [(place, pointers.name(view)) for place, view in kernel.stores]
    f.parameters = pointers.parameters
    views = [*walk.views, *kernel.writes]
    axes = axes_of(kernel.shape, [v.strides for v in views], range(len(kernel.shape)))
    inner = axes.pop() if axes else Axis(1, (0,) * len(views))
    loads = len(walk.views)
    steps, jumps = inner.strides[:loads], inner.strides[loads:]
    lanes = lanes_of(kernel.scalars, vector_bytes)
    if is_copy(kernel):
        source, target = (pointers.name(view) for view in views)
        f.stop_if(f.now(f"icmp eq ptr {source}, {target}"))
    moves_apart = applied(kernel.scalars) == 0 and any(step > 1 or step < 0 for step in steps)
    if moves_apart or any(jump != 1 for jump in jumps):
        lanes = 1
    with nest(f, axes, ["0"] * len(views), shared) as offsets:
        known = walk.uniform(offsets[:loads], steps)

        def body(index: str, count: int) -> None:
            at = advance(f, offsets, index, inner.strides)
            values = walk.values(at[:loads], steps, count, known)
            for (place, name), offset, jump in zip(targets, at[loads:], jumps, strict=True):
                write(f, values[place], name, offset, jump)

        along(f, inner.size, lanes, body, shared and not axes)
    return f, pointers.addresses
