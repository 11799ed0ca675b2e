"""Formulas of single elements of large arrays, computed only where they are asked for.

In: nodes with names. Out: the term of one element, over the named elements that it is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deltarule.explain.expand import ARITHMETIC, label_sizes, reduction
from deltarule.explain.term import Call, Number, Symbol, Term, add, multiply
from deltarule.program import Node
from deltarule.program.lowering import Contract, Index, Map, Reduce
from deltarule.program.ops.contract import labels

Place = tuple[int, ...]
Key = tuple[Node, Place]


class Elements:
    """Formulas of single elements, computed only where they are asked for.

    Attributes
    ----------
    names : dict
        Node -> the name of an element by its place.
    """

    def __init__(self, values: Mapping[Node, Any]) -> None:
        self.values = values
        self.names: dict[Node, Callable[[Place], str]] = {}
        self.known: dict[Key, Term] = {}
        self.moves: dict[Node, Any] = {}
        self.keys: dict[str, Key] = {}

    def term(self, key: Key) -> Term:
        """The name of an element, or its formula."""
        stack = [key]
        while stack:
            top = stack[-1]
            if self._named(top) or top in self.known:
                stack.pop()
                continue
            waiting = [k for k in self._needs(top) if k not in self.known and not self._named(k)]
            if waiting:
                stack.extend(waiting)
            else:
                self.known[stack.pop()] = self.formula(top)
        return self._symbol(key) if self._named(key) else self.known[key]

    def formula(self, key: Key) -> Term:
        """The formula of an element, whose own name is not used."""
        node, place = key
        needs = self._needs(key)
        if not needs:
            return Number(float(np.asarray(self._value(node))[place]))
        found = [self.term(k) for k in needs]
        lowering = node.primitive.lowering
        if isinstance(lowering, Reduce):
            return reduction(node, lowering.op, tuple(found))
        if isinstance(lowering, Contract):
            n = len(node.args)
            return add(*(multiply(*found[i : i + n]) for i in range(0, len(found), n)))
        if len(found) == 1 and (isinstance(lowering, Index) or node.primitive.notation == "{0}"):
            return found[0]
        rule = ARITHMETIC.get(node.primitive.name)
        return rule(*found) if rule else Call(node.primitive, tuple(found))

    def _named(self, key: Key) -> bool:
        return key[0] in self.names

    def _symbol(self, key: Key) -> Symbol:
        name = self.names[key[0]](key[1])
        self.keys.setdefault(name, key)
        return Symbol(name)

    def _value(self, node: Node) -> Any:
        return self.values[node] if node in self.values else node.attrs["value"]

    def _needs(self, key: Key) -> list[Key]:
        """The elements that an element is made of; none where it is a number by itself."""
        node, place = key
        lowering = node.primitive.lowering
        if not node.args or isinstance(node.type, tuple) or node.type.dtype.kind not in "fb":
            return []
        if isinstance(lowering, Map) or (
            node.primitive.notation == "{0}" and not isinstance(lowering, Index)
        ):
            return [(arg, _aligned(place, arg.type.shape)) for arg in node.args]
        if isinstance(lowering, Reduce) and "axes" in node.attrs:
            return [(node.args[0], p) for p in _reduced(place, node)]
        if isinstance(lowering, Contract):
            return _contracted(place, node)
        if isinstance(lowering, Index) and lowering.kind != "scatter_add":
            return self._moved(key)
        return []

    def _moved(self, key: Key) -> list[Key]:
        """The element that was moved here; none where it is a zero that a pad put there."""
        node, place = key
        if node not in self.moves:
            start, numbered = 1, []
            for arg in node.args:
                if arg.type.is_float:
                    numbered.append(np.arange(start, start + arg.type.size).reshape(arg.type.shape))
                    start += arg.type.size
                else:
                    numbered.append(np.asarray(self._value(arg)))
            self.moves[node] = np.asarray(node.primitive.evaluate(*numbered, **node.attrs))
        at = int(self.moves[node][place]) - 1
        for arg in node.args:
            if arg.type.is_float:
                if 0 <= at < arg.type.size:
                    found = np.unravel_index(at, arg.type.shape) if arg.type.shape else ()
                    return [(arg, tuple(int(i) for i in found))]
                at -= arg.type.size
        return []


def _aligned(place: Place, shape: Place) -> Place:
    """The place in an argument that is broadcast."""
    last = place[len(place) - len(shape) :]
    return tuple(0 if n == 1 else i for i, n in zip(last, shape, strict=True))


def _reduced(place: Place, node: Node) -> list[Place]:
    axes, shape = node.attrs["axes"], node.args[0].type.shape
    kept = [i for i in range(len(shape)) if i not in axes]
    found = []
    for inner in np.ndindex(*(shape[a] for a in axes)):
        at = dict(zip(kept, place, strict=True)) | dict(zip(axes, inner, strict=True))
        found.append(tuple(at[i] for i in range(len(shape))))
    return found


def _contracted(place: Place, node: Node) -> list[Key]:
    spec = node.primitive.lowering.spec(*(a.type for a in node.args), **node.attrs)  # type: ignore[union-attr]
    operands, result = labels(spec)
    sizes = label_sizes(operands, [arg.type.shape for arg in node.args])
    summed = [label for label in sizes if label not in result]
    found = []
    for inner in np.ndindex(*(sizes[label] for label in summed)):
        at = dict(zip(result, place, strict=True)) | dict(zip(summed, inner, strict=True))
        for letters, arg in zip(operands, node.args, strict=True):
            found.append((arg, _aligned(tuple(at[x] for x in letters), arg.type.shape)))
    return found
