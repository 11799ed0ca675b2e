"""A step neuron by neuron: every quantity with its formula.

In: a traced step and names. Out: quantities in the order in which a person computes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from deltarule.explain.blocks import Block
from deltarule.explain.expand import Expansion, Terms
from deltarule.explain.names import Names, symbols_of
from deltarule.explain.partial import partials
from deltarule.explain.record import Quantity
from deltarule.explain.step import Pass, Step
from deltarule.explain.term import ZERO, Number, Product, Sum, Symbol, Term, add, multiply, symbols
from deltarule.nn.nested import Path
from deltarule.program import Node

SHORT = {"learning_rate": "lr"}


class Neurons:
    """Collects the quantities of one step, with symbols for the nodes that have names."""

    def __init__(self, names: Names, number: int) -> None:
        self.names, self.number = names, number
        self.found: dict[str, Quantity] = {}
        self.readers: dict[str, list[str]] = {}
        self.differentiated: set[str] = set()

    def quantities(self, step: Step, after: Pass) -> tuple[Quantity, ...]:
        """All of them, in order."""
        expansion = Expansion(step.values, {}, self._rank)
        self._given(step.forward, expansion)
        self._settings(step, expansion)
        self._forward(step.forward, expansion, "", "forward")
        self._error(step.forward, expansion, "", "error")
        self._backward(step, expansion)
        self._update(step, expansion)
        self._after(step, after)
        return tuple(self.found.values())

    def _rank(self, name: str) -> int:
        """Derivatives stand before weights, weights before values."""
        role = self.found[name].role if name in self.found else ""
        if role in ("delta", "dE_dout", "partial", "gradient") or name.startswith(
            ("delta_", "dE/")
        ):
            return 0
        return 1 if role in ("weight", "bias", "new") else 2

    def put(self, name: str, value: Any, phase: str, role: str, **more: Any) -> None:
        """Add one quantity."""
        self.found[name] = Quantity(name, float(value), phase, role, self.number, **more)

    def values(self) -> dict[str, float]:
        """What is known so far."""
        return {name: q.value for name, q in self.found.items()}

    # --- given ---

    def _rowed(self, units: Sequence[str], shape: tuple[int, ...], pattern: str) -> Terms:
        """Names of the elements of an array of rows."""
        out = np.empty(shape, object)
        rows = shape[0] if len(shape) > 1 else 1
        for place in np.ndindex(shape):
            row = f"({place[0] + 1})" if rows > 1 else ""
            unit = units[place[-1]] if shape[-1] == len(units) else units[0]
            out[place] = pattern.format(unit) + row
        return out

    def _given(self, found: Pass, expansion: Expansion) -> None:
        x = expansion.values[found.inputs]
        names = self._rowed(self.names.inputs, x.shape, "{}")
        for place in np.ndindex(x.shape):
            at = {"unit": place[-1] + 1, "row": place[0] + 1}
            self.put(names[place], x[place], "given", "input", **at)
        expansion.names[found.inputs] = symbols_of(names)
        for trained, leaves in ((True, found.weights), (False, found.held)):
            for path, node in leaves.items():
                self._weights(path, node, expansion, trained)
        t = np.asarray(expansion.values[found.targets])
        if t.dtype.kind == "f" and t.ndim:
            shape = (len(t), 1) if t.ndim == 1 else t.shape
            names = self._rowed(self.names.units[-1], shape, "t_{}").reshape(t.shape)
            for place in np.ndindex(t.shape):
                at = {"unit": (place[1] if t.ndim > 1 else 0) + 1, "row": place[0] + 1}
                self.put(names[place], t[place], "given", "target", **at)
            expansion.names[found.targets] = symbols_of(names)

    def _weights(self, path: Path, node: Node, expansion: Expansion, trained: bool) -> None:
        names = self.names.weights.get(path)
        if names is None:
            return
        values = np.asarray(expansion.values[node])
        for place in np.ndindex(values.shape):
            name = names[place]
            where = self.names.places.get(name, ("weight", 0, 0, 0))
            role, layer, unit, source = where
            more = {"layer": layer, "unit": unit, "source": source, "trained": trained}
            self.put(name, values[place], "given", role, **more)
        expansion.names[node] = symbols_of(names)

    def _settings(self, step: Step, expansion: Expansion) -> None:
        for name, node in step.settings.items():
            short = SHORT.get(name, name)
            self.put(short, expansion.values[node], "given", "setting")
            expansion.names[node] = symbols_of(np.array(short, object))
        for path, node in step.memory.items():
            values = np.asarray(expansion.values[node])
            names = self._memory(path, values.shape)
            for place in np.ndindex(values.shape):
                self.put(names[place], values[place], "given", "memory", aside=self.number == 1)
            if values.dtype.kind == "f":
                expansion.names[node] = symbols_of(names)

    def _memory(self, path: Path, shape: tuple[int, ...], end: str = "") -> Terms:
        """Names of what the update rule keeps for each weight."""
        head, rest = path[0], path[1:]
        out = np.empty(shape, object)
        of = self.names.weights.get(rest)
        for place in np.ndindex(shape):
            out[place] = head + (f"_{of[place]}" if of is not None else "") + end
        return out

    # --- forward and error ---

    def _forward(self, found: Pass, expansion: Expansion, end: str, phase: str) -> None:
        for block, units in zip(found.blocks, self.names.units, strict=True):
            out = found.at[block.out]
            shape = out.type.shape
            if block.net is None:
                expansion.names[out] = symbols_of(self._rowed(units, shape, "out_{}" + end))
            elif block.plain:
                expansion.names[out] = symbols_of(self._rowed(units, shape, "out_{}" + end))
            else:
                for node, word in ((found.at[block.net], "net"), (out, "out")):
                    expansion.names[node] = symbols_of(
                        self._rowed(units, shape, f"{word}_{{}}{end}")
                    )
        for layer, block in enumerate(found.blocks, 1):
            self._block(found, block, layer, expansion, end, phase)

    def _block(
        self, found: Pass, block: Block, layer: int, expansion: Expansion, end: str, phase: str
    ) -> None:
        units, out = self.names.units[layer - 1], found.at[block.out]
        nodes = (
            [("out", out)]
            if block.net is None or block.plain
            else [
                ("net", found.at[block.net]),
                ("out", out),
            ]
        )
        for place in np.ndindex(out.type.shape):
            at = {"layer": layer, "unit": place[-1] + 1, "row": place[0] + 1}
            for word, node in nodes:
                name = expansion.names[node][place].name
                term = expansion.formula(node)[place]
                value = np.asarray(expansion.values[node])[place]
                self.put(name, value, phase, word, term=term, **at)
            if block.plain:
                name = self._rowed(units, out.type.shape, "net_{}" + end)[place]
                same = expansion.names[out][place]
                value = np.asarray(expansion.values[out])[place]
                self.put(name, value, phase, "net", term=same, aside=True, **at)

    def _error(self, found: Pass, expansion: Expansion, end: str, phase: str) -> None:
        outs = expansion.names[found.output]
        term = expansion.formula(found.loss)[()]
        parts = _parts(term, [s.name for s in outs.ravel()]) if outs.size > 1 else None
        total = self._total(outs.size) + end
        if parts:
            for place in np.ndindex(outs.shape):
                part = parts[outs[place].name]
                name = self._rowed(self.names.units[-1], outs.shape, "E_{}" + end)[place]
                at = {"unit": place[-1] + 1, "row": place[0] + 1}
                value = Quantity("", 0, phase, "loss_part", term=part).compute(self.values())
                self.put(name, value, phase, "loss_part", term=part, **at)
            names = self._rowed(self.names.units[-1], outs.shape, "E_{}" + end)
            term = add(*(Symbol(name) for name in names.ravel()))
        self.put(total, expansion.values[found.loss], phase, "loss", term=term)

    def _total(self, outputs: int) -> str:
        return "E" if outputs == 1 else "E_total"

    # --- backward ---

    def _backward(self, step: Step, expansion: Expansion) -> None:
        found = step.forward
        for layer in range(len(found.blocks), 0, -1):
            block, units = found.blocks[layer - 1], self.names.units[layer - 1]
            out = found.at[block.out]
            above = self._rowed(units, out.type.shape, "dE/dout_{}")
            deltas = self._rowed(units, out.type.shape, "delta_{}")
            if block.net is None:
                self._derivatives(step, expansion, out, above, "dE_dout", layer)
            elif block.plain:
                self._derivatives(step, expansion, out, deltas, "delta", layer)
                self._derivatives(step, expansion, out, above, "dE_dout", layer, aside=True)
            else:
                self._derivatives(step, expansion, out, above, "dE_dout", layer)
                self._slopes(units, out.type.shape, layer)
                self._derivatives(step, expansion, found.at[block.net], deltas, "delta", layer)
            below = out if block.net is None or block.plain else found.at[block.net]
            for symbol in expansion.names[below].ravel():
                self._partials(symbol.name, layer, aside=True)
            for path, node in step.gradients.items():
                self._gradients(path, node, expansion, layer)

    def _derivatives(
        self,
        step: Step,
        expansion: Expansion,
        of: Node,
        names: Terms,
        role: str,
        layer: int,
        aside: bool = False,
    ) -> None:
        """dE/d of a node's elements; a node that has a name already is called by it."""
        node = step.backward[of]
        known = node in expansion.names
        terms = expansion.names[node] if known else expansion.formula(node)
        values = np.asarray(expansion.values[node])
        for place in np.ndindex(names.shape):
            at = {"layer": layer, "unit": place[-1] + 1, "row": place[0] + 1, "aside": aside}
            of_name = expansion.names[of][place].name
            chain = None if aside else self._chain(of_name, layer)
            self.put(
                names[place], values[place], "backward", role, term=terms[place], chain=chain, **at
            )
        if not known:
            expansion.names[node] = symbols_of(names)

    def _slopes(self, units: Sequence[str], shape: tuple[int, ...], layer: int) -> None:
        """The derivative of each output with respect to its weighted sum."""
        for name in self._rowed(units, shape, "out_{}").ravel():
            self._partials(name, layer, aside=False)

    def _partials(self, name: str, layer: int, aside: bool) -> None:
        """The derivatives of a quantity with respect to those in its formula."""
        q = self.found[name]
        if q.term is None or name in self.differentiated:
            return
        self.differentiated.add(name)
        for symbol, term in partials(q.term, name, self.values()).items():
            of = self.found[symbol]
            if of.role in ("input", "target", "setting") or (term == ZERO):
                continue
            value = Quantity("", 0, "", "", term=term).compute(self.values())
            at = {"layer": q.layer, "unit": q.unit, "row": q.row, "aside": aside}
            self.put(f"d{name}/d{symbol}", value, "backward", "partial", term=term, **at)
            self.readers.setdefault(symbol, []).append(name)

    def _chain(self, name: str, layer: int) -> Term | None:
        """The chain rule for dE/d of a quantity: through everything that reads it."""
        links = []
        for reader in self.readers.get(name, []):
            above = self._derivative_of(reader)
            if above is None or f"d{reader}/d{name}" not in self.found:
                return None
            links.append(multiply(Symbol(above), Symbol(f"d{reader}/d{name}")))
        return add(*links) if links else None

    def _derivative_of(self, name: str) -> str | None:
        word, _, unit = name.partition("_")
        found = f"delta_{unit}" if word == "net" else f"dE/d{name}"
        if found not in self.found and word == "out":
            found = f"delta_{unit}"
        return found if found in self.found else None

    def _gradients(self, path: Path, node: Node, expansion: Expansion, layer: int) -> None:
        """dE/d of the weights that lead into a layer, neuron by neuron."""
        names = self.names.weights[path]
        places = self.names.places
        wanted = [p for p in np.ndindex(names.shape) if places.get(names[p], ("", 1))[1] == layer]
        if not wanted:
            return
        known = node in expansion.names
        terms = expansion.names[node] if known else expansion.formula(node)
        values = np.asarray(expansion.values[node])
        for place in sorted(wanted, key=lambda p: places.get(names[p], ("", 0, 0, 0))[2:]):
            name = names[place]
            _, _, unit, source = places.get(name, ("weight", 0, 0, 0))
            more = {"layer": layer, "unit": unit, "source": source, "parameter": name}
            chain = self._long_chain(name)
            self.put(
                f"dE/d{name}",
                values[place],
                "backward",
                "gradient",
                term=terms[place],
                chain=chain,
                **more,
            )
        if not known:
            expansion.names[node] = symbols_of(_prefixed("dE/d", names))

    def _long_chain(self, name: str) -> Term | None:
        """The chain rule for a weight, from the error through output and weighted sum."""
        links = []
        for reader in self.readers.get(name, []):
            word, _, unit = reader.partition("_")
            out, slope = f"dE/dout_{unit}", f"dout_{unit}/dnet_{unit}"
            last = Symbol(f"d{reader}/d{name}")
            if word == "net" and slope in self.found:
                links.append(multiply(Symbol(out), Symbol(slope), last))
            else:
                above = self._derivative_of(reader)
                if above is None:
                    return None
                links.append(multiply(Symbol(above), last))
        return add(*links) if links else None

    # --- update ---

    def _update(self, step: Step, expansion: Expansion) -> None:
        for path, node in step.remembered.items():
            values = np.asarray(expansion.values[node])
            names = self._memory(path, values.shape, "_new")
            if values.dtype.kind == "f":
                self._changed(node, names, names, "memory_new", expansion)
                expansion.names[node] = symbols_of(names)
        for path, node in step.updated.items():
            old = self.names.weights[path]
            self._changed(node, _prefixed("", old, "_new"), old, "new", expansion)

    def _changed(
        self, node: Node, names: Terms, old: Terms, role: str, expansion: Expansion
    ) -> None:
        terms, values = expansion.formula(node), np.asarray(expansion.values[node])
        for place in np.ndindex(names.shape):
            name = names[place]
            if name in self.found:
                continue
            _, layer, unit, source = self.names.places.get(old[place], ("weight", 0, 0, 0))
            more = {"layer": layer, "unit": unit, "source": source, "parameter": str(old[place])}
            self.put(name, values[place], "update", role, term=terms[place], **more)

    def _after(self, step: Step, after: Pass) -> None:
        """Forward and error with the new weights."""
        expansion = Expansion(after.values, {}, self._rank)
        for path, node in after.weights.items():
            expansion.names[node] = symbols_of(_prefixed("", self.names.weights[path], "_new"))
        for path, node in after.held.items():
            if path in self.names.weights:
                expansion.names[node] = symbols_of(self.names.weights[path])
        old = step.forward
        x, t = old.inputs, old.targets
        expansion.names[after.inputs] = symbols_of(
            self._rowed(self.names.inputs, x.type.shape, "{}")
        )
        if t.type.is_float and t.type.shape:
            shape = t.type.shape if len(t.type.shape) > 1 else (*t.type.shape, 1)
            names = self._rowed(self.names.units[-1], shape, "t_{}").reshape(t.type.shape)
            expansion.names[after.targets] = symbols_of(names)
        self._forward(after, expansion, "_new", "error after")
        self._error(after, expansion, "_new", "error after")


def _prefixed(head: str, names: Terms, end: str = "") -> Terms:
    out = np.empty(names.shape, object)
    for place in np.ndindex(names.shape):
        out[place] = f"{head}{names[place]}{end}"
    return out


def _parts(term: Term, outs: Sequence[str]) -> dict[str, Term] | None:
    """The loss as one part for each output; None where it does not fall apart so."""
    found: dict[str, list[Term]] = {name: [] for name in outs}
    for one in _addends(term):
        here = [name for name in symbols(one) if name in found]
        if len(here) != 1:
            return None
        found[here[0]].append(one)
    return {name: add(*terms) for name, terms in found.items()} if all(found.values()) else None


def _addends(term: Term) -> Iterator[Term]:
    """The terms of a sum; a product with a sum in it is multiplied out."""
    if isinstance(term, Sum):
        for one in term.terms:
            yield from _addends(one)
    elif isinstance(term, Product) and _shared(term):
        for one in term.factors[1].terms:  # type: ignore[union-attr]
            yield from _addends(multiply(term.factors[0], one))
    else:
        yield term


def _shared(term: Product) -> bool:
    """Whether it is a constant times a sum."""
    return (
        len(term.factors) == 2
        and isinstance(term.factors[0], Number)
        and isinstance(term.factors[1], Sum)
    )


__all__ = ["Neurons", "partials"]
