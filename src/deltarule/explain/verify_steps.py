"""The quantities of a step as a network of formulas, in which numbers and formulas can be exchanged.

In: the quantities of a worked step. Out: what any of them would be if some numbers were as somebody
printed them, or if one formula were another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

import numpy as np

from deltarule.explain.term import (
    Call,
    Number,
    Product,
    Sum,
    Symbol,
    Term,
    symbols,
)

MATH: dict[str, Callable[..., float]] = {
    "exp": math.exp,
    "log": math.log,
    "tanh": math.tanh,
    "sqrt": math.sqrt,
    "abs": abs,
    "relu": lambda x: x if x > 0 else 0.0,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)) if x > -700 else 0.0,
    "div": lambda a, b: a / b,
    "power": lambda a, b: float(a**b),
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A quantity of a worked step.

    Attributes
    ----------
    name : str
        As the record calls it.
    value : float
        Exact.
    term : Term or None
        Its formula over other quantities; None for what is given.
    role : str
        What it is: input, weight, net, out, delta, gradient ...
    layer, unit, source : int
        Where it belongs, units from 1; ``source`` is the unit that a weight comes from; 0 for none.
    parameter : str
        The weight or bias that a gradient or a new value is about.
    step : int
        Which pass over the network, from 1: forward to update is one, the error after it the next.
    row : int
        Which row of the inputs, from 1.
    """

    name: str
    value: float
    term: Term | None
    role: str
    layer: int = 0
    unit: int = 0
    source: int = 0
    parameter: str = ""
    step: int = 1
    row: int = 1


@dataclass(slots=True)
class Steps:
    """All quantities of a calculation, by name, in the order of computing.

    What a quantity is made of is kept as one whole number with a bit for each of the others: sets of names
    would grow with the square of the steps.
    """

    facts: dict[str, Fact]
    by_role: dict[str, list[Fact]] = field(init=False)
    _near: dict[str, tuple[str, ...]] = field(init=False)
    _bit: dict[str, int] = field(init=False)
    _made_of: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._near = {n: symbols(f.term) if f.term else () for n, f in self.facts.items()}
        self.by_role = {}
        for fact in self.facts.values():
            self.by_role.setdefault(fact.role, []).append(fact)
        self._bit = {name: 1 << place for place, name in enumerate(self.facts)}
        self._made_of = {}
        for name in self.facts:
            bits = 0
            for near in self.near(name):
                assert near in self._made_of, name
                bits |= self._bit[near] | self._made_of[near]
            self._made_of[name] = bits

    def near(self, name: str) -> tuple[str, ...]:
        """The quantities that a formula names."""
        return self._near[name]

    def uses(self, name: str, other: str) -> bool:
        """Whether a quantity is made of another one, at once or through others."""
        return bool(self._made_of[name] & self._bit[other])

    def upstream(self, name: str) -> list[str]:
        """All quantities that one is made of."""
        return [other for other in self.facts if self.uses(name, other)]

    def of(self, role: str, **where: object) -> list[Fact]:
        """All quantities of a role, in order, at a place."""
        return [
            fact
            for fact in self.by_role.get(role, ())
            if all(getattr(fact, key) == at for key, at in where.items())
        ]

    def one_of(self, name: str) -> str:
        """The quantity itself, where a name is but another one for it, as of a sum without activation."""
        term = self.facts[name].term
        while isinstance(term, Symbol) and self._same_neuron(name, term.name):
            name = term.name
            term = self.facts[name].term
        return name

    def _same_neuron(self, a: str, b: str) -> bool:
        one, other = self.facts[a], self.facts[b]
        place = (one.layer, one.unit, one.row, one.step)
        same = place == (other.layer, other.unit, other.row, other.step)
        return same and {one.role, other.role} in ({"net", "out"}, {"net"}, {"dE_dout", "delta"})

    def frontier(self, name: str, claimed: Iterable[str]) -> list[str]:
        """The claimed quantities that a quantity is made of without passing another claimed one."""
        claimed, found, seen, stack = set(claimed), [], {name}, [name]
        while stack:
            for near in self.near(stack.pop()):
                if near in seen:
                    continue
                seen.add(near)
                if near in claimed:
                    found.append(near)
                else:
                    stack.append(near)
        return found

    def value(
        self,
        name: str,
        numbers: Mapping[str, float],
        formulas: Mapping[str, Term] | None = None,
    ) -> float:
        """Return a quantity with other ``numbers`` for some quantities and other ``formulas`` for some.

        A number given for the quantity itself is not used: the question is what its formula gives.
        """
        formulas = formulas or {}
        changed = self._bits(numbers) | self._bits(formulas)
        known: dict[str, float] = {}
        stack = [name]
        while stack:
            top = stack[-1]
            term = formulas.get(top) or self.facts[top].term
            if top in numbers and top != name:
                known[stack.pop()] = numbers[top]
            elif term is None or (top not in formulas and not self._made_of[top] & changed):
                known[stack.pop()] = self.facts[top].value
            else:
                named = symbols(term) if top in formulas else self._near[top]
                waiting = [other for other in named if other not in known]
                if any(other in stack for other in waiting):
                    return math.nan  # a circle: an exchanged formula uses what is made from it
                if waiting:
                    stack.extend(waiting)
                else:
                    known[stack.pop()] = computed(term, known)
        return known[name]

    def _bits(self, names: Iterable[str]) -> int:
        return reduce(or_, (self._bit.get(name, 0) for name in names), 0)


def computed(term: Term, values: Mapping[str, float]) -> float:
    """The number that a formula gives, NaN where it has none."""
    if isinstance(term, Number):
        return term.value
    if isinstance(term, Symbol):
        return values[term.name]
    try:
        if isinstance(term, Sum):
            return math.fsum(computed(part, values) for part in term.terms)
        if isinstance(term, Product):
            return math.prod(computed(part, values) for part in term.factors)
        return _called(term, [computed(part, values) for part in term.args])
    except (ArithmeticError, ValueError, TypeError):
        return math.nan


def _called(term: Call, args: list[float]) -> float:
    quick = MATH.get(term.primitive.name)
    if quick:
        return quick(*args)
    with np.errstate(all="ignore"):
        return float(term.primitive.evaluate(*map(np.float64, args)))
