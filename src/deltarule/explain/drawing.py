"""The network as a drawing: neurons in columns, connections with weights and gradients on them.

In: the layout and the quantities of ``Worked``. Out: SVG whose numbers are marked with the
quantities that they show, and the parts of the drawing that each quantity is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape

from deltarule.explain.record import Layout, Quantity

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
    return layout is not None and max(map(len, layout.units)) <= MOST_NEURONS


def draw(layout: Layout, quantities: Mapping[str, Quantity], shown: Mapping[str, str]) -> str:
    """The drawing; ``shown`` has the text of each number."""
    places = _places(layout)
    tall = max(len(units) for units in layout.units) * APART
    size = f"0 0 {WIDE * len(layout.units) - WIDE + 2 * EDGE:.0f} {tall + 18:.0f}"
    inside = "".join((*_edges(layout, places, quantities, shown), *_neurons(layout, places, shown)))
    few = len(layout.edges) <= MOST_LABELS
    return (
        f'<svg viewBox="{size}" role="img" aria-label="The network with its numbers"'
        f' class="{"few" if few else "many"}">{inside}</svg>'
    )


def _places(layout: Layout) -> dict[tuple[int, int], Place]:
    tall = max(len(units) for units in layout.units) * APART
    found = {}
    for column, units in enumerate(layout.units):
        top = (tall - len(units) * APART) / 2 + APART / 2
        for row in range(len(units)):
            found[column, row + 1] = Place(EDGE + WIDE * column, top + APART * row)
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
    known = [abs(quantities[name].value) for _, _, _, name in layout.edges if name in quantities]
    largest = max(known, default=1.0) or 1.0
    labels = []
    for layer, unit, source, name in layout.edges:
        if not source or name not in quantities:
            continue
        a, b = places[layer - 1, source], places[layer, unit]
        value = quantities[name].value
        kind = "edge minus" if value < 0 else "edge"
        width = 1 + 2.2 * abs(value) / largest
        yield (
            f'<line id="e-{layer}-{unit}-{source}" class="{kind}" x1="{a.x}" y1="{a.y}"'
            f' x2="{b.x}" y2="{b.y}" style="stroke-width:{width:.2f}"/>'
        )
        at = 0.5 if a.y == b.y else 0.34  # where labels of crossing edges are apart
        x, y = a.x + at * (b.x - a.x), a.y + at * (b.y - a.y)
        labels.append(
            f'<g class="label" data-edge="e-{layer}-{unit}-{source}" transform="translate({x:.1f} {y:.1f})">'
            f'<text y="-5"><tspan class="name">{escape(short(name))}</tspan> '
            f"{_number(name, shown, 'old')}{_number(f'{name}_new', shown, 'new')}</text>"
            f'<text y="14" class="gradient">{_number(f"dE/d{name}", shown, "", "∂ ")}</text></g>'
        )
    yield from labels


def _number(name: str, shown: Mapping[str, str], kind: str, before: str = "") -> str:
    """A number that stands where the quantity is known."""
    if name not in shown:
        return ""
    mark = f'<tspan class="q {kind}" data-n="{escape(name)}" data-before="{escape(before)}">'
    return f"{mark}{escape(before + shown[name].replace('-', '−'))}</tspan>"


def _neurons(
    layout: Layout, places: Mapping[tuple[int, int], Place], shown: Mapping[str, str]
) -> Iterator[str]:
    biases = {(layer, unit): name for layer, unit, source, name in layout.edges if not source}
    for (column, row), at in places.items():
        unit = layout.units[column][row - 1]
        value = unit if column == 0 else f"out_{unit}"
        value = value if value in shown else f"{value}(1)"
        rows = [
            f'<g id="n-{column}-{row}" class="neuron" transform="translate({at.x} {at.y})">',
            f'<circle r="{RADIUS}"/><text class="unit" y="-7">{escape(short(unit))}</text>',
            f'<text y="14" class="value">{_number(value, shown, "out")}</text>',
        ]
        if (column, row) in biases:
            name = biases[column, row]
            rows.append(
                f'<text y="{RADIUS + 18}" class="bias"><tspan class="name">{escape(short(name))}</tspan> '
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
    into = [
        (layer, unit, source)
        for layer, unit, source, _ in layout.edges
        if (layer, unit) == (q.layer, q.unit) and source
    ]
    if q.role in ("net", "input"):
        return [neuron, *(f"e-{j}-{u}-{s}" for j, u, s in into)]
    if q.role in ("weight", "gradient", "new", "memory_new") or q.parameter:
        of = q.parameter or q.name
        found = [edge for edge in layout.edges if edge[3] == of]
        return [f"e-{j}-{u}-{s}" if s else f"n-{j}-{u}" for j, u, s, _ in found]
    if q.role == "dE_dout":
        after = [edge for edge in layout.edges if (edge[0], edge[2]) == (q.layer + 1, q.unit)]
        return [neuron, *(f"e-{j}-{u}-{s}" for j, u, s, _ in after)]
    if q.role in ("loss", "loss_part", "target"):
        last = len(layout.units) - 1
        units = [q.unit] if q.unit else range(1, len(layout.units[last]) + 1)
        return [f"n-{last}-{unit}" for unit in units]
    return [neuron] if q.layer else []
