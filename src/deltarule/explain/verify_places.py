"""Where the weights of a text belong: which number leads from which neuron to which.

In: the weights and biases of a statement, and the sizes of the layers. Out: every convention under
which their names make sense. Which one the writer has in mind is seen from the forward lines, not
assumed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from deltarule.explain.verify_statement import Given, Statement

Rows = list[list[list[Given]]]  # layer, unit, source


@dataclass(frozen=True, slots=True)
class Placement:
    """One way to place the weights, and how it reads the names."""

    words: str
    rows: Rows


class Places:
    """The neurons of layers of given sizes, by the names that texts give them."""

    def __init__(self, sizes: Sequence[int], inputs: Sequence[str]) -> None:
        self.sizes = tuple(sizes)
        self.last = len(sizes) - 1
        self.inputs = list(inputs)

    def numbered(self, number: int, with_inputs: bool = True) -> tuple[int, int] | None:
        """The neuron of a number, counting through all layers."""
        for layer, size in enumerate(self.sizes):
            if layer == 0 and not with_inputs:
                continue
            if number <= size:
                return (layer, number) if number > 0 else None
            number -= size
        return None

    def called(self, name: str) -> tuple[int, int] | None:
        """The neuron of a name: x1, h2, o1, y, 4."""
        low = name.lower().strip("_")
        if low in (i.lower() for i in self.inputs):
            return 0, [i.lower() for i in self.inputs].index(low) + 1
        found = re.fullmatch(r"([a-z]*?)(\d*)", low)
        if not found:
            return None
        letter, digits = found.groups()
        unit = int(digits) if digits else 1
        if letter in ("x", "i", "input", "in"):
            return self._valid(0, unit)
        if letter in ("h", "hidden", "n", "z") and self.last > 1:
            if len(digits) == 2 and self.last > 2:
                return self._valid(int(digits[0]), int(digits[1]))
            return self._valid(1, unit)
        if letter in ("o", "y", "out", "output", "yhat"):
            return self._valid(self.last, unit)
        return self.numbered(unit) if not letter and digits else None

    def _valid(self, layer: int, unit: int) -> tuple[int, int] | None:
        return (layer, unit) if 1 <= unit <= self.sizes[layer] else None


def placements(statement: Statement, places: Places) -> Iterator[Placement]:
    """Every way to place the weights that fills every place once."""
    sizes = places.sizes
    if statement.tables:
        yield from _tables(statement, places)
        return
    weights = statement.weights
    for words, order in _orders(weights, places):
        rows: dict[tuple[int, int, int], Given] = {}
        for given, at in zip(weights, order, strict=True):
            if at is None or at in rows:
                break
            rows[at] = given
        else:
            if len(rows) == sum(a * b for a, b in pairwise(sizes)):
                yield Placement(words, _as_rows(rows, sizes))


def _as_rows(found: dict[tuple[int, int, int], Given], sizes: Sequence[int]) -> Rows:
    return [
        [
            [found[layer, u, s] for s in range(1, sizes[layer - 1] + 1)]
            for u in range(1, sizes[layer] + 1)
        ]
        for layer in range(1, len(sizes))
    ]


Place = tuple[int, int, int] | None


def _orders(weights: list[Given], places: Places) -> Iterator[tuple[str, list[Place]]]:
    """For each convention the place of each weight."""
    told = [_between(g.ends, places) if g.ends else None for g in weights]
    if weights and all(told):
        yield "as the text says, from where to where", told
        return
    inside = [_between(_inside(g.name), places) for g in weights]
    if weights and all(inside):
        yield "by the neurons in their names", inside
        return
    pairs = [re.search(r"(\d)[_,]?(\d)$", g.name) for g in weights]
    if weights and all(pairs):
        digits = [(int(p[1]), int(p[2])) for p in pairs if p]
        found = False
        for words, turn in (
            ("from first to second number", 1),
            ("to first from second number", -1),
        ):
            ends = [pair[::turn] for pair in digits]
            through = [_through(a, b, places) for a, b in ends]
            if all(through):
                yield f"{words}, neurons counted through", through
                return
            layers = _layers_of(weights, places)
            spots = [
                _within(layer, a, b, places) for layer, (a, b) in zip(layers, ends, strict=True)
            ]
            if all(spots):
                found = True
                yield f"{words}, in each layer", spots
        if found:
            return
    for words, order in zip(
        ("neuron by neuron", "input by input"), _counted(weights, places), strict=True
    ):
        if all(at in (None, place) for at, place in zip(told, order, strict=True)):
            yield words, order


def _between(ends: tuple[str, str] | None, places: Places) -> Place:
    """The connection between two named neurons; a bare number may be a neuron of any layer."""
    if ends is None:
        return None
    found = {
        (b[0], b[1], a[1])
        for a in _spots(ends[0], places)
        for b in _spots(ends[1], places)
        if a[0] + 1 == b[0]
    }
    return found.pop() if len(found) == 1 else None


def _spots(name: str, places: Places) -> list[tuple[int, int]]:
    if name.isdigit():
        return [(k, int(name)) for k, n in enumerate(places.sizes) if 1 <= int(name) <= n]
    spot = places.called(name)
    return [spot] if spot else []


def _inside(name: str) -> tuple[str, str] | None:
    found = re.fullmatch(r"[wvu](?:eight)?_?([a-z]+\d*)_?([a-z]+\d*|\d)", name, re.IGNORECASE)
    found = found or re.fullmatch(r"[wvu]_?(\d)_?([a-z]+\d*)", name, re.IGNORECASE)
    return (found[1], found[2]) if found else None


def _through(a: int, b: int, places: Places) -> Place:
    start, end = places.numbered(a), places.numbered(b)
    return (end[0], end[1], start[1]) if start and end and start[0] + 1 == end[0] else None


def _within(layer: int, a: int, b: int, places: Places) -> Place:
    sizes = places.sizes
    fits = 0 < layer < len(sizes) and 1 <= a <= sizes[layer - 1] and 1 <= b <= sizes[layer]
    return (layer, b, a) if fits else None


def _layers_of(weights: list[Given], places: Places) -> list[int]:
    """The layer of each weight: by heading, by letter, or by how many fit."""
    said = [g.layer if g.layer > 0 else places.last for g in weights if g.layer]
    need = {k: a * b for k, (a, b) in enumerate(pairwise(places.sizes), 1)}
    if len(said) == len(weights) and all(said.count(k) == n for k, n in need.items()):
        return said
    letters = list(dict.fromkeys(re.sub(r"[\d_,]+$", "", g.name) for g in weights))
    if len(letters) == places.last > 1:
        return [letters.index(re.sub(r"[\d_,]+$", "", g.name)) + 1 for g in weights]
    sizes, out = places.sizes, []
    for layer in range(1, len(sizes)):
        out += [layer] * (sizes[layer] * sizes[layer - 1])
    return (out + [0] * len(weights))[: len(weights)]


def _counted(weights: list[Given], places: Places) -> tuple[list[Place], list[Place]]:
    """Weights in their order: neuron by neuron, and input by input."""
    layers = _layers_of(weights, places)
    by_unit: list[Place] = []
    by_source: list[Place] = []
    seen: dict[int, int] = {}
    for layer in layers:
        n = seen.get(layer, 0)
        seen[layer] = n + 1
        if not 0 < layer < len(places.sizes):
            by_unit.append(None)
            by_source.append(None)
            continue
        wide, high = places.sizes[layer - 1], places.sizes[layer]
        by_unit.append((layer, n // wide + 1, n % wide + 1) if n < wide * high else None)
        by_source.append((layer, n % high + 1, n // high + 1) if n < wide * high else None)
    return by_unit, by_source


def _tables(statement: Statement, places: Places) -> Iterator[Placement]:
    """Tables of weights: a row for each neuron, or a row for each input."""
    tables = [statement.tables[name] for name in sorted(statement.tables)]
    vectors: dict[str, list[Given]] = {}
    for given in statement.weights:
        vectors.setdefault(given.name.partition("_")[0], []).append(given)
    by_name = {name: statement.tables.get(name) for name in statement.tables}
    names = sorted({*by_name, *vectors})
    tables = [by_name.get(n) or [[g.value for g in vectors[n]]] for n in names]
    ragged = any(len(row) != len(table[0]) for table in tables for row in table)
    if len(tables) != places.last or ragged:
        return
    for words, turned in (("a row for each neuron", False), ("a row for each input", True)):
        rows: Rows = []
        for layer, (name, table) in enumerate(zip(names, tables, strict=True), 1):
            wide, high = places.sizes[layer - 1], places.sizes[layer]
            shape = (len(table), len(table[0]))
            numbers = [list(column) for column in zip(*table, strict=True)] if turned else table
            if (len(numbers), len(numbers[0])) != (high, wide):
                if (shape[1], shape[0]) == (high, wide) and 1 in shape:
                    numbers = [list(column) for column in zip(*table, strict=True)]
                else:
                    break
            rows.append(
                [
                    [Given(f"{name}_{u}{s}", v, 0) for s, v in enumerate(row, 1)]
                    for u, row in enumerate(numbers, 1)
                ]
            )
        else:
            yield Placement(words, rows)


def biases(
    statement: Statement, places: Places
) -> list[tuple[str, list[list[Given | None]], bool]]:
    """Every way to place the biases: words, a bias for each neuron, and whether they are shared."""
    sizes = places.sizes[1:]
    given = statement.biases
    if not given:
        return [("", [[None] * n for n in sizes], False)]
    neurons = sum(sizes)
    found: list[tuple[str, list[list[Given | None]], bool]] = []
    by_number = [re.search(r"(\d+)$", g.name) for g in given]
    if len(given) == neurons:
        named = [places.called(re.sub(r"^(?:b|bias|theta)_?", "", g.name)) for g in given]
        through = [places.numbered(int(n[1])) if n else None for n in by_number]
        for order in (named, through):
            spots = {at: g for at, g in zip(order, given, strict=True) if at and at[0] > 0}
            if len(spots) == neurons:
                rows = [[spots[k, u] for u in range(1, n + 1)] for k, n in enumerate(sizes, 1)]
                return [("one for each neuron", [list(row) for row in rows], False)]
        rest = iter(given)
        rows2: list[list[Given | None]] = [[next(rest) for _ in range(n)] for n in sizes]
        found.append(("one for each neuron", rows2, False))
    if len(given) == len(sizes):
        ordered = (
            sorted(given, key=lambda g: g.layer % 100) if all(g.layer for g in given) else given
        )
        rows3: list[list[Given | None]] = [[g] * n for g, n in zip(ordered, sizes, strict=True)]
        if max(sizes) == 1:
            return [("one for each neuron", rows3, False)]
        found.append(("one shared in each layer", rows3, True))
        found.append(("the same start for all neurons of a layer", rows3, False))
    if all(g.layer for g in given) and not found:
        rows4: list[list[Given | None]] = []
        for k, n in enumerate(sizes, 1):
            own = [g for g in given if (g.layer if g.layer > 0 else places.last) == k]
            rows4.append([*own] if len(own) == n else [own[0]] * n if len(own) == 1 else [None] * n)
        found.append(("as the headings say", rows4, False))
    return found
