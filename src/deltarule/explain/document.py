"""What is shown, before it is known where: sections of lines, each a chain of equations.

In: ``Worked`` and a number of digits. Out: a ``Document`` for the renderers of text, Markdown,
LaTeX and HTML.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.explain.notation import Figure, Math, Name, Notation
from deltarule.explain.record import Quantity, Worked
from deltarule.explain.term import (
    Call,
    Number,
    Symbol,
    Term,
    children,
    evaluate,
    exchanged,
    symbols,
    walk,
)
from deltarule.explain.write import text
from deltarule.program import ops

ENTRIES = 4
HEADINGS = {
    "given": "Given",
    "forward": "Forward pass",
    "error": "Error",
    "backward": "Backward pass",
    "update": "Update",
    "error after": "Error after the update",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One quantity: its name and what it equals, from symbols to the number.

    Attributes
    ----------
    name : str
        Of the quantity.
    parts : tuple of Math
        What stands between the equals signs.
    exact : bool
        Whether the last part is what the printed numbers before it give, at the digits shown.
    note : str
        Words after it.
    """

    name: str
    parts: tuple[Math, ...]
    exact: bool = True
    note: str = ""

    def relation(self, place: int) -> str:
        """The sign before a part."""
        return "≈" if place == len(self.parts) - 1 and not self.exact else "="


@dataclass(frozen=True, slots=True)
class Section:
    """Lines under a heading."""

    title: str
    lines: tuple[Line, ...]
    step: int = 1
    phase: str = ""
    intro: str = ""

    @property
    def compact(self) -> bool:
        """Whether the lines are short: names and numbers only."""
        return self.phase == "given" and not any(line.note for line in self.lines)


@dataclass(frozen=True, slots=True)
class Document:
    """A title, a few facts, and sections."""

    title: str
    facts: Mapping[str, str]
    sections: tuple[Section, ...]
    remarks: tuple[str, ...] = field(default=())


def figure(value: float, digits: int) -> str:
    """A number with so many significant digits; zeros at the end tell that it is rounded.

    Examples
    --------
    >>> [figure(x, 4) for x in (0.15, 0.593269, 0.1 + 0.2, 350_000.0, 1.25e12, -2e-7, 0.5)]
    ['0.15', '0.5933', '0.3', '350000', '1.25e12', '-2e-7', '0.5']
    """
    x = float(value)
    if not np.isfinite(x):
        return "NaN" if np.isnan(x) else "-∞" if x < 0 else "∞"
    if x == 0:
        return "0"
    if x.is_integer() and abs(x) < 1e9:
        return str(int(x))
    rounded = f"{x:.{digits}g}"
    same = abs(float(rounded) - x) <= 1e-12 * abs(x)
    shown = rounded if same else f"{x:#.{digits}g}"
    mantissa, _, exponent = shown.partition("e")
    return f"{mantissa.rstrip('.')}e{int(exponent)}" if exponent else shown.rstrip(".")


def summary(x: np.ndarray[Any, Any], digits: int) -> str:
    """Shape, norm and the first entries of an array."""
    shape = " × ".join(map(str, x.shape))
    norm = figure(float(np.linalg.norm(x.astype(float).ravel())), digits)
    first = ", ".join(figure(v, min(digits, 4)) for v in x.ravel()[:ENTRIES])
    more = ", …" if x.size > ENTRIES else ""
    return f"{shape}, norm {norm}: {first}{more}"


class Writer:
    """Lines of the quantities of one step."""

    def __init__(self, quantities: Mapping[str, Quantity], digits: int) -> None:
        self.quantities, self.digits = quantities, digits
        self.arrays = {name for name, q in quantities.items() if np.ndim(q.value)}
        self.symbols = Notation(self.figure, array=self._array)
        self.numbers = Notation(self.figure, self._number)

    def figure(self, value: float) -> str:
        """A number as it is shown."""
        return figure(value, self.digits)

    def _number(self, name: str) -> Math:
        return Figure(self.figure(self.quantities[name].value), name)

    def _array(self, term: Term) -> bool:
        """Whether a formula gives an array."""
        return any(name in self.arrays for name in symbols(term)) and not isinstance(term, Number)

    def line(self, q: Quantity) -> Line:
        """Name, formula in symbols, formula with numbers, result."""
        if np.ndim(q.value) or any(name in self.arrays for name in q.depends):
            return self._whole(q)
        parts: list[Math] = [Name(q.name)]
        if q.role == "delta" and not q.chain:
            parts += [Name(same) for same in self._others(q)]
        formulas, note = self._formulas(q)
        parts += [self.symbols(term) for term in formulas]
        result = Figure(self.figure(q.value), q.name)
        exact = True
        computed = formulas[-1] if formulas else None
        if computed is not None and not isinstance(computed, Symbol | Number):
            parts.append(self.numbers(computed))
            exact = self._holds(computed, q.value)
        if isinstance(computed, Number):
            parts.pop()
        if parts[-1] != Figure(result.text):
            parts.append(result)
        said = [note] if note else [q.where] if q.role == "value" and ":" in q.where else []
        return Line(q.name, tuple(dict.fromkeys(parts)), exact, "; ".join(said))

    def _formulas(self, q: Quantity) -> tuple[list[Term], str]:
        """The formulas of a quantity, the last one with numbers: the short one of a gradient first, then the
        chain rule; and why a choice went as it did."""
        if q.term is None:
            return [], ""
        term, note = self._chosen(q.term)
        if q.chain is None or q.chain == q.term:
            return [term], note
        if q.role == "gradient":
            return [term, q.chain], note
        links = [self.quantities[name].aside for name in symbols(q.chain)]
        known = q.role == "delta" and (all(links) or not any(links))
        return ([q.chain] if known else [q.chain, term]), note

    def _chosen(self, term: Term) -> tuple[Term, str]:
        """A formula with its choices made, and the reasons in words."""
        reasons: dict[str, None] = {}
        values = {name: self.quantities[name].value for name in symbols(term)}
        while choice := next((t for t in walk(term) if _chooses(t)), None):
            condition, *ways = children(choice)
            holds = bool(evaluate(condition, values))
            reason = text(self.symbols(condition)).strip("[]")
            reasons[f"{reason} {'holds' if holds else 'does not hold'}"] = None
            term = exchanged(term, {choice: ways[0 if holds else 1]})
        return term, "; ".join(reasons)

    def _whole(self, q: Quantity) -> Line:
        """The line of an array: its formula, shape, norm and a few entries."""
        parts: list[Math] = [Name(q.name)]
        note = ""
        if q.term is not None:
            term, note = self._chosen(q.term) if not self.arrays & set(q.depends) else (q.term, "")
            parts.append(self.symbols(term))
        if not np.ndim(q.value):
            parts.append(Figure(self.figure(q.value), q.name))
            return Line(q.name, tuple(dict.fromkeys(parts)), True, note)
        return Line(q.name, tuple(parts), True, summary(q.value, self.digits))

    def _others(self, q: Quantity) -> Iterator[str]:
        """Other names of the same derivative."""
        for other in self.quantities.values():
            if other.aside and other.term == Symbol(q.name) and other.role == "dE_dout":
                yield other.name

    def _constant(self, number: Number) -> Number:
        """A constant as it is printed: rounded where that is no fraction."""
        printed = self.numbers(number)
        return Number(_read(printed.text)) if isinstance(printed, Figure) else number

    def _holds(self, term: Term, value: float) -> bool:
        """Whether the printed arithmetic gives the printed result."""
        parts = list(walk(term))
        names = [t.name for t in parts if isinstance(t, Symbol)]
        shown = {name: _read(self.figure(self.quantities[name].value)) for name in names}
        rounded: dict[Term, Term] = {}
        for number in (t for t in parts if isinstance(t, Number)):
            if (printed := self._constant(number)) != number:
                rounded[number] = printed
        with np.errstate(all="ignore"):
            found = float(evaluate(exchanged(term, rounded) if rounded else term, shown))
        return self.figure(found) == self.figure(value)


def _chooses(term: Term) -> bool:
    return isinstance(term, Call) and term.primitive is ops.select


def _read(shown: str) -> float:
    return float(shown.replace("∞", "inf"))


def document(worked: Worked, digits: int) -> Document:
    """Everything, step by step."""
    sections: list[Section] = []
    for number, step in enumerate(worked.steps, 1):
        writer = Writer({q.name: q for q in step}, digits)
        for phase, heading in HEADINGS.items():
            chosen = [q for q in step if q.phase == phase and _shown(q, number, len(worked.steps))]
            if chosen:
                title = heading if len(worked.steps) == 1 else f"Step {number}: {heading.lower()}"
                lines = tuple(writer.line(q) for q in chosen)
                sections.append(Section(title, lines, number, phase))
    return Document(worked.title, worked.facts, tuple(sections), worked.remarks)


def _shown(q: Quantity, step: int, steps: int) -> bool:
    """Whether a quantity has a line: what a later step shows again is left to it."""
    if q.aside:
        return False
    if q.phase == "error after" and step < steps:
        return q.role == "loss"
    return not (q.phase == "given" and step > 1 and q.role not in ("weight", "bias"))
