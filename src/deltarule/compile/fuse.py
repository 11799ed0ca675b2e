"""Kernels joined: a loop into the one that reads it, and what is done with sums into their product.

In: kernels in order, and which buffers are wanted at the end. Out: fewer kernels. Each join leaves a
right program, so that any of them may be left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from deltarule.compile.drafts import MOST_SCALARS, Scalars, Store, Stores, moved, needed, only
from deltarule.compile.kernels import (
    Apply,
    ContractKernel,
    Kernel,
    Load,
    MapKernel,
    Number,
    key_of,
)
from deltarule.compile.views import View
from deltarule.program import Node


def fused(kernels: Sequence[Kernel], wanted: Iterable[int]) -> list[Kernel]:
    """The kernels after all joins.

    Parameters
    ----------
    kernels : sequence of Kernel
        In order of execution.
    wanted : iterable of int
        Buffers that are outputs.
    """
    fusion = Fusion(kernels, frozenset(wanted))
    fusion.join_loops()
    fusion.join_products()
    fusion.gather_loops()
    return [kernel for kernel in fusion.kernels if kernel is not None]


@dataclass
class Use:
    """Positions of the kernels that read and write a buffer."""

    reads: set[int]
    writes: set[int]


class Fusion:
    """Kernels while they are joined; one that was joined to another is None.

    Loops are taken apart first, into parts that have no expression in common; ``home`` is the place of
    the whole one. Parts of one loop that are still there in the end are one loop again.
    """

    def __init__(self, kernels: Sequence[Kernel], wanted: frozenset[int]) -> None:
        self.kernels: list[Kernel | None] = []
        self.home: list[int] = []
        for i, kernel in enumerate(kernels):
            parts = components(kernel) if isinstance(kernel, MapKernel) else [kernel]
            self.kernels += parts
            self.home += [i] * len(parts)
        self.wanted = wanted
        self.uses: dict[int, Use] = defaultdict(lambda: Use(set(), set()))
        for position in range(len(self.kernels)):
            self.note(position)

    def note(self, position: int) -> None:
        """Enter what a kernel reads and writes."""
        kernel = self.kernels[position]
        if kernel is not None:
            for view in kernel.reads:
                self.uses[view.buffer].reads.add(position)
            for view in kernel.writes:
                self.uses[view.buffer].writes.add(position)

    def put(self, position: int, kernel: Kernel | None) -> None:
        """Replace a kernel."""
        old = self.kernels[position]
        if old is not None:
            for view in old.reads:
                self.uses[view.buffer].reads.discard(position)
            for view in old.writes:
                self.uses[view.buffer].writes.discard(position)
        self.kernels[position] = kernel
        self.note(position)

    def movable(self, kernel: Kernel, start: int, end: int) -> bool:
        """Whether a kernel reads the same where it stands and at a later place."""
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
        """Move a loop into the only one that reads what it stores."""
        readers = {r for view in kernel.writes for r in self.uses[view.buffer].reads}
        if len(readers) != 1 or not all(self.only_here(position, v) for v in kernel.writes):
            return
        (reader,) = readers
        other = self.kernels[reader]
        if isinstance(other, MapKernel) and reader > position:
            joined = into(kernel, other)
            if joined is not None and self.movable(kernel, position, reader):
                self.put(position, None)
                self.put(reader, joined)

    def only_here(self, position: int, view: View) -> bool:
        """Whether a buffer is written by one kernel only, and is no output."""
        return self.uses[view.buffer].writes == {position} and view.buffer not in self.wanted

    def gather_loops(self) -> None:
        """Parts of one loop become one again, where the last of them stands."""
        last: dict[int, int] = {}
        for position, kernel in enumerate(self.kernels):
            if not isinstance(kernel, MapKernel):
                continue
            earlier = last.get(self.home[position])
            other = None if earlier is None else self.kernels[earlier]
            if earlier is not None and isinstance(other, MapKernel):
                both = side_by_side(other, kernel)
                if both is not None:
                    self.put(earlier, None)
                    self.put(position, both)
            last[self.home[position]] = position

    # Products.

    def join_products(self) -> None:
        """Do with sums what the first loop that reads them does, before they leave the registers."""
        for position, kernel in enumerate(self.kernels):
            if not isinstance(kernel, ContractKernel):
                continue
            if len(kernel.scalars) == len(kernel.stores) == 1:
                self.finish(position, kernel)

    def finish(self, position: int, kernel: ContractKernel) -> None:
        """Join a product with the first loop that reads its sums, and with all parts of that loop."""
        ((_, view),) = kernel.stores
        use = self.uses[view.buffer]
        if use.writes != {position} or not use.reads:
            return
        first = min(use.reads)
        readers = [r for r in sorted(use.reads) if self.home[r] == self.home[first]]
        loops = [self.kernels[r] for r in readers]
        if first < position or not self.movable(kernel, position, first):
            return
        joined = kernel
        for loop in loops:
            if not (isinstance(loop, MapKernel) and reads_sums(loop, joined, view)):
                return
            joined = finished(joined, loop, view)
        if len(joined.scalars) > MOST_SCALARS:
            return
        if len(readers) == len(use.reads) and view.buffer not in self.wanted:
            joined = replace(joined, stores=joined.stores[1:])
        self.put(position, None)
        for reader in readers:
            self.put(reader, None)
        self.put(first, joined)


def reads_sums(loop: MapKernel, product: ContractKernel, view: View) -> bool:
    """Whether a loop reads the sums of a product, each at the point where it is made."""
    loads = [load for load in loop.reads if load.buffer == view.buffer]
    return loop.shape == product.kept and loads == [view]


def components(kernel: MapKernel) -> list[MapKernel]:
    """A loop as loops that have no expression in common."""
    if len(kernel.stores) == 1:
        return [kernel]
    groups: list[tuple[set[int], list[Store]]] = []
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
    _, scalars, found = only(kernel.scalars, stores)
    return replace(kernel, scalars=scalars, stores=found)


def into(part: MapKernel, reader: MapKernel) -> MapKernel | None:
    """A loop computed inside the one that reads what it stores; None where that cannot be."""
    if not fit_together(part, reader):
        return None
    given = {view: place for place, view in part.stores}
    if any(view.buffer in {v.buffer for v in given} and view not in given for view in reader.reads):
        return None
    nodes, scalars, stores = chained(part, reader, given)
    return replace(reader, nodes=nodes, scalars=scalars, stores=stores)


def side_by_side(first: MapKernel, second: MapKernel) -> MapKernel | None:
    """Two loops over one shape as one; None where that is too long."""
    if not fit_together(first, second):
        return None
    nodes, scalars, stores = chained(first, second, {})
    return replace(second, nodes=nodes, scalars=scalars, stores=(*first.stores, *stores))


def finished(
    product: ContractKernel,
    loop: MapKernel,
    view: View,
) -> ContractKernel:
    """A product and a loop that reads its sums, of which the first is stored still."""
    nodes, scalars, stores = chained(product, loop, {view: 0})
    return replace(product, nodes=nodes, scalars=scalars, stores=(*product.stores, *stores))


def fit_together(first: MapKernel, second: MapKernel) -> bool:
    """Whether two loops are over one shape, and short enough for one."""
    return first.shape == second.shape and len(first.scalars) + len(second.scalars) <= MOST_SCALARS


def chained(
    first: MapKernel | ContractKernel,
    second: MapKernel,
    given: dict[View, int],
) -> tuple[tuple[Node, ...], Scalars, Stores]:
    """Nodes and scalars of both, where loads of some views are values of the first, and the stores of the
    second."""
    scalars, places = appended(first.scalars, second.scalars, given)
    stores = tuple((places[place], view) for place, view in second.stores)
    return tuple(dict.fromkeys((*first.nodes, *second.nodes))), scalars, stores


def appended(
    first: Scalars,
    second: Scalars,
    given: dict[View, int],
) -> tuple[Scalars, list[int]]:
    """Scalars after others, where loads of some views are values of these; and the new places."""
    found = list(first)
    known = {key_of(s): i for i, s in enumerate(first) if isinstance(s, (Load, Number))}
    places: list[int] = []
    for scalar in second:
        if isinstance(scalar, Load) and scalar.view in given:
            places.append(given[scalar.view])
            continue
        place = known.get(key_of(scalar))
        if place is None:
            place = len(found)
            found.append(moved(scalar, places))
        places.append(place)
    return tuple(found), places
