"""Loops over elements: Map and Reduce kernels.

In: a kernel of a plan. Out: its function, and which addresses it takes. The walk is over as few axes as possible; along one of
them a vector of elements is computed at a time, the rest of a row by a shorter vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from deltarule.compile.llvm.scalar import evaluate
from deltarule.compile.llvm.text import Function, Value, constant
from deltarule.compile.llvm.vectormath import LIBRARY
from deltarule.compile.plan import Apply, Ints, Load, MapKernel, Number, Scalar, View, merge_axes

Address = tuple[int, int]  # a buffer, and an offset in bytes


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


def part(shape: Ints, strides: Sequence[Ints], axes: Sequence[int]) -> list[Axis]:
    """The walk over some axes only, merged where that is the same walk."""
    sizes = [shape[i] for i in axes]
    steps = [tuple(s[i] for i in axes) for s in strides]
    return [Axis(n, tuple(s)) for n, *s in merge_axes(sizes, steps)]


class Walk:
    """The values of a kernel's scalars at a place of its loops.

    Parameters
    ----------
    function : Function
        Where instructions go.
    scalars : sequence of Scalar
        What is computed at each point.
    pointers : Pointers
        Addresses of the views.
    """

    def __init__(self, function: Function, scalars: Sequence[Scalar], pointers: Pointers) -> None:
        self.function = function
        self.scalars = scalars
        self.loads = [i for i, s in enumerate(scalars) if isinstance(s, Load)]
        self.names = {i: pointers.name(scalars[i].view) for i in self.loads}

    @property
    def views(self) -> list[View]:
        """The views read, in the order of their strides in an ``Axis``."""
        return [self.scalars[i].view for i in self.loads]

    def uniform(self, offsets: Sequence[str], steps: Ints) -> dict[int, Value]:
        """Values that are the same all along an axis on which the loads move by ``steps``."""
        known: dict[int, Value] = {}
        moving = {i: step for i, step in zip(self.loads, steps, strict=True)}
        where = dict(zip(self.loads, offsets, strict=True))
        for i, scalar in enumerate(self.scalars):
            if isinstance(scalar, Load) and not moving[i]:
                known[i] = self.function.load(self.names[i], where[i], scalar.view.dtype)
            elif isinstance(scalar, Apply) and all(a in known or self._number(a) for a in scalar.args):
                if any(a in known for a in scalar.args):
                    known[i] = self._apply(scalar, known, 1)
        return known

    def values(self, offsets: Sequence[str], steps: Ints, lanes: int, known: dict[int, Value]) -> list[Value]:
        """All scalars at ``lanes`` points."""
        f = self.function
        where = dict(zip(self.loads, zip(offsets, steps, strict=True), strict=True))
        found: dict[int, Value] = {}
        for i, scalar in enumerate(self.scalars):
            if i in known:
                found[i] = f.spread(known[i], lanes)
            elif isinstance(scalar, Load):
                found[i] = read(f, self.names[i], *where[i], scalar.view, lanes)
            elif isinstance(scalar, Number):
                found[i] = constant(scalar.value, scalar.dtype, lanes)
            else:
                found[i] = self._apply(scalar, found, lanes)
        return [found[i] for i in range(len(self.scalars))]

    def _number(self, place: int) -> bool:
        return isinstance(self.scalars[place], Number)

    def _apply(self, scalar: Apply, found: dict[int, Value], lanes: int) -> Value:
        args = [found[a] if a in found else self._constant(a, lanes) for a in scalar.args]
        return evaluate(scalar.expression, args, scalar.dtype, self.function)

    def _constant(self, place: int, lanes: int) -> Value:
        scalar = self.scalars[place]
        assert isinstance(scalar, Number)
        return constant(scalar.value, scalar.dtype, lanes)


def read(f: Function, pointer: str, offset: str, step: int, view: View, lanes: int) -> Value:
    """``lanes`` elements, ``step`` apart."""
    if lanes == 1:
        return f.load(pointer, offset, view.dtype)
    if step == 0:
        return f.spread(f.load(pointer, offset, view.dtype), lanes)
    if step == 1:
        return f.load(pointer, offset, view.dtype, lanes)
    out = Value("poison", view.dtype, lanes)
    for i in range(lanes):
        x = f.load(pointer, f.plus(offset, str(i * step)), view.dtype)
        out = Value(f.now(f"insertelement {out}, {x}, i64 {i}"), view.dtype, lanes)
    return out


def write(f: Function, x: Value, pointer: str, offset: str, step: int) -> None:
    """Store lanes, ``step`` apart."""
    if x.lanes == 1 or step == 1:
        f.store(x, pointer, offset)
        return
    for i in range(x.lanes):
        f.store(f.shuffle(x, [i]), pointer, f.plus(offset, str(i * step)))


@contextmanager
def nest(f: Function, axes: Sequence[Axis], offsets: Sequence[str]) -> Iterator[list[str]]:
    """Loops over axes, outermost first; gives the offset of each view inside."""
    with ExitStack() as stack:
        inside = list(offsets)
        for axis in axes:
            loop = stack.enter_context(f.loop(axis.size))
            inside = advance(f, inside, loop.index, axis.strides)
        yield inside


def advance(f: Function, offsets: Sequence[str], index: str, strides: Ints) -> list[str]:
    """Offsets moved by ``index`` along an axis."""
    return [f.plus(offset, f.scaled(index, s)) for offset, s in zip(offsets, strides, strict=True)]


def lanes_of(scalars: Sequence[Scalar], vector_bytes: int) -> int:
    """How many points one vector holds; 1 where a function of the library is called."""
    widest = 1
    for scalar in scalars:
        dtype = scalar.view.dtype if isinstance(scalar, Load) else scalar.dtype
        widest = max(widest, dtype.itemsize)
        if isinstance(scalar, Apply) and from_library(scalar):
            return 1
    return max(1, vector_bytes // widest)


def from_library(scalar: Apply) -> bool:
    """Whether a scalar needs a function that is not written in vectors."""
    single = scalar.dtype.itemsize == 4
    return any(f"{name}(" in scalar.expression for name in LIBRARY if not (name == "erf" and single))


def write_map(kernel: MapKernel, vector_bytes: int) -> tuple[Function, list[Address]]:
    """The function of a Map kernel."""
    pointers = Pointers()
    f = Function([])
    walk = Walk(f, kernel.scalars, pointers)
    targets = [(place, pointers.name(view)) for place, view in kernel.stores]
    f.parameters = pointers.parameters
    views = [*walk.views, *(view for _, view in kernel.stores)]
    axes = part(kernel.shape, [v.strides for v in views], range(len(kernel.shape)))
    loads = len(walk.views)
    lanes = lanes_of(kernel.scalars, vector_bytes)
    if axes and any(s != 1 for s in axes[-1].strides[loads:]):
        lanes = 1
    if only_moves(kernel) and axes and any(s not in (0, 1) for s in axes[-1].strides):
        lanes = 1
    with nest(f, axes[:-1], ["0"] * len(views)) as offsets:
        inner = axes[-1] if axes else Axis(1, (0,) * len(views))
        known = walk.uniform(offsets[:loads], inner.strides[:loads])

        def body(index: str, count: int) -> None:
            at = advance(f, offsets, index, inner.strides)
            values = walk.values(at[:loads], inner.strides[:loads], count, known)
            for (place, name), offset, step in zip(targets, at[loads:], inner.strides[loads:], strict=True):
                write(f, values[place], name, offset, step)

        along(f, inner.size, lanes, body)
    return f, pointers.addresses


def only_moves(kernel: MapKernel) -> bool:
    """Whether nothing is computed."""
    return not any(isinstance(s, Apply) for s in kernel.scalars)


def along(f: Function, size: int, lanes: int, body) -> None:
    """Call ``body(index, count)`` for vectors of ``lanes`` and one shorter vector."""
    blocks, rest = divmod(size, lanes)
    if blocks:
        with f.loop(blocks) as loop:
            body(f.scaled(loop.index, lanes), lanes)
    if rest:
        body(str(blocks * lanes), rest)
