"""The network as a drawing: neurons in columns, connections with weights and gradients on them.

In: the layout and the quantities of ``Worked``. Out: SVG whose numbers are marked with the
quantities that they show, and the parts of the drawing that each quantity is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape

from deltarule.explain.record import Connection, Layout, Quantity

RADIUS = 36
APART = 158  # between neurons of a column
WIDE = 250  # between columns
EDGE = 96  # from the centre of an outer neuron to the border
MOST_LABELS = (
    36  # connections with numbers on them; beyond, only those of the current step show theirs
)
MOST_NEURONS = 12  # in a column
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True, slots=True)
class Place:
    """Centre of a neuron."""

    x: float
    y: float


def drawable(layout: Layout | None) -> bool:
    """Whether there is a network small enough to draw."""
    return layout is not None and max(map(len, _stacks(layout))) <= MOST_NEURONS


def draw(layout: Layout, quantities: Mapping[str, Quantity], shown: Mapping[str, str]) -> str:
    """The drawing; ``shown`` has the text of each number."""
    places = _places(layout)
    stacks = _stacks(layout)
    tall = max(map(len, stacks)) * APART
    size = f"0 0 {WIDE * len(stacks) - WIDE + 2 * EDGE:.0f} {tall + 18:.0f}"
    inside = "".join((*_edges(layout, places, quantities, shown), *_neurons(layout, places, shown)))
    weighted = [_id(edge) for edge in layout.edges if edge.source and edge.name]
    few = len(layout.edges) <= MOST_LABELS and len(set(weighted)) == len(weighted)
    return (
        f'<svg viewBox="{size}" role="img" aria-label="The network with its numbers"'
        f' class="{"few" if few else "many"}">{inside}</svg>'
    )


def _stacks(layout: Layout) -> list[list[tuple[int, int]]]:
    """The neurons of each column, those of several layers below each other."""
    stacks: list[list[tuple[int, int]]] = [[] for _ in range(max(layout.columns) + 1)]
    for layer, units in enumerate(layout.units):
        stacks[layout.columns[layer]] += [(layer, unit) for unit in range(1, len(units) + 1)]
    return stacks


def _places(layout: Layout) -> dict[tuple[int, int], Place]:
    stacks = _stacks(layout)
    tall = max(map(len, stacks)) * APART
    found = {}
    for column, neurons in enumerate(stacks):
        top = (tall - len(neurons) * APART) / 2 + APART / 2
        for row, neuron in enumerate(neurons):
            found[neuron] = Place(EDGE + WIDE * column, top + APART * row)
    return found


def short(name: str) -> str:
    """A name for a small label: w₅."""
    head = name.rstrip("0123456789")
    tail = name[len(head) :]
    return head + tail.translate(SUBSCRIPTS) if head.isalpha() else name


def _edges(
    layout: Layout,
    places: Mapping[tuple[int, int], Place],
    quantities: Mapping[str, Quantity],
    shown: Mapping[str, str],
) -> Iterator[str]:
    values = [quantities[e.name].value for e in layout.edges if e.name in quantities]
    largest = max(map(abs, values), default=1.0) or 1.0
    labels = []
    drawn: dict[str, int] = {}
    for edge in layout.edges:
        if not edge.source:
            continue
        a, b = places[edge.before, edge.source], places[edge.layer, edge.unit]
        again = drawn[_id(edge)] = drawn.get(_id(edge), -1) + 1
        if not again:
            columns = layout.columns[edge.layer] - layout.columns[edge.before]
            yield _line(edge, a, b, columns, quantities, largest)
        if edge.name in quantities:
            labels.append(_label(edge, a, b, again, shown))
    yield from labels


def _id(edge: Connection) -> str:
    """The name of a line; several weights between two neurons share it."""
    return f"e-{edge.layer}-{edge.unit}-{edge.before}-{edge.source}"


def _line(
    edge: Connection,
    a: Place,
    b: Place,
    columns: int,
    quantities: Mapping[str, Quantity],
    largest: float,
) -> str:
    """A line as thick as its weight, dashed where it has none; in a bow where it passes a column by."""
    kind, style = "edge", "stroke-width:1.2;stroke-dasharray:5 5"
    if edge.name in quantities:
        value = quantities[edge.name].value
        kind = "edge minus" if value < 0 else "edge"
        style = f"stroke-width:{1 + 2.2 * abs(value) / largest:.2f}"
    bow = APART * 0.55 if columns > 1 else 0.0
    x, y = (a.x + b.x) / 2, (a.y + b.y) / 2 - bow
    return (
        f'<path id="{_id(edge)}" class="{kind}" fill="none" style="{style}"'
        f' d="M{a.x} {a.y} Q{x} {y} {b.x} {b.y}"/>'
    )


def _label(edge: Connection, a: Place, b: Place, again: int, shown: Mapping[str, str]) -> str:
    """A weight with its gradient, on its line."""
    at = 0.5 if a.y == b.y else 0.34  # where labels of crossing edges are apart
    x, y = a.x + at * (b.x - a.x), a.y + at * (b.y - a.y) + 34 * again
    name = edge.name
    return (
        f'<g class="label" data-edge="{_id(edge)}" transform="translate({x:.1f} {y:.1f})">'
        f'<text y="-5"><tspan class="name">{escape(short(name))}</tspan> '
        f"{_number(name, shown, 'old')}{_number(f'{name}_new', shown, 'new')}</text>"
        f'<text y="14" class="gradient">{_number(f"dE/d{name}", shown, "", "∂ ")}</text></g>'
    )


def _number(name: str, shown: Mapping[str, str], kind: str, before: str = "") -> str:
    """A number that stands where the quantity is known."""
    if name not in shown:
        return ""
    mark = f'<tspan class="q {kind}" data-n="{escape(name)}" data-before="{escape(before)}">'
    return f"{mark}{escape(before + shown[name].replace('-', '−'))}</tspan>"


def _neurons(
    layout: Layout, places: Mapping[tuple[int, int], Place], shown: Mapping[str, str]
) -> Iterator[str]:
    biases: dict[tuple[int, int], list[str]] = {}
    for edge in layout.edges:
        if not edge.source:
            biases.setdefault((edge.layer, edge.unit), []).append(edge.name)
    for (column, row), at in places.items():
        unit = layout.units[column][row - 1]
        value = unit if column == 0 else f"out_{unit}"
        value = value if value in shown else f"{value}(1)"
        rows = [
            f'<g id="n-{column}-{row}" class="neuron" transform="translate({at.x} {at.y})">',
            f'<circle r="{RADIUS}"/><text class="unit" y="-7">{escape(short(unit))}</text>',
            f'<text y="14" class="value">{_number(value, shown, "out")}</text>',
        ]
        for i, name in enumerate(biases.get((column, row), ())):
            rows.append(
                f'<text y="{RADIUS + 18 * (i + 1)}" class="bias">'
                f'<tspan class="name">{escape(short(name))}</tspan> '
                f"{_number(name, shown, 'old')}{_number(f'{name}_new', shown, 'new')} "
                f'<tspan class="gradient">{_number(f"dE/d{name}", shown, "", "∂ ")}</tspan></text>'
            )
        delta = f"delta_{unit}" if f"delta_{unit}" in shown else f"delta_{unit}(1)"
        rows.append(
            f'<text x="20" y="{-RADIUS - 9}" class="delta">{_number(delta, shown, "", "δ ")}</text>'
        )
        yield "".join(rows) + "</g>"


def marks(layout: Layout, q: Quantity) -> list[str]:
    """The parts of the drawing that a quantity is about."""
    neuron = f"n-{q.layer}-{q.unit}"
    lines = [edge for edge in layout.edges if edge.source]
    if q.role in ("net", "out", "part", "input"):
        into = [_id(edge) for edge in lines if (edge.layer, edge.unit) == (q.layer, q.unit)]
        return [neuron, *(dict.fromkeys(into) if q.role != "out" else ())]
    if q.role in ("weight", "gradient", "new", "memory_new") or q.parameter:
        of = q.parameter or q.name
        found = [edge for edge in layout.edges if edge.name == of]
        return [_id(edge) if edge.source else f"n-{edge.layer}-{edge.unit}" for edge in found]
    if q.role == "dE_dout":
        after = [_id(edge) for edge in lines if (edge.before, edge.source) == (q.layer, q.unit)]
        return [neuron, *dict.fromkeys(after)]
    if q.role in ("loss", "loss_part", "target"):
        last = len(layout.units) - 1
        units = [q.unit] if q.unit else range(1, len(layout.units[last]) + 1)
        return [f"n-{last}-{unit}" for unit in units]
    return [neuron] if q.layer else []
