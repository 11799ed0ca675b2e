"""A step neuron by neuron: every quantity with its formula.

In: a traced step and names. Out: quantities in the order in which a person computes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from deltarule.explain.backward import Backward, name_derivatives
from deltarule.explain.blocks import Block
from deltarule.explain.expand import Terms
from deltarule.explain.given import given, memory_names, name_given
from deltarule.explain.names import Names
from deltarule.explain.record import Quantity
from deltarule.explain.rows import around, rowed, spot
from deltarule.explain.sheet import Sheet
from deltarule.explain.step import Pass, Step
from deltarule.explain.term import Number, Product, Sum, Symbol, Term, add, multiply, symbols
from deltarule.program import Node


def quantities(step: Step, after: Pass, names: Names, number: int) -> tuple[Quantity, ...]:
    """All quantities of a step, in order."""
    sheet = Sheet(number, step.values)
    found = step.forward
    name_given(sheet, found, names, "")
    given(sheet, step, names)
    _name_outputs(sheet, found, names, "")
    name_derivatives(sheet, step, names)
    nodes = [*found.order, *step.between]
    sheet.call_intermediates(nodes, "v", _numbered(names, found))
    _forward(sheet, found, names, "", "forward")
    _error(sheet, found, names, "", "error")
    Backward(sheet, step, names).work()
    sheet.call_intermediates(step.products, "u", _numbered(names, found), glance=1)
    _update(sheet, step, names)
    _kept(sheet, found, names)
    before = sheet.turn(after.values)
    name_given(sheet, after, names, "_new")
    _name_outputs(sheet, after, names, "_new")
    sheet.call_again(found.order, after.order, before)
    _forward(sheet, after, names, "_new", "error after")
    _error(sheet, after, names, "_new", "error after")
    return tuple(sheet.found.values())


def _numbered(names: Names, found: Pass) -> Callable[[str, Node, Terms], Terms]:
    """Names of a value that has none: v1_o1 of a neuron, v1(2) of a row, v1 alone."""
    rows = found.inputs.type.shape[0]
    late = found.order[found.order.index(found.output) :]

    def name(head: str, node: Node, terms: Terms) -> Terms:
        shape = node.type.shape
        if shape == (rows,) and node in late:
            return rowed([""], (rows, 1), head + "{}").reshape(shape)
        fitting = [units for units in names.units if shape and len(units) == shape[-1]]
        if fitting:
            return rowed(_told(fitting[::-1], terms), shape, f"{head}_{{}}")
        out = np.empty(shape, object)
        alone = node.type.size == 1
        for place in np.ndindex(shape):
            places = "" if alone else "".join(f"_{i + 1}" for i in place)
            out[place] = head + places
        return out

    return name


def _told(fitting: list[list[str]], terms: Terms) -> list[str]:
    """The neurons that the formulas are about; the last ones where they do not say."""
    words = "_".join(symbols(terms.flat[0])).replace("(", "_").split("_")
    for units in fitting:
        parts = units[0].split("_")
        if any(words[i : i + len(parts)] == parts for i in range(len(words))):
            return units
    return fitting[0]


# --- forward and error ---


def _name_outputs(sheet: Sheet, found: Pass, names: Names, end: str) -> None:
    for i, block in enumerate(found.blocks):
        for word, node in block.parts:
            sheet.call(found.at[node], names.part(i, node.type.shape, word + "_{}" + end), "part")
        for word, node in _landmarks(found, block):
            sheet.call(node, names.part(i, node.type.shape, word + "_{}" + end), word)


def _landmarks(found: Pass, block: Block) -> list[tuple[str, Node]]:
    """Weighted sum and output of a block; one node where nothing is done to the sum."""
    out = found.at[block.out]
    if block.net is None or block.plain:
        return [("out", out)]
    return [("net", found.at[block.net]), ("out", out)]


def _forward(sheet: Sheet, found: Pass, names: Names, end: str, phase: str) -> None:
    """Weighted sums and outputs, layer by layer, neuron by neuron; parts of a layer between them."""
    for i, block in enumerate(found.blocks):
        marks = _landmarks(found, block)
        if block.parts:
            _marks_of(sheet, marks[:-1], marks[-1][1].type.shape, phase, i + 1)
            _parts_of(sheet, found, block, phase, i + 1)
            marks = marks[-1:]
        shape = marks[-1][1].type.shape
        _marks_of(sheet, marks, shape, phase, i + 1)
        if block.plain:
            sums = rowed(names.units[i], shape, "net_{}" + end)
            for place, out in np.ndenumerate(sheet.names(marks[-1][1])):
                where, value = spot(place, layer=i + 1), sheet.found[out].value
                same = Symbol(out)
                sheet.put(sums[place], value, phase, "net", term=same, aside=True, **where)


def _marks_of(
    sheet: Sheet, marks: list[tuple[str, Node]], shape: tuple[int, ...], phase: str, layer: int
) -> None:
    """Weighted sum and output of each neuron."""
    for place in np.ndindex(shape):
        for word, node in marks:
            for piece in _pieces(place, shape, node.type.shape):
                name, where = sheet.names(node)[piece], spot(place, layer=layer)
                sheet.element(name, node, piece, phase, word, **where)


def _pieces(
    place: tuple[int, ...], outs: tuple[int, ...], sums: tuple[int, ...]
) -> list[tuple[int, ...]]:
    """The places of the weighted sums of a neuron: one, or several that it chooses from."""
    n = sums[-1] // outs[-1]
    return [(*place[:-1], place[-1] * n + k) for k in range(n)]


def _parts_of(sheet: Sheet, found: Pass, block: Block, phase: str, layer: int) -> None:
    """What is computed on the way: mean and variance of a batch, its normalized rows."""
    for _, inner in block.parts:
        node = found.at[inner]
        own = sheet.names(node)
        for place in np.ndindex(own.shape):
            sheet.element(own[place], node, place, phase, "part", **spot(place, layer=layer))


def _error(sheet: Sheet, found: Pass, names: Names, end: str, phase: str) -> None:
    """The loss, as one part for each output where it falls apart so."""
    outs = sheet.names(found.output)
    term = sheet.expansion.formula(found.loss)[()]
    parts = _parts(term, list(outs.ravel())) if outs.size > 1 else None
    if parts:
        own = rowed(names.units[-1], outs.shape, "E_{}" + end)
        for place in np.ndindex(outs.shape):
            part = parts[outs[place]]
            sheet.computed(own[place], part, phase, "loss_part", **spot(place))
        term = add(*(Symbol(name) for name in own.ravel()))
    total = "E_total" if parts else "E"
    value = sheet.numbers(found.loss)[()]
    sheet.put(total + end, value, phase, "loss", term=term)


def _parts(term: Term, outs: Sequence[str]) -> dict[str, Term] | None:
    """The loss as one part for each output; None where it does not fall apart so."""
    found: dict[str, list[Term]] = {name: [] for name in outs}
    for one in _addends(term):
        here = [name for name in symbols(one) if name in found]
        if len(here) != 1:
            return None
        found[here[0]].append(one)
    if not all(found.values()):
        return None
    return {name: add(*terms) for name, terms in found.items()}


def _addends(term: Term) -> Iterator[Term]:
    """The terms of a sum; a constant times a sum is multiplied out."""
    if isinstance(term, Sum):
        for one in term.terms:
            yield from _addends(one)
        return
    if isinstance(term, Product) and len(term.factors) == 2:
        first, second = term.factors
        if isinstance(first, Number) and isinstance(second, Sum):
            for one in second.terms:
                yield from _addends(multiply(first, one))
            return
    yield term


# --- update ---


def _update(sheet: Sheet, step: Step, names: Names) -> None:
    """What the update rule remembers from now on, and the new weights."""
    for path, node in step.remembered.items():
        if not node.type.is_float:
            continue
        own = memory_names(names, path, node.type.shape, "_new")
        sheet.call(node, own, "memory_new")
        ends = (names.weights.get(path[i:]) for i in range(1, len(path)))
        of = next((each for each in ends if each is not None and each.shape == own.shape), own)
        many = of is own and node.type.size > 1  # of no weight: what searches remember
        _changed(sheet, node, own, of, "memory_new", names, aside=many)
    for path, node in step.updated.items():
        old = names.weights[path]
        _changed(sheet, node, around(old, "", "_new"), old, "new", names)


def _kept(sheet: Sheet, found: Pass, names: Names) -> None:
    """What the network keeps itself from now on: running statistics."""
    for path, node in found.kept.items():
        old = names.weights.get(path)
        if old is None or node is found.held[path]:
            continue
        own = around(old, "", "_new")
        sheet.call(node, own, "kept")
        terms, values = sheet.expansion.formula(node), sheet.numbers(node)
        for place in np.ndindex(own.shape):
            sheet.put(own[place], values[place], "update", "kept", term=terms[place])


def _changed(
    sheet: Sheet,
    node: Node,
    own: Terms,
    old: Terms,
    role: str,
    names: Names,
    aside: bool = False,
) -> None:
    terms, values = sheet.expansion.formula(node), sheet.numbers(node)
    for place in names.inorder(old):
        of = str(old[place])
        more: dict[str, Any] = {
            "term": terms[place],
            "parameter": of,
            "aside": aside,
            **names.spot(of),
        }
        sheet.put(own[place], values[place], "update", role, **more)
