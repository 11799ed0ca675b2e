"""Loops over elements while they still grow: elementwise nodes that are computed together.

In: scalars, added one by one. Out: a Map kernel with those that somebody stores; or the scalars of one
value, to be computed inside the only kernel that reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deltarule.compile.kernels import Apply, MapKernel, Scalar, key_of
from deltarule.compile.views import Ints, View
from deltarule.program import Node

MOST_SCALARS = 100  # of one loop
Scalars = tuple[Scalar, ...]
Store = tuple[int, View]
Stores = tuple[Store, ...]


@dataclass
class Draft:
    """A Map kernel that still grows; ``position`` is its place in the order of kernels."""

    position: int
    shape: Ints
    scalars: list[Scalar] = field(default_factory=list)
    makers: list[Node | None] = field(default_factory=list)
    stores: list[Store] = field(default_factory=list)
    known: dict[Any, int] = field(default_factory=dict)

    def add(self, scalar: Scalar, maker: Node | None = None) -> int:
        """The place of a scalar, which is added unless it is there."""
        place = self.known.setdefault(key_of(scalar), len(self.scalars))
        if place == len(self.scalars):
            self.scalars.append(scalar)
            self.makers.append(maker)
        return place

    def freeze(self) -> MapKernel | None:
        """The kernel with only what some store needs; None where that is nothing."""
        if not self.stores or 0 in self.shape:
            return None
        kept, scalars, stores = only(self.scalars, self.stores)
        nodes = tuple(maker for place in kept if (maker := self.makers[place]))
        return MapKernel(nodes, self.shape, scalars, stores)


@dataclass(frozen=True, slots=True)
class Pending:
    """A value of a draft that is in memory only if someone asks for it."""

    draft: Draft
    place: int


def needed(scalars: Sequence[Scalar], places: Iterable[int]) -> set[int]:
    """The scalars that some of them rest on, themselves included."""
    found = set(places)
    for place in range(len(scalars) - 1, -1, -1):
        scalar = scalars[place]
        if place in found and isinstance(scalar, Apply):
            found.update(scalar.args)
    return found


def only(scalars: Sequence[Scalar], stores: Sequence[Store]) -> tuple[list[int], Scalars, Stores]:
    """What some stores need: the places of scalars, and both with places counted anew."""
    kept = sorted(needed(scalars, (place for place, _ in stores)))
    if len(kept) == len(scalars):
        return kept, tuple(scalars), tuple(stores)
    new = {place: i for i, place in enumerate(kept)}
    found = tuple((new[place], view) for place, view in stores)
    return kept, renumbered({place: scalars[place] for place in kept}), found


def renumbered(scalars: dict[int, Scalar]) -> Scalars:
    """Scalars in the order of their places, their arguments counted anew."""
    new = {old: i for i, old in enumerate(sorted(scalars))}
    return tuple(moved(scalars[place], new) for place in new)


def moved(scalar: Scalar, places: Mapping[int, int] | Sequence[int]) -> Scalar:
    """A scalar whose arguments have new places."""
    if not isinstance(scalar, Apply):
        return scalar
    return Apply(scalar.expression, tuple([places[arg] for arg in scalar.args]), scalar.dtype)
