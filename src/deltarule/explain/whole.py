"""Formulas of whole arrays: X W + b, one term for a node instead of one for each element.

In: the nodes of a trace, with names for some. Out: terms over these names.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.explain.expand import ARITHMETIC
from deltarule.explain.order import parts_first
from deltarule.explain.term import Call, Number, Symbol, Term, symbols, walk
from deltarule.program import Node, ops
from deltarule.program.lowering import Alias, Index, Map

GLANCE = 4  # a formula of fewer parts is repeated rather than named
LONG = 20  # one of more parts is named even where it is used once


class Whole:
    """Terms of nodes over named nodes; constants that have no name get one.

    Attributes
    ----------
    values : mapping
        Node -> number or array.
    names : dict
        Node -> name.
    """

    def __init__(self, values: Mapping[Node, Any]) -> None:
        self.values = values
        self.names: dict[Node, str] = {}
        self.known: dict[Node, Term] = {}
        self.constants: dict[str, Node] = {}

    def call(self, node: Node, name: str) -> bool:
        """Name a node; False where it has a name already."""
        if node in self.names:
            return False
        self.names[node] = name
        return True

    def term(self, node: Node) -> Term:
        """The name of a named node, the formula of any other."""
        done: ChainMap[Node, Any] = ChainMap(self.names, self.known)
        for part in parts_first((node,), lambda n: n.args, done):
            self.known[part] = self.formula(part)
        return Symbol(self.names[node]) if node in self.names else self.known[node]

    def formula(self, node: Node) -> Term:
        """The formula of a node, whose own name is not used."""
        if not node.args or isinstance(node.type, tuple):
            return self._constant(node)
        args = [self.term(arg) for arg in node.args]
        if node.primitive.notation == "{0}":
            return args[0]
        if node.type.dtype.kind in "iu":
            return self._places(args) or Call(node.primitive, tuple(args))
        if isinstance(node.primitive.lowering, Map):
            rule = ARITHMETIC.get(node.primitive.name)
            return rule(*args) if rule else Call(node.primitive, tuple(args), _mark(node))
        return Call(node.primitive, tuple(args), _mark(node))

    def _places(self, args: Sequence[Term]) -> Term | None:
        """What indices are made of: the one name that is no constant."""
        names = {name for arg in args for name in symbols(arg)} - set(self.constants)
        return Symbol(names.pop()) if len(names) == 1 else None

    def _constant(self, node: Node) -> Term:
        x = np.asarray(self.values.get(node, node.attrs.get("value")))
        if x.size and x.dtype.kind in "biuf" and (x == x.flat[0]).all():
            return Number(float(x.flat[0]))
        name = f"c{len(self.constants) + 1}"
        self.names[node] = name
        self.constants[name] = node
        return Symbol(name)

    def call_intermediates(
        self, nodes: Sequence[Node], least: int = GLANCE, letter: str = "v"
    ) -> list[Node]:
        """Name what is used in several places, or is too long to be part of another formula."""
        uses: dict[Node, int] = {}
        for node in self.values:
            for arg in dict.fromkeys(node.args):
                uses[arg] = uses.get(arg, 0) + 1
        found: list[Node] = []
        named: dict[Term, str] = {}
        for node in nodes:
            if node in self.names or not computes(node):
                continue
            term = self.formula(node)
            parts = sum(1 for _ in walk(term))
            if term in named:  # computed twice
                self.call(node, named[term])
            elif (uses.get(node, 0) > 1 and parts >= least) or parts > LONG:
                named[term] = f"{letter}{len(found) + 1}"
                self.call(node, named[term])
                found.append(node)
        return found


def _mark(node: Node) -> str:
    """What tells a node from others of its kind on the same arguments; of a slice its places."""
    if node.primitive is not ops.slice:
        return repr(sorted(node.attrs.items(), key=str)) if node.attrs else ""
    axes = zip(
        node.attrs["start"],
        node.attrs["size"],
        node.attrs["step"],
        node.args[0].type.shape,
        strict=True,
    )
    return ",".join(_range(*axis) for axis in axes)


def _range(start: int, size: int, step: int, whole: int) -> str:
    if (start, size, step) == (0, whole, 1):
        return ":"
    if size == 1:
        return str(start)
    return f"{start}:{start + size * step}" + (f":{step}" if step != 1 else "")


def computes(node: Node) -> bool:
    """Whether a node computes floats: it is no input, no move, no other name of the same."""
    moves = isinstance(node.primitive.lowering, Index | Alias) or node.primitive.notation == "{0}"
    return bool(node.args) and not isinstance(node.type, tuple) and node.type.is_float and not moves


def scalars(values: Iterable[tuple[str, Any]]) -> set[str]:
    """Names of numbers among arrays."""
    return {name for name, value in values if np.ndim(value) == 0 or np.size(value) == 1}


__all__ = ["Whole", "computes", "scalars"]
