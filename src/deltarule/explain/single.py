"""One weight of a network of any size: how its gradient comes about.

In: a traced step and the name of a weight, ``dense1.weight[3, 7]``. Out: the few numbers that its
gradient is made of, each with its formula: the chain rule through its neuron, row by row, and the
update.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deltarule.errors import DataError
from deltarule.explain.expand import ARITHMETIC
from deltarule.explain.matrices import SHORT, Matrices, weight_names
from deltarule.explain.record import Quantity
from deltarule.explain.step import Step
from deltarule.explain.term import Call, Number, Symbol, Term, add, multiply, symbols
from deltarule.nn.nested import Path
from deltarule.program import Node
from deltarule.program.lowering import Contract, Index, Map, Reduce
from deltarule.program.ops.contract import labels

Place = tuple[int, ...]
Key = tuple[Node, Place]
ROWS = 3  # rows whose numbers are shown one by one


def find_weight(step: Step, given: str) -> tuple[Path, Place]:
    """Path and place of a weight; DataError with what there is where it is unknown."""
    weights = step.forward.weights
    match = re.fullmatch(r"\s*([\w.]+)\s*(?:\[([\d,\s]*)\])?\s*", given)
    path = tuple(match[1].split(".")) if match else ()
    known = ", ".join(
        f"{'.'.join(p)}{list(n.type.shape) if n.type.shape else ''}" for p, n in weights.items()
    )
    if not match or path not in weights:
        raise DataError(
            f"no weight is called {given!r}; there are {known} (sizes in brackets). One weight is "
            "written like dense1.weight[3, 7], counted from 0"
        )
    place = tuple(int(i) for i in (match[2] or "").replace(" ", "").split(",") if i)
    shape = weights[path].type.shape
    if len(place) != len(shape) or any(i >= n for i, n in zip(place, shape, strict=True)):
        raise DataError(
            f"{given!r}: {'.'.join(path)} has shape {shape}; give {len(shape)} places, counted from 0"
        )
    return path, place


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
            whole = add(*found)
            if lowering.op == "mean":
                return multiply(Number(1 / len(found)), whole)
            return whole if lowering.op == "sum" else Call(node.primitive, tuple(found))
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
    sizes: dict[str, int] = {}
    for letters, arg in zip(operands, node.args, strict=True):
        for letter, n in zip(letters, arg.type.shape, strict=True):
            sizes[letter] = max(n, sizes.get(letter, 1))
    summed = [label for label in sizes if label not in result]
    found = []
    for inner in np.ndindex(*(sizes[label] for label in summed)):
        at = dict(zip(result, place, strict=True)) | dict(zip(summed, inner, strict=True))
        for letters, arg in zip(operands, node.args, strict=True):
            found.append((arg, _aligned(tuple(at[x] for x in letters), arg.type.shape)))
    return found


def _indexed(name: str) -> Callable[[Place], str]:
    return lambda place: f"{name}[{','.join(map(str, place))}]" if place else name


def one_weight(step: Step, given: str, number: int = 1) -> tuple[Quantity, ...]:
    """The quantities that make one weight's gradient, and its update."""
    path, place = find_weight(step, given)
    found, elements = step.forward, Elements(step.values)
    names = weight_names(step)
    sheets = Matrices(step, found, number)
    marks = sheets.marks(found)
    whole = sheets.named()
    shared = sheets.between
    for name, node in (("X", found.inputs), ("T", found.targets)):
        elements.names[node] = _indexed(name)
    for p, node in found.weights.items():
        elements.names[node] = _indexed(names[p])
    for name, _, node in marks:
        elements.names[node] = _indexed(name)
    for name, _, node in reversed(marks):
        elements.names.setdefault(step.backward[node], _indexed(f"dE/d{name}"))
    for node in shared:
        elements.names.setdefault(node, _indexed(whole.names[node]))
    for name, node in step.settings.items():
        elements.names[node] = _indexed(SHORT.get(name, name))
    own = _indexed(names[path])(place)
    sheet: dict[str, Quantity] = {}

    def put(name: str, key: Key, phase: str, role: str, formula: bool = True) -> None:
        term = elements.formula(key) if formula else None
        value = float(np.asarray(step.values[key[0]])[key[1]])
        sheet[name] = Quantity(name, value, phase, role, number, term, parameter=own)

    put(own, (found.weights[path], place), "given", "weight", formula=False)
    gradient = (step.gradients[path], place)
    elements.names.pop(gradient[0], None)
    reads = list(symbols(elements.formula(gradient)))
    chain = _explained(elements, reads)
    order = {node: i for i, node in enumerate(step.values)}
    inorder = sorted(
        chain, key=lambda name: (order[elements.keys[name][0]], elements.keys[name][1])
    )
    early = order[found.loss]
    for name in inorder:
        late = order[elements.keys[name][0]] > early
        put(
            name,
            elements.keys[name],
            "backward" if late else "forward",
            "delta" if late else "value",
        )
    sheet["E"] = Quantity("E", float(step.values[found.loss]), "error", "loss", number)
    put(f"dE/d{own}", gradient, "backward", "gradient")
    elements.names[step.gradients[path]] = _indexed(f"dE/d{names[path]}")
    put(f"{own}_new", (step.updated[path], place), "update", "new")
    _rest(elements, step, sheet, number)
    return tuple(sheet.values())


def _explained(elements: Elements, reads: list[str]) -> list[str]:
    """Names with lines of their own: what the gradient reads, and what that reads, in the first rows."""
    found: list[str] = []
    waiting = list(reads)
    while waiting:
        name = waiting.pop(0)
        row = re.search(r"\[(\d+)", name)
        inside = name.startswith(("dE/dZ", "dE/dH", "dE/dY", "Z", "H", "Y", "v"))
        if name in found or not inside or (row and int(row[1]) >= ROWS):
            continue
        found.append(name)
        term = elements.formula(elements.keys[name])
        more = symbols(term)
        if len(more) <= 3 or name.startswith("dE/dZ"):
            waiting += more
    return found


def _rest(elements: Elements, step: Step, sheet: dict[str, Quantity], number: int) -> None:
    """Numbers that formulas read and that have no line of their own."""
    for q in list(sheet.values()):
        for name in q.depends:
            if name not in sheet:
                node, place = elements.keys[name]
                value = float(np.asarray(step.values[node])[place])
                sheet[name] = Quantity(name, value, q.phase, "value", number, aside=True)


__all__ = ["Elements", "find_weight", "one_weight"]
