"""The backward pass neuron by neuron, with the chain rule spelled out.

In: a sheet with the forward pass on it. Out: the derivatives of the error with respect to outputs,
sums and weights, from the last layer to the first; between them the partial derivatives of the
formulas.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.explain.blocks import Block
from deltarule.explain.expand import Terms
from deltarule.explain.names import Names
from deltarule.explain.partial import partials
from deltarule.explain.rows import around, spot
from deltarule.explain.sheet import DERIVATIVES, Sheet
from deltarule.explain.step import Step
from deltarule.explain.term import ZERO, Sum, Symbol, Term, add, multiply, symbols
from deltarule.program import Node

GIVEN = ("input", "target", "setting", "memory")


def name_derivatives(sheet: Sheet, step: Step, names: Names) -> None:
    """Name the nodes of the backward pass, from the last layer to the first."""
    found = step.forward
    for i in range(len(found.blocks) - 1, -1, -1):
        for pattern, role, of in _marks(step, found.blocks[i]):
            node = step.backward[of]
            sheet.call(node, names.part(i, node.type.shape, pattern), role)
    for path, node in step.gradients.items():
        sheet.call(node, around(names.weights[path], "dE/d"), "gradient")


def _marks(step: Step, block: Block) -> list[tuple[str, str, Node]]:
    """What is differentiated by: output, parts, weighted sum. Where they are one, delta comes first."""
    out = step.forward.at[block.out]
    above, below = ("dE/dout_{}", "dE_dout", out), ("delta_{}", "delta", out)
    found = [below, above] if block.plain else [above]
    for word, node in reversed(block.parts):
        found.append((f"dE/d{word}_{{}}", "dE_dout", step.forward.at[node]))
    if block.net is not None and not block.plain:
        found.append(("delta_{}", "delta", step.forward.at[block.net]))
    return [mark for mark in found if mark[2] in step.backward]


class Backward:
    """Puts the derivatives on the sheet."""

    def __init__(self, sheet: Sheet, step: Step, names: Names) -> None:
        self.sheet, self.step, self.names = sheet, step, names
        self.readers: dict[str, list[str]] = {}
        self.direct = self._read_by_error()

    def _read_by_error(self) -> set[str]:
        """What the error depends on not only through the layers above: outputs, penalized weights."""
        found = self.sheet.found
        waiting = [name for name, q in found.items() if q.role in ("loss", "loss_part")]
        read: set[str] = set()
        while waiting:
            term = found[waiting.pop()].term
            new = set(() if term is None else symbols(term)) - read
            read |= new
            waiting += [name for name in new if found[name].role == "value"]
        return read

    def work(self) -> None:
        """All layers, from the last to the first."""
        found = self.step.forward
        for layer in range(len(found.blocks), 0, -1):
            block = found.blocks[layer - 1]
            for pattern, role, of in _marks(self.step, block):
                own = self.names.part(layer - 1, of.type.shape, pattern)
                second = block.plain and role == "dE_dout"
                self._derivatives(of, own, role, layer, aside=second)
                simple = block.net is not None and not block.plain and not block.parts
                if role == "dE_dout" and (simple or block.parts):
                    self._slopes(of, aside=not simple)
            below = found.at[block.out if block.net is None or block.plain else block.net]
            if not block.parts or block.net is not None:
                self._slopes(below, aside=True)
            for path, node in self.step.gradients.items():
                self._gradients(self.names.weights[path], node, layer)

    def _derivatives(self, of: Node, own: Terms, role: str, layer: int, aside: bool) -> None:
        """dE/d of the elements of a node."""
        node = self.step.backward[of]
        terms = self.sheet.terms(node, own)
        values, of_names = self.sheet.numbers(node), self.sheet.names(of)
        for place in np.ndindex(own.shape):
            more: dict[str, Any] = spot(place, layer=layer)
            more["term"] = self._arranged(terms[place])
            more["chain"] = None if aside else self._chain(of_names[place])
            self.sheet.put(own[place], values[place], "backward", role, aside=aside, **more)

    def _arranged(self, term: Term) -> Term:
        """A sum of derivatives in the order in which these were computed."""
        roles = self.sheet.roles
        if not isinstance(term, Sum) or not all(
            any(roles.get(s) in DERIVATIVES for s in symbols(t)) for t in term.terms
        ):
            return term
        order = {name: i for i, name in enumerate(self.sheet.found)}

        def first(one: Term) -> int:
            return order.get(symbols(one)[0], len(order))

        return Sum(tuple(sorted(term.terms, key=first)))

    def _slopes(self, out: Node, aside: bool) -> None:
        """The derivative of each output with respect to its weighted sum."""
        for name in self.sheet.names(out).ravel():
            self._partials(name, aside=aside)

    def _partials(self, name: str, aside: bool) -> None:
        """The derivatives of a quantity with respect to those in its formula."""
        found = self.sheet.found
        q = found[name]
        if q.term is None:
            return
        where = {"layer": q.layer, "unit": q.unit, "row": q.row, "aside": aside}
        for symbol, term in partials(q.term, name, self.sheet.values()).items():
            if found[symbol].role in GIVEN or term == ZERO:
                continue
            own = f"d{name}/d{symbol}"
            self.sheet.computed(own, term, "backward", "partial", **where)
            self.readers.setdefault(symbol, []).append(name)

    def _chain(self, name: str) -> Term | None:
        """The chain rule for dE/d of a quantity: through everything that reads it."""
        links = []
        for reader in self.readers.get(name, []):
            above = self._derivative_of(reader)
            if above is None or name in self.direct:
                return None
            links.append(multiply(Symbol(above), Symbol(f"d{reader}/d{name}")))
        return add(*links) if links else None

    def _derivative_of(self, name: str) -> str | None:
        """What dE/d of a quantity is called."""
        word, _, unit = name.partition("_")
        for own in (f"dE/d{name}", f"delta_{unit}"):
            if own in self.sheet.found and (word in ("net", "out") or own.startswith("dE")):
                return own
        return None

    def _gradients(self, names: Terms, node: Node, layer: int) -> None:
        """dE/d of the weights that lead into a layer, neuron by neuron."""
        terms = self.sheet.terms(node, around(names, "dE/d"))
        values = self.sheet.numbers(node)
        for place in self.names.inorder(names):
            name = names[place]
            where: dict[str, Any] = self.names.spot(name)
            if where["layer"] != layer:
                continue
            where["term"] = self._arranged(terms[place])
            where["chain"] = self._long_chain(name)
            where["parameter"] = name
            self.sheet.put(f"dE/d{name}", values[place], "backward", "gradient", **where)

    def _long_chain(self, name: str) -> Term | None:
        """The chain rule for a weight, from the error through output and weighted sum."""
        links = []
        for reader in self.readers.get(name, []):
            word, _, unit = reader.partition("_")
            slope, last = f"dout_{unit}/dnet_{unit}", Symbol(f"d{reader}/d{name}")
            above = self._derivative_of(reader)
            if name in self.direct:
                return None
            alone = self.readers.get(reader) == [
                f"out_{unit}"
            ]  # else others depend on the sum, too
            if word == "net" and alone and slope in self.sheet.found:
                links.append(multiply(Symbol(f"dE/dout_{unit}"), Symbol(slope), last))
            elif above is None:
                return None
            else:
                links.append(multiply(Symbol(above), last))
        return add(*links) if links else None


__all__ = ["Backward", "name_derivatives"]
