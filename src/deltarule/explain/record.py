"""What an explanation holds: quantities with exact values, formulas and what they depend on.

In: quantities in the order in which one computes them. Out: ``Worked``, which looks them up,
computes them again from changed ones, and is written by the renderers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from deltarule.explain.notation import Name, Notation
from deltarule.explain.term import Term, evaluate, symbols
from deltarule.explain.write import text

if TYPE_CHECKING:
    from deltarule.explain.document import Document

DIGITS = 6
PHASES = ("given", "forward", "error", "backward", "update", "error after")


def exactly(value: float) -> str:
    """A number with all its digits, whole ones without a point."""
    return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(float(value))


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of a step.

    Attributes
    ----------
    name : str
        As textbooks write it: ``net_h1``, ``out_h1``, ``E_o1``, ``delta_o1``, ``dE/dw5``, ``w5_new``.
    value : float, or array in matrix form
        Exact, from the traced graph in float64.
    phase : str
        given, forward, error, backward, update, or error after.
    role : str
        input, target, weight, bias, setting, memory; net, out, loss_part, loss, value; dE_dout,
        partial, delta, gradient; memory_new, new.
    term : Term or None
        The formula over other quantities of the same step; None where the number is given.
    chain : Term or None
        For derivatives: the chain rule spelled out.
    layer, unit, source : int
        Layer (0: inputs), neuron in it (from 1), and for weights the neuron before it from which they come.
    row : int
        Of the inputs, from 1.
    parameter : str
        The weight or bias that a gradient or a new value is about.
    trained : bool
        Whether the update changes it.
    aside : bool
        Said inside other lines; no line of its own.
    where : str
        Path of the layer, or file and line.
    """

    name: str
    value: Any
    phase: str
    role: str
    step: int = 1
    term: Term | None = None
    chain: Term | None = None
    layer: int = 0
    unit: int = 0
    source: int = 0
    row: int = 1
    parameter: str = ""
    trained: bool = True
    aside: bool = False
    where: str = ""

    @property
    def depends(self) -> tuple[str, ...]:
        """Names of the quantities in the formula, in order."""
        return () if self.term is None else symbols(self.term)

    @property
    def formula(self) -> str:
        """The formula in symbols, as plain text."""
        return "" if self.term is None else text(Notation(exactly, Name)(self.term))

    def compute(self, values: Mapping[str, Any]) -> float:
        """The formula with other numbers put in."""
        return self.value if self.term is None else float(evaluate(self.term, values))


@dataclass(frozen=True, slots=True)
class Connection:
    """A line of the drawing, from a neuron to one that reads it; all counted from 1, inputs in layer 0.

    ``name`` is that of its weight, "" where there is none. Of a bias ``source`` is 0.
    """

    layer: int
    unit: int
    before: int
    source: int
    name: str


@dataclass(frozen=True, slots=True)
class Layout:
    """How a network is drawn: names of the neurons of each layer, inputs first, the connections, and the
    column of each layer.
    """

    units: tuple[tuple[str, ...], ...]
    edges: tuple[Connection, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True, repr=False)
class Worked:
    """A worked calculation.

    Attributes
    ----------
    title : str
        What it is about.
    steps : tuple of tuple of Quantity
        The quantities of each step, in the order of computation.
    rate : float or None
        The learning rate.
    """

    title: str
    steps: tuple[tuple[Quantity, ...], ...]
    rate: float | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    layout: Layout | None = None
    at_rate: Callable[[float], Worked] | None = field(default=None, repr=False)

    @cached_property
    def quantities(self) -> dict[str, Quantity]:
        """By name; those of step k, from the second on, are called ``name@k``."""
        return {
            (q.name if q.step == 1 else f"{q.name}@{q.step}"): q
            for step in self.steps
            for q in step
        }

    @cached_property
    def values(self) -> dict[str, Any]:
        """The exact value of each quantity, by name."""
        return {name: q.value for name, q in self.quantities.items()}

    def __getitem__(self, name: str) -> Quantity:
        return self.quantities[name]

    def __repr__(self) -> str:
        return f"<{self.title or 'worked step'}: {len(self.quantities)} quantities; print it>"

    def recompute(self, changed: Mapping[str, float], step: int = 1) -> dict[str, float]:
        """All quantities of a step where some have other values, as one who made a mistake goes on."""
        values: dict[str, float] = {}
        for q in self.steps[step - 1]:
            values[q.name] = float(changed[q.name]) if q.name in changed else q.compute(values)
        return values

    # --- on paper ---

    def document(self, digits: int = DIGITS) -> Document:
        """Sections of lines, for a renderer."""
        from deltarule.explain.document import document

        return document(self, digits)

    def text(self, digits: int = DIGITS, width: int = 100) -> str:
        """Plain text; numbers with so many significant digits, kept exactly in ``values``."""
        from deltarule.explain.text import plain

        return plain(self.document(digits), width)

    def markdown(self, digits: int = DIGITS) -> str:
        """Markdown, with formulas between dollar signs."""
        from deltarule.explain.markdown import source

        return source(self.document(digits))

    def latex(self, digits: int = DIGITS) -> str:
        """A LaTeX document."""
        from deltarule.explain.latex import source

        return source(self.document(digits))

    def html(self, digits: int = DIGITS) -> str:
        """A page of its own, without a network: drawing, steps, formulas, a slider for the learning rate."""
        from deltarule.explain.page import page

        return page(self, digits)

    def _repr_html_(self) -> str:
        from deltarule.explain.page import notebook

        return notebook(self, DIGITS)

    def __str__(self) -> str:
        return self.text()
