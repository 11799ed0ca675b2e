"""A step neuron by neuron: every quantity with its formula.

In: a traced step and names. Out: quantities in the order in which a person computes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from deltarule.explain.backward import Backward, name_derivatives
from deltarule.explain.blocks import Block
from deltarule.explain.expand import Terms
from deltarule.explain.names import Names
from deltarule.explain.record import Quantity
from deltarule.explain.sheet import Sheet, around, rowed
from deltarule.explain.step import Pass, Step
from deltarule.explain.term import Number, Product, Sum, Symbol, Term, add, multiply, symbols
from deltarule.nn.nested import Path
from deltarule.program import Node

SHORT = {"learning_rate": "lr"}


def quantities(step: Step, after: Pass, names: Names, number: int) -> tuple[Quantity, ...]:
    """All quantities of a step, in order."""
    sheet = Sheet(number, step.values)
    found = step.forward
    _given(sheet, found, names, "")
    _settings(sheet, step, names)
    _name_outputs(sheet, found, names, "")
    name_derivatives(sheet, step, names)
    sheet.call_intermediates([*found.order, *step.between], "v", _numbered(names, found))
    _forward(sheet, found, names, "", "forward")
    _error(sheet, found, names, "", "error")
    Backward(sheet, step, names).work()
    _update(sheet, step, names)
    before = sheet.turn(after.values)
    _given(sheet, after, names, "_new")
    _name_outputs(sheet, after, names, "_new")
    sheet.call_again(found.order, after.order, before)
    _forward(sheet, after, names, "_new", "error after")
    _error(sheet, after, names, "_new", "error after")
    return tuple(sheet.found.values())


def _numbered(names: Names, found: Pass) -> Callable[[str, Node], Terms]:
    """Names of a value that has none: v1_o1 of a neuron, v1(2) of a row, v1 alone."""
    rows = found.inputs.type.shape[0]
    late = found.order[found.order.index(found.output) :]

    def name(head: str, node: Node) -> Terms:
        shape = node.type.shape
        if shape == (rows,) and node in late:
            return rowed([""], (rows, 1), head + "{}").reshape(shape)
        units = next((u for u in reversed(names.units) if shape and len(u) == shape[-1]), None)
        if units is not None:
            return rowed(units, shape, f"{head}_{{}}")
        out = np.empty(shape, object)
        alone = all(n == 1 for n in shape)
        for place in np.ndindex(shape):
            out[place] = head + ("" if alone else "".join(f"_{i + 1}" for i in place))
        return out

    return name


# --- given ---


def _given(sheet: Sheet, found: Pass, names: Names, end: str) -> None:
    """Inputs, weights and targets; after the update weights have new names, nothing is given again."""
    first = not end
    x = found.inputs
    sheet.call(x, rowed(names.inputs, x.type.shape, "{}"), "input")
    if first:
        for place, value in np.ndenumerate(sheet.numbers(x)):
            at = {"unit": place[-1] + 1, "row": place[0] + 1}
            sheet.put(sheet.names(x)[place], value, "given", "input", **at)
    for trained, leaves in ((True, found.weights), (False, found.held)):
        for path, node in leaves.items():
            if path in names.weights:
                own = names.weights[path]
                sheet.call(node, around(own, "", end) if trained else own, "weight")
                if first:
                    _weights(sheet, node, own, names, trained)
    t = found.targets
    if t.type.is_float and t.type.shape:
        wide = t.type.shape if len(t.type.shape) > 1 else (*t.type.shape, 1)
        units = names.units[-1] if wide[-1] == len(names.units[-1]) else ["t"] * wide[-1]
        sheet.call(t, rowed(units, wide, "t_{}").reshape(t.type.shape), "target")
        if first:
            for place, value in np.ndenumerate(sheet.numbers(t)):
                at = {"unit": (place[1] if len(place) > 1 else 0) + 1, "row": place[0] + 1}
                sheet.put(sheet.names(t)[place], value, "given", "target", **at)
    elif first:
        for place, value in np.ndenumerate(sheet.numbers(t)):
            row = f"({place[0] + 1})" if place and len(sheet.numbers(t)) > 1 else ""
            sheet.put(f"class{row}", value, "given", "target", row=(place[0] + 1 if place else 1))


def _weights(sheet: Sheet, node: Node, own: Terms, names: Names, trained: bool) -> None:
    values = sheet.numbers(node)
    for place in sorted(np.ndindex(own.shape), key=lambda p: names.place(own[p])[1:]):
        role, layer, unit, source = names.place(own[place])
        more = {"layer": layer, "unit": unit, "source": source, "trained": trained}
        sheet.put(own[place], values[place], "given", role, **more)


def _settings(sheet: Sheet, step: Step, names: Names) -> None:
    """Learning rate and the like; and what the update rule remembers."""
    for name, node in step.settings.items():
        short = np.array(SHORT.get(name, name), object)
        sheet.call(node, short, "setting")
        sheet.put(str(short), sheet.numbers(node)[()], "given", "setting")
    for path, node in step.memory.items():
        own = _memory(names, path, node.type.shape)
        if node.type.dtype.kind == "f":
            sheet.call(node, own, "memory")
        values = sheet.numbers(node)
        for place in np.ndindex(own.shape):
            sheet.put(own[place], values[place], "given", "memory", aside=not values.any())


def _memory(names: Names, path: Path, shape: tuple[int, ...], end: str = "") -> Terms:
    """Names of what the update rule keeps for each weight: velocity_w5."""
    of = names.weights.get(path[1:])
    if of is not None and of.shape == shape:
        return around(of, f"{path[0]}_", end)
    out = np.empty(shape, object)
    for place in np.ndindex(shape):
        out[place] = "_".join([*path, *(str(i + 1) for i in place)]) + end
    return out


# --- forward and error ---


def _name_outputs(sheet: Sheet, found: Pass, names: Names, end: str) -> None:
    for block, units in zip(found.blocks, names.units, strict=True):
        for word, node in _landmarks(found, block):
            sheet.call(node, rowed(units, node.type.shape, f"{word}_{{}}{end}"), word)


def _landmarks(found: Pass, block: Block) -> list[tuple[str, Node]]:
    """Weighted sum and output of a block; one node where nothing is done to the sum."""
    out = ("out", found.at[block.out])
    return [out] if block.net is None or block.plain else [("net", found.at[block.net]), out]


def _forward(sheet: Sheet, found: Pass, names: Names, end: str, phase: str) -> None:
    for layer, (block, units) in enumerate(zip(found.blocks, names.units, strict=True), 1):
        marks = _landmarks(found, block)
        shape = found.at[block.out].type.shape
        same = rowed(units, shape, "net_{}" + end)
        terms = {word: sheet.terms(node, sheet.names(node)) for word, node in marks}
        for place in np.ndindex(shape):
            at = {"layer": layer, "unit": place[-1] + 1, "row": place[0] + 1}
            for word, node in marks:
                name, value = sheet.names(node)[place], sheet.numbers(node)[place]
                sheet.put(name, value, phase, word, term=terms[word][place], **at)
            if block.plain:
                out, value = Symbol(name), sheet.found[name].value
                sheet.put(same[place], value, phase, "net", term=out, aside=True, **at)


def _error(sheet: Sheet, found: Pass, names: Names, end: str, phase: str) -> None:
    """The loss, as one part for each output where it falls apart so."""
    outs = sheet.names(found.output)
    term = sheet.expansion.formula(found.loss)[()]
    parts = _parts(term, list(outs.ravel())) if outs.size > 1 else None
    if parts:
        own = rowed(names.units[-1], outs.shape, "E_{}" + end)
        for place in np.ndindex(outs.shape):
            part = parts[outs[place]]
            value = Quantity("", 0, phase, "", term=part).compute(sheet.values())
            at = {"unit": place[-1] + 1, "row": place[0] + 1}
            sheet.put(own[place], value, phase, "loss_part", term=part, **at)
        term = add(*(Symbol(name) for name in own.ravel()))
    total = ("E_total" if parts else "E") + end
    sheet.put(total, sheet.numbers(found.loss)[()], phase, "loss", term=term)


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
    """The terms of a sum; a constant times a sum is multiplied out."""
    if isinstance(term, Sum):
        for one in term.terms:
            yield from _addends(one)
    elif (
        isinstance(term, Product)
        and len(term.factors) == 2
        and isinstance(term.factors[0], Number)
        and isinstance(term.factors[1], Sum)
    ):
        for one in term.factors[1].terms:
            yield from _addends(multiply(term.factors[0], one))
    else:
        yield term


# --- update ---


def _update(sheet: Sheet, step: Step, names: Names) -> None:
    for path, node in step.remembered.items():
        if node.type.dtype.kind == "f":
            own = _memory(names, path, node.type.shape, "_new")
            sheet.call(node, own, "memory_new")
            of = names.weights.get(path[1:])
            fits = of is not None and of.shape == own.shape
            _changed(sheet, node, own, of if fits else own, "memory_new", names)
    for path, node in step.updated.items():
        old = names.weights[path]
        _changed(sheet, node, around(old, "", "_new"), old, "new", names)


def _changed(sheet: Sheet, node: Node, own: Terms, old: Terms, role: str, names: Names) -> None:
    terms, values = sheet.expansion.formula(node), sheet.numbers(node)
    for place in sorted(np.ndindex(own.shape), key=lambda p: names.place(old[p])[1:]):
        _, layer, unit, source = names.place(old[place])
        more = {"layer": layer, "unit": unit, "source": source, "parameter": str(old[place])}
        sheet.put(own[place], values[place], "update", role, term=terms[place], **more)
