"""Kernels joined: a loop into the one that reads it, and what is done with sums into their product.

In: kernels in order, and which buffers are wanted at the end. Out: fewer kernels. Each join leaves a
right program, so that any of them may be left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from deltarule.compile.drafts import renumbered
from deltarule.compile.kernels import (
    Apply,
    ContractKernel,
    Kernel,
    Load,
    MapKernel,
    Number,
    Scalar,
    Sum,
)
from deltarule.compile.views import View

MOST_SCALARS = 100  # of one kernel
Stores = tuple[tuple[int, View], ...]
Scalars = tuple[Scalar, ...]


def fused(kernels: Sequence[Kernel], wanted: Iterable[int]) -> list[Kernel]:
    """The kernels after all joins.

    Parameters
    ----------
    kernels : sequence of Kernel
        In order of execution.
    wanted : iterable of int
        Buffers that are outputs.
    """
    fusion = Fusion(list(kernels), frozenset(wanted))
    fusion.join_loops()
    fusion.join_products()
    return [kernel for kernel in fusion.kernels if kernel is not None]


@dataclass
class Use:
    """Positions of the kernels that read and write a buffer."""

    reads: list[int]
    writes: list[int]


class Fusion:
    """Kernels while they are joined; one that was joined to another is None."""

    def __init__(self, kernels: list[Kernel | None], wanted: frozenset[int]) -> None:
        self.kernels = kernels
        self.wanted = wanted
        self.uses: dict[int, Use] = defaultdict(lambda: Use([], []))
        for position in range(len(kernels)):
            self.note(position)

    def note(self, position: int) -> None:
        """Enter what a kernel reads and writes."""
        kernel = self.kernels[position]
        if kernel is not None:
            for view in {view.buffer: view for view in kernel.reads}.values():
                self.uses[view.buffer].reads.append(position)
            for view in {view.buffer: view for view in kernel.writes}.values():
                self.uses[view.buffer].writes.append(position)

    def put(self, position: int, kernel: Kernel | None) -> None:
        """Replace a kernel."""
        for use in self.uses.values():
            for positions in (use.reads, use.writes):
                if position in positions:
                    positions.remove(position)
        self.kernels[position] = kernel
        self.note(position)

    def movable(self, kernel: Kernel, start: int, end: int) -> bool:
        """Whether a kernel reads the same where it stands and just before another."""
        return not any(
            start < position < end
            for view in kernel.reads
            for position in self.uses[view.buffer].writes
        )

    # Loops.

    def join_loops(self) -> None:
        """Compute in a later loop what only that one reads."""
        for position in range(len(self.kernels) - 1, -1, -1):
            kernel = self.kernels[position]
            if isinstance(kernel, MapKernel):
                self.hand_on(position, kernel)

    def hand_on(self, position: int, kernel: MapKernel) -> None:
        """Move what a loop stores for one later loop there."""
        for part in components(kernel):
            readers = {r for _, view in part.stores for r in self.uses[view.buffer].reads}
            if len(readers) != 1 or not all(self.only_here(position, v) for _, v in part.stores):
                continue
            (reader,) = readers
            other = self.kernels[reader]
            if not isinstance(other, MapKernel) or reader <= position:
                continue
            if not self.movable(part, position, reader):
                continue
            joined = into(part, other)
            if joined is None:
                continue
            self.put(reader, joined)
            rest = without(kernel, part.stores)
            self.put(position, rest)
            if rest is None:
                return
            kernel = rest

    def only_here(self, position: int, view: View) -> bool:
        """Whether a buffer is written by one kernel only, whole, and is no output."""
        alone = self.uses[view.buffer].writes == [position]
        return alone and view.buffer not in self.wanted

    # Products.

    def join_products(self) -> None:
        """Do with sums what the first loop that reads them does, before they leave the registers."""
        for position, kernel in enumerate(self.kernels):
            if isinstance(kernel, ContractKernel) and len(kernel.scalars) == 1:
                self.finish(position, kernel)

    def finish(self, position: int, kernel: ContractKernel) -> None:
        """Join a product with the first loop that reads its sums."""
        ((_, view),) = kernel.stores
        use = self.uses[view.buffer]
        if use.writes != [position] or not use.reads or view.offset or not view.contiguous:
            return
        reader = min(use.reads)
        loop = self.kernels[reader]
        if not isinstance(loop, MapKernel) or loop.shape != kernel.kept or reader < position:
            return
        loads = [
            s.view for s in loop.scalars if isinstance(s, Load) and s.view.buffer == view.buffer
        ]
        if loads != [view] or not self.movable(kernel, position, reader):
            return
        (part,) = (p for p in components(loop) if view in p.reads)
        keep = len(use.reads) > 1 or view.buffer in self.wanted
        joined = finished(kernel, part, view, keep)
        rest = without(loop, part.stores)
        self.put(position, rest)
        self.put(reader, joined)


def needed(scalars: Scalars, places: Iterable[int]) -> set[int]:
    """The scalars that some of them rest on, themselves included."""
    found = set(places)
    for place in range(len(scalars) - 1, -1, -1):
        scalar = scalars[place]
        if place in found and isinstance(scalar, Apply):
            found.update(scalar.args)
    return found


def components(kernel: MapKernel) -> list[MapKernel]:
    """A loop as loops that have no expression in common."""
    groups: list[tuple[set[int], list[tuple[int, View]]]] = []
    for place, view in kernel.stores:
        own = needed(kernel.scalars, [place])
        stores = [(place, view)]
        own = {i for i in own if isinstance(kernel.scalars[i], Apply)} | {place}
        apart = []
        for other, theirs in groups:
            if other & own:
                own, stores = own | other, theirs + stores
            else:
                apart.append((other, theirs))
        groups = [*apart, (own, stores)]
    if len(groups) == 1:
        return [kernel]
    return [part_of(kernel, tuple(stores)) for _, stores in groups]


def part_of(kernel: MapKernel, stores: Stores) -> MapKernel:
    """A loop with some of its stores only."""
    kept = sorted(needed(kernel.scalars, (place for place, _ in stores)))
    scalars = renumbered({place: kernel.scalars[place] for place in kept})
    found = tuple((kept.index(place), view) for place, view in stores)
    return replace(kernel, scalars=scalars, stores=found)


def without(kernel: MapKernel, gone: Stores) -> MapKernel | None:
    """A loop without some stores; None where none is left."""
    views = [view for _, view in gone]
    stores = tuple((place, view) for place, view in kernel.stores if view not in views)
    return part_of(kernel, stores) if stores else None


def into(part: MapKernel, reader: MapKernel) -> MapKernel | None:
    """A loop computed inside the one that reads what it stores; None where that cannot be."""
    if part.shape != reader.shape or len(part.scalars) + len(reader.scalars) > MOST_SCALARS:
        return None
    given = {view: place for place, view in part.stores}
    if any(view.buffer in {v.buffer for v in given} and view not in given for view in reader.reads):
        return None
    scalars, places = appended(part.scalars, reader.scalars, given)
    stores = tuple((places[place], view) for place, view in reader.stores)
    return replace(
        reader,
        nodes=tuple(dict.fromkeys((*part.nodes, *reader.nodes))),
        scalars=scalars,
        stores=stores,
    )


def finished(
    product: ContractKernel,
    loop: MapKernel,
    view: View,
    keep: bool,
) -> ContractKernel:
    """A product and the loop that reads its sums."""
    start: Scalars = (Sum(view.dtype),)
    scalars, places = appended(start, loop.scalars, {view: 0})
    stores = tuple((places[place], target) for place, target in loop.stores)
    return replace(
        product,
        nodes=tuple(dict.fromkeys((*product.nodes, *loop.nodes))),
        scalars=scalars,
        stores=((0, view), *stores) if keep else stores,
    )


def appended(
    first: Scalars,
    second: Scalars,
    given: dict[View, int],
) -> tuple[Scalars, list[int]]:
    """Scalars after others, where loads of some views are values of these; and the new places."""
    found = list(first)
    known = {repr(s): i for i, s in enumerate(first) if isinstance(s, (Load, Number))}
    places: list[int] = []
    for scalar in second:
        if isinstance(scalar, Load) and scalar.view in given:
            places.append(given[scalar.view])
            continue
        if isinstance(scalar, Apply):
            scalar = replace(scalar, args=tuple(places[arg] for arg in scalar.args))
        place = known.get(repr(scalar)) if isinstance(scalar, (Load, Number)) else None
        if place is None:
            place = len(found)
            found.append(scalar)
        places.append(place)
    return tuple(found), places
