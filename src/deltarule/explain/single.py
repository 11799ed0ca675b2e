"""One weight of a network of any size: how its gradient comes about.

In: a traced step and the name of a weight, ``dense1.weight[3, 7]``. Out: the few numbers that its
gradient is made of, each with its formula: the chain rule through its neuron, row by row, and the
update.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from deltarule.errors import DataError
from deltarule.explain.elements import Elements, Key, Place
from deltarule.explain.matrices import Matrices
from deltarule.explain.record import Quantity
from deltarule.explain.step import Step
from deltarule.explain.term import symbols
from deltarule.nn.nested import Path

ROWS = 3  # rows whose numbers are shown one by one
WITHIN = ("dE/dZ", "dE/dH", "dE/dY", "Z", "H", "Y", "v")  # what has lines of its own


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
    if path not in step.gradients:
        raise DataError(f"{'.'.join(path)} is frozen: it has no gradient; net.unfreeze(...) first")
    place = tuple(int(i) for i in (match[2] or "").replace(" ", "").split(",") if i)
    shape = weights[path].type.shape
    if len(place) != len(shape) or any(i >= n for i, n in zip(place, shape, strict=True)):
        raise DataError(
            f"{given!r}: {'.'.join(path)} has shape {shape}; give {len(shape)} places, counted from 0"
        )
    return path, place


def one_weight(step: Step, given: str) -> tuple[Quantity, ...]:
    """The quantities that make one weight's gradient, and its update."""
    return OneWeight(step, given).quantities()


class OneWeight:
    """Collects what one weight's gradient is made of."""

    def __init__(self, step: Step, given: str) -> None:
        self.step = step
        self.path, self.place = find_weight(step, given)
        self.elements = Elements(step.values)
        self.sheet: dict[str, Quantity] = {}
        self.matrices = Matrices(step, step.forward, 1)
        self.whole = self.matrices.weights[self.path]
        self.own = _indexed(self.whole)(self.place)
        self._name()

    def _name(self) -> None:
        """Every array is called as in matrix form, its elements by their places."""
        gradient = self.step.gradients[self.path]
        for node, name in self.matrices.named().names.items():
            if node is not gradient:
                self.elements.names[node] = _indexed(name)

    def quantities(self) -> tuple[Quantity, ...]:
        """From the weight through its neuron to the new weight."""
        step = self.step
        weight = (step.forward.weights[self.path], self.place)
        gradient = (step.gradients[self.path], self.place)
        updated = (step.updated[self.path], self.place)
        self._put(self.own, weight, "given", "weight", formula=False)
        reads = symbols(self.elements.formula(gradient))
        self._lines(self._followed(list(reads)))
        self._put(f"dE/d{self.own}", gradient, "backward", "gradient")
        self.elements.names[gradient[0]] = _indexed(f"dE/d{self.whole}")
        self._put(f"{self.own}_new", updated, "update", "new")
        self._rest()
        return tuple(self.sheet.values())

    def _put(self, name: str, key: Key, phase: str, role: str, formula: bool = True) -> None:
        term = self.elements.formula(key) if formula else None
        self.sheet[name] = Quantity(
            name, self._value(key), phase, role, term=term, parameter=self.own
        )

    def _value(self, key: Key) -> float:
        node, place = key
        return float(np.asarray(self.step.values[node])[place])

    def _lines(self, names: list[str]) -> None:
        """Lines in the order of the graph: forward, the error, backward."""
        order = {node: i for i, node in enumerate(self.step.values)}
        keys = self.elements.keys
        error = self.step.forward.loss

        def at(name: str) -> tuple[int, Place]:
            node, place = keys[name]
            return order[node], place

        inorder = sorted(names, key=at)
        early = [name for name in inorder if order[keys[name][0]] < order[error]]
        for name in early:
            self._put(name, keys[name], "forward", "value")
        self._put("E", (error, ()), "error", "loss", formula=False)
        for name in inorder[len(early) :]:
            self._put(name, keys[name], "backward", "delta")

    def _followed(self, waiting: list[str]) -> list[str]:
        """Names with lines of their own: what the gradient reads, what that reads, in the first rows."""
        found: list[str] = []
        while waiting:
            name = waiting.pop(0)
            row = re.search(r"\[(\d+)", name)
            beyond = row is not None and int(row[1]) >= ROWS
            if name in found or beyond or not name.startswith(WITHIN):
                continue
            found.append(name)
            more = symbols(self.elements.formula(self.elements.keys[name]))
            if len(more) <= 3 or name.startswith("dE/dZ"):
                waiting += more
        return found

    def _rest(self) -> None:
        """Numbers that formulas read and that have no line of their own."""
        for q in list(self.sheet.values()):
            for name in q.depends:
                if name not in self.sheet:
                    value = self._value(self.elements.keys[name])
                    self.sheet[name] = Quantity(name, value, q.phase, "value", aside=True)


def _indexed(name: str) -> Callable[[Place], str]:
    """The name of an element by its place."""

    def at(place: Place) -> str:
        places = ",".join(map(str, place))
        return f"{name}[{places}]" if place else name

    return at
