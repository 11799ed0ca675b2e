"""Which neuron reads which, and by what weight, found in the formulas of the forward pass.

In: the quantities of a step, and names. Out: a ``Layout``: the neurons in columns, and their
connections, those of a residual or of branches too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from deltarule.explain.names import Names
from deltarule.explain.record import Connection, Layout, Quantity
from deltarule.explain.term import Product, Symbol, Term, symbols, walk

Unit = tuple[int, int]  # layer and neuron, inputs in layer 0


def layout(quantities: Sequence[Quantity], names: Names) -> Layout:
    """The network as it is drawn."""
    units = (tuple(names.inputs), *map(tuple, names.units))
    found = {q.name: q for q in quantities}
    edges: dict[Connection, None] = {}
    for layer, neurons in enumerate(names.units, 1):
        for unit, neuron in enumerate(neurons, 1):
            for (before, source), weight in _sources(neuron, (layer, unit), found, names):
                edges[Connection(layer, unit, before, source, weight)] = None
    for layer, unit, source, name in names.edges:
        if not source:
            edges[Connection(layer, unit, 0, 0, name)] = None
    return Layout(units, tuple(edges), _columns(len(units), edges))


def _columns(layers: int, edges: Mapping[Connection, None]) -> tuple[int, ...]:
    """The column of each layer: one after all that it reads, inputs first."""
    found = [0] + [1] * (layers - 1)
    for edge in sorted(edges, key=lambda edge: edge.layer):
        if edge.source:
            found[edge.layer] = max(found[edge.layer], found[edge.before] + 1)
    return tuple(found)


def _sources(
    neuron: str, own: Unit, found: Mapping[str, Quantity], names: Names
) -> Iterator[tuple[Unit, str]]:
    """Neurons that one reads in the first row, each with its weight's name, or "" where it has none."""
    stack = [name for name in (f"out_{neuron}", f"out_{neuron}(1)") if name in found]
    seen: set[str] = set()
    while stack:
        name = stack.pop(0)
        term = found[name].term
        if name in seen or term is None:
            continue
        seen.add(name)
        weights = dict(_weighted(term, found))
        for symbol in symbols(term):
            unit = _unit(symbol, found, names)
            if unit is not None and unit != own:
                yield unit, weights.get(symbol, "")
            elif found[symbol].term is not None:
                stack.append(symbol)


def _weighted(term: Term, found: Mapping[str, Quantity]) -> Iterator[tuple[str, str]]:
    """Values that a formula multiplies by a weight, with its name."""
    for part in walk(term):
        if not isinstance(part, Product):
            continue
        factors = [factor.name for factor in part.factors if isinstance(factor, Symbol)]
        weights = [name for name in factors if found[name].role in ("weight", "bias")]
        others = [name for name in factors if name not in weights]
        if len(weights) == len(others) == 1:
            yield others[0], weights[0]


def _unit(symbol: str, found: Mapping[str, Quantity], names: Names) -> Unit | None:
    """The neuron whose output a quantity is."""
    q = found[symbol]
    if q.role == "input":
        return 0, q.unit
    outputs = q.role == "out" or (q.role == "net" and q.aside)
    return (q.layer, q.unit) if outputs else None
