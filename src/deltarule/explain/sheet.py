"""The sheet on which a step is worked out: quantities in order, and the names of nodes.

In: nodes with names for their elements. Out: quantities with formulas over the names before them. A
value that is used in several places and takes more than a glance gets a name of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.explain.expand import LARGEST, Expansion, Terms
from deltarule.explain.names import symbols_of
from deltarule.explain.record import Quantity
from deltarule.explain.rows import renewed
from deltarule.explain.term import Symbol, Term, symbols
from deltarule.program import Node
from deltarule.program.lowering import Alias, Index

GLANCE = 3  # a formula of fewer names is repeated rather than named
LONG = 8  # one of more names is named even where it is used once
DERIVATIVES = ("delta", "dE_dout", "partial", "gradient")


class Sheet:
    """Quantities of one step, and symbols for the nodes that have names."""

    def __init__(self, number: int, values: Mapping[Node, Any]) -> None:
        self.number = number
        self.found: dict[str, Quantity] = {}
        self.roles: dict[str, str] = {}
        self.pending: dict[str, tuple[Node, tuple[int, ...]]] = {}
        self.expansion = Expansion(values, {}, self._rank)
        self.node_values = values
        self.formulas: dict[Node, Terms] = {}  # of named nodes

    def turn(self, values: Mapping[Node, Any]) -> dict[Node, Terms]:
        """Go on with the nodes of another trace; the names of the nodes before."""
        before = self.expansion.names
        self.expansion = Expansion(values, {}, self._rank)
        self.node_values = values
        return before

    def _rank(self, name: str) -> int:
        """Derivatives stand before weights, weights before values."""
        role = self.roles.get(name, "")
        return 0 if role in DERIVATIVES else 1 if role in ("weight", "bias", "new") else 2

    def values(self) -> dict[str, float]:
        """Numbers known so far."""
        return {name: q.value for name, q in self.found.items()}

    # --- names ---

    def call(self, node: Node, names: Terms, role: str) -> bool:
        """Name the elements of a node; False where they have names already."""
        self.roles.update(dict.fromkeys(names.ravel(), role))
        if node in self.expansion.names:
            return False
        self.expansion.names[node] = symbols_of(names)
        return True

    def names(self, node: Node) -> Terms:
        """The names of a named node's elements."""
        found = self.expansion.names[node]
        out = np.empty(found.shape, object)
        for place in np.ndindex(found.shape):
            out[place] = found[place].name
        return out

    def numbers(self, node: Node) -> Any:
        """The value of a node as an array."""
        return np.asarray(self.node_values[node])

    def call_intermediates(
        self,
        nodes: Sequence[Node],
        letter: str,
        name: Callable[[str, Node, Terms], Terms],
        glance: int = GLANCE,
    ) -> None:
        """Name what is used in several places, or is too long to be part of another formula."""
        uses: dict[Node, int] = {}
        for node in self.node_values:
            for arg in dict.fromkeys(node.args):
                uses[arg] = uses.get(arg, 0) + 1
        named: dict[tuple[Term, ...], Terms] = {}
        for node in nodes:
            if node in self.expansion.names or not _computed(node):
                continue
            terms = self.expansion.formula(node)
            key = tuple(terms.flat)
            if key in named and named[key].shape == terms.shape:  # computed twice
                self.call(node, named[key], "value")
                continue
            used = max((len(symbols(t)) for t in key), default=0)
            if (uses.get(node, 0) > 1 and used >= glance) or used > LONG:
                names = name(f"{letter}{len(named) + 1}", node, terms)
                named[key] = names
                self.call(node, names, "value")
                for place in np.ndindex(names.shape):
                    self.pending[names[place]] = (node, place)

    def call_again(
        self, old: Sequence[Node], new: Sequence[Node], named: Mapping[Node, Terms]
    ) -> None:
        """Name intermediate values as in the pass before the update."""
        if [node.primitive for node in old] != [node.primitive for node in new]:
            return
        roles = self.roles
        for before, node in zip(old, new, strict=True):
            terms = named.get(before)
            if terms is None or not terms.size or roles.get(terms.flat[0].name) != "value":
                continue
            names: Terms = np.empty(terms.shape, object)
            for place in np.ndindex(terms.shape):
                names[place] = renewed(terms[place].name)
                self.pending[names[place]] = (node, place)
            self.call(node, names, "value")

    # --- quantities ---

    def put(self, name: str, value: Any, phase: str, role: str, **more: Any) -> None:
        """Add one quantity, after those that its formulas need."""
        for term in (more.get("term"), more.get("chain")):
            if term is not None:
                self._need(term, phase)
        self.roles[name] = role
        self.found[name] = Quantity(name, float(value), phase, role, self.number, **more)

    def _need(self, term: Term, phase: str) -> None:
        """Add the intermediate values that a formula reads."""
        wanted: set[str] = set()
        stack = list(symbols(term))
        while stack:
            name = stack.pop()
            if self._waits(name) and name not in wanted:
                wanted.add(name)
                stack += symbols(self._formula(name))
        for name, (node, place) in self.pending.items():
            if name in wanted:
                value, term = self.numbers(node)[place], self._formula(name)
                self.found[name] = Quantity(name, float(value), phase, "value", self.number, term)

    def _waits(self, name: str) -> bool:
        return name in self.pending and name not in self.found

    def _formula(self, name: str) -> Term:
        node, place = self.pending[name]
        found: Term = self.expansion.formula(node)[place]
        return found

    def element(
        self, name: str, node: Node, place: tuple[int, ...], phase: str, role: str, **more: Any
    ) -> None:
        """Add the quantity of one element of a named node."""
        if node not in self.formulas:
            self.formulas[node] = self.expansion.formula(node)
        term, value = self.formulas[node][place], self.numbers(node)[place]
        self.put(name, value, phase, role, term=term, **more)

    def computed(self, name: str, term: Term, phase: str, role: str, **more: Any) -> None:
        """Add a quantity that is no node: its formula gives its number."""
        value = Quantity("", 0.0, "", "", term=term).compute(self.values())
        self.put(name, value, phase, role, term=term, **more)

    def terms(self, node: Node, names: Terms) -> Terms:
        """The formulas of a node's elements, or their symbols where others have named it."""
        known = self.expansion.names.get(node)
        if known is not None and known.size and known.flat[0] != Symbol(names.flat[0]):
            return known
        return self.expansion.formula(node)


def _computed(node: Node) -> bool:
    """Whether a node computes floats, and few enough to name each."""
    return (
        bool(node.args)
        and not isinstance(node.type, tuple)
        and node.type.dtype.kind == "f"
        and node.type.size <= LARGEST
        and not isinstance(node.primitive.lowering, Index | Alias)
        and node.primitive.notation != "{0}"
    )
