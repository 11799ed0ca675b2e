"""A step in matrix form: each layer a block, each array one quantity with its shape.

In: a traced step of a network of any size. Out: quantities whose values are arrays: Z1 = X W1 + b1,
H1, dE/dZ1 ...
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.explain.given import SHORT
from deltarule.explain.names import short, weight_readers
from deltarule.explain.record import Quantity
from deltarule.explain.step import Pass, Step
from deltarule.explain.term import Term, symbols
from deltarule.explain.whole import Whole
from deltarule.nn.nested import Path
from deltarule.program import Node


class Matrices:
    """Collects the quantities of one step."""

    def __init__(self, step: Step, after: Pass, number: int) -> None:
        self.step, self.after, self.number = step, after, number
        self.found: dict[str, Quantity] = {}
        self.weights = weight_names(step)

    def quantities(self) -> tuple[Quantity, ...]:
        """All of them, in order."""
        found = self.step.forward
        whole = self.named()
        marks = self.marks(found)
        self._passes(whole, found, marks, "", "forward", "error")
        self._backward(whole, marks)
        self._update(whole)
        self._after()
        return tuple(self.found.values())

    def named(self) -> Whole:
        """Names for everything that has one; what is given is put on the sheet."""
        step, found = self.step, self.step.forward
        whole = Whole(step.values)
        self._given(whole, found)
        for name, node in step.settings.items():
            whole.call(node, SHORT.get(name, name))
            self._put(whole, node, SHORT.get(name, name), "given", "setting", formula=False)
        marks = self.marks(found)
        for name, _, node in marks:
            whole.call(node, name)
        for name, _, node in reversed(marks):
            if node in step.backward:
                whole.call(step.backward[node], f"dE/d{name}")
        for path, node in step.gradients.items():
            whole.call(node, f"dE/d{self.weights[path]}")
        whole.call(found.loss, "E")
        self.between = whole.call_intermediates([*found.order, *step.between])
        self.between += whole.call_intermediates(step.products, 2, "u")
        return whole

    def _put(
        self,
        whole: Whole,
        node: Node,
        name: str,
        phase: str,
        role: str,
        formula: bool = True,
        **more: Any,
    ) -> None:
        """Add one quantity, after what its formula needs."""
        term: Term | None = None
        if formula:
            own = whole.names.get(node)
            other = own not in (None, name)
            term = whole.term(node) if other else whole.formula(node)
            self._need(whole, [node] if other else list(node.args), phase)
            self._constants(whole, term)
        value = np.asarray(whole.values[node])[()]
        where = "" if node.origin is None else node.origin.scope
        self.found[name] = Quantity(
            name, value, phase, role, self.number, term, where=where, **more
        )

    def _constants(self, whole: Whole, term: Term) -> None:
        """Arrays of the network that are neither inputs nor weights, like the mask of a dropout."""
        for name in symbols(term):
            if name in whole.constants and name not in self.found:
                value = np.asarray(whole.values[whole.constants[name]])[()]
                self.found[name] = Quantity(name, value, "given", "value", self.number)

    def _need(self, whole: Whole, stack: list[Node], phase: str) -> None:
        """Intermediate values that are read and not on the sheet yet, in the order of the graph."""
        names = {whole.names[n]: n for n in self.between if n in whole.names}
        wanted = set()
        while stack:
            top = stack.pop()
            name = whole.names.get(top)
            if name in names and name not in self.found and names[name] not in wanted:
                wanted.add(names[name])  # an equal node may bear the name as well
                stack += top.args
            elif name is None:
                stack += top.args
        for n in self.between:
            if n in wanted:
                value, name = np.asarray(whole.values[n])[()], whole.names[n]
                term = whole.formula(n)
                self.found[name] = Quantity(name, value, phase, "value", self.number, term)

    def _given(self, whole: Whole, found: Pass, end: str = "") -> None:
        named = [("X", "input", found.inputs), ("T", "target", found.targets)]
        for path, node in {**found.weights, **found.held}.items():
            trained = path in found.trained
            name = self.weights.get(path, ".".join(path))
            named.append((name + (end if trained else ""), "weight", node))
        for name, role, node in named:
            whole.call(node, name)
            if not end:
                self._put(whole, node, name, "given", role, formula=False)

    def marks(self, found: Pass, end: str = "") -> list[tuple[str, str, Node]]:
        """Weighted sums and outputs, with their names and roles."""
        marks: list[tuple[str, str, Node]] = []
        products = 0
        for block in found.blocks:
            products += block.net is not None
            last = block is found.blocks[-1]
            name = "Y" if last else f"H{products}" if block.net else short(block.scope) or "V1"
            name = free(name, {mark[0].removesuffix(end) for mark in marks})
            if block.net is not None and not block.plain:
                marks.append((f"Z{products}{end}", "net", found.at[block.net]))
            for word, node in block.parts:
                marks.append((f"{word}_{name}{end}", "part", found.at[node]))
            marks.append((name + end, "out", found.at[block.out]))
        return marks

    def _passes(
        self, whole: Whole, found: Pass, marks: Any, end: str, forward: str, error: str
    ) -> None:
        for name, role, node in marks:
            self._put(whole, node, name, forward, role)
        self._put(whole, found.loss, "E" + end, error, "loss")

    def _backward(self, whole: Whole, marks: list[tuple[str, str, Node]]) -> None:
        readers = weight_readers(self.step)
        blocks = self.step.forward.blocks
        for i in range(len(blocks) - 1, -1, -1):
            at = {self.step.forward.at[n] for n in blocks[i].marks} & self.step.backward.keys()
            for name, role, node in reversed(marks):
                if node in at:
                    ct = self.step.backward[node]
                    kind = "delta" if role == "net" else "dE_dout"
                    self._put(whole, ct, f"dE/d{name}", "backward", kind)
            for path, node in self.step.gradients.items():
                if readers.get(path, 0) == i:
                    name = self.weights[path]
                    self._put(whole, node, f"dE/d{name}", "backward", "gradient", parameter=name)

    def _update(self, whole: Whole) -> None:
        for path, node in self.step.memory.items():
            name = self._memory(path)
            whole.call(node, name)
            started = bool(np.any(whole.values[node]))
            self._put(whole, node, name, "given", "memory", formula=False, aside=not started)
        for path, node in self.step.remembered.items():
            if node.type.dtype.kind == "f":
                name = self._memory(path) + "_new"
                self._put(whole, node, name, "update", "memory_new")
                whole.call(node, name)
        for path, node in self.step.updated.items():
            name = self.weights[path]
            self._put(whole, node, f"{name}_new", "update", "new", parameter=name)

        for path, node in self.step.forward.kept.items():
            if node is not self.step.forward.held[path] and node.type.is_float:
                self._put(whole, node, ".".join(path) + "_new", "update", "kept")

    def _memory(self, path: Path) -> str:
        for i in range(1, len(path)):
            if path[i:] in self.weights:
                return "_".join([*path[:i], self.weights[path[i:]]])
        return "_".join(path)

    def _after(self) -> None:
        """The error with the new weights."""
        whole = Whole(self.after.values)
        self._given(whole, self.after, "_new")
        marks = self.marks(self.after, "_new")
        for name, _, node in marks:
            whole.call(node, name)
        whole.call(self.after.loss, "E_new")
        self.between = whole.call_intermediates(self.after.order)
        for node in self.between:
            whole.names[node] += "_new"
            whole.known.clear()
        self._passes(whole, self.after, marks, "_new", "error after", "error after")


def weight_names(step: Step) -> dict[Path, str]:
    """W1, b1 of the first layer with a product, and so on; other weights by their path."""
    readers = weight_readers(step)
    blocks = step.forward.blocks
    products = [block.net is not None for block in blocks]
    found: dict[Path, str] = {}
    for path, node in step.forward.weights.items():
        at = readers.get(path)
        number = sum(products[: (at or 0) + 1])
        plain = at is not None and products[at]
        if plain and path[-1] in ("weight", "bias"):
            name = f"{'W' if path[-1] == 'weight' else 'b'}{number}"
        elif plain and len(node.type.shape) == 2:
            name = f"W{number}"
        else:
            name = ".".join(path)
        found[path] = name if name not in found.values() else ".".join(path)
    return found


def free(name: str, taken: set[str]) -> str:
    """A name that is not taken: V1, V2, ..."""
    head = name.rstrip("0123456789")
    number = int(name[len(head) :] or 1)
    while name in taken:
        number += 1
        name = f"{head}{number}"
    return name
