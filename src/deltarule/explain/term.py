"""Formulas of numbers as data: what one element of an array is, in terms of named quantities.

In: names, numbers, primitives. Out: terms, which evaluate on numbers and are written by
``notation``. Sums and products are kept flat and tidy: constants are folded, equal terms collected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from deltarule.program.lowering import Reduce
from deltarule.program.primitive import Primitive


class _Added:
    """What primitives that move elements need of them: scattering adds."""

    __slots__ = ()

    def __add__(self, other: Any) -> Any:
        return add(self, other)  # type: ignore[arg-type]

    def __radd__(self, other: Any) -> Any:
        return self + Number(float(other))


@dataclass(frozen=True, slots=True)
class Number(_Added):
    """A constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Symbol(_Added):
    """A named quantity."""

    name: str


@dataclass(frozen=True, slots=True)
class Sum(_Added):
    """Two terms or more, added."""

    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Product(_Added):
    """Two factors or more, multiplied; a constant comes first."""

    factors: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Call(_Added):
    """A primitive of scalars; a reduction has the reduced elements as arguments.

    ``mark`` tells calls of whole arrays apart whose settings differ: which part of an array, which axes.
    """

    primitive: Primitive
    args: tuple[Term, ...]
    mark: str = ""


Term = Number | Symbol | Sum | Product | Call
ZERO, ONE = Number(0.0), Number(1.0)


def add(*terms: Term) -> Term:
    """The sum, flat, equal terms collected in the place of the first."""
    counts: dict[Term, float] = {}
    for term, times in _collected(terms).items():
        for one in _flat(Sum, (multiply(Number(times), term),)):
            coefficient, rest = _split(one)
            counts[rest] = counts.get(rest, 0.0) + coefficient
    found = [multiply(Number(c), rest) for rest, c in counts.items() if c]
    return found[0] if len(found) == 1 else Sum(tuple(found)) if found else ZERO


def _collected(terms: tuple[Term, ...]) -> dict[Term, float]:
    """How often each term is added, before sums are laid flat: (x - t) + (x - t) is 2 (x - t)."""
    counts: dict[Term, float] = {}
    for term in terms:
        coefficient, rest = _split(term)
        counts[rest] = counts.get(rest, 0.0) + coefficient
    return counts


def multiply(*factors: Term) -> Term:
    """The product, flat, with one constant in front."""
    constant, rest = 1.0, []
    for factor in _flat(Product, factors):
        if isinstance(factor, Number):
            constant *= factor.value
        else:
            rest.append(factor)
    if constant == 0 or not rest:
        return Number(constant)
    found = rest if constant == 1 else [Number(constant), *rest]
    return found[0] if len(found) == 1 else Product(tuple(found))


def negative(term: Term) -> Term:
    """Minus the term."""
    return multiply(Number(-1.0), term)


def _flat(kind: type, terms: tuple[Term, ...]) -> Iterator[Term]:
    for term in terms:
        if isinstance(term, kind):
            yield from term.terms if isinstance(term, Sum) else term.factors  # type: ignore[union-attr]
        else:
            yield term


def _split(term: Term) -> tuple[float, Term]:
    """A term as coefficient and the rest."""
    if isinstance(term, Number):
        return term.value, ONE
    if isinstance(term, Product) and isinstance(term.factors[0], Number):
        rest = term.factors[1:]
        return term.factors[0].value, rest[0] if len(rest) == 1 else Product(rest)
    return 1.0, term


def children(term: Term) -> tuple[Term, ...]:
    """The terms directly inside."""
    if isinstance(term, Sum):
        return term.terms
    if isinstance(term, Product):
        return term.factors
    return term.args if isinstance(term, Call) else ()


def walk(term: Term) -> Iterator[Term]:
    """A term and all terms inside, from the left."""
    stack = [term]
    while stack:
        yield (now := stack.pop())
        stack.extend(reversed(children(now)))


def symbols(term: Term) -> tuple[str, ...]:
    """Names in a term, each once, in order."""
    return tuple(dict.fromkeys(t.name for t in walk(term) if isinstance(t, Symbol)))


def evaluate(term: Term, values: Mapping[str, Any]) -> Any:
    """The number that a term is, for numbers (or traced values) of its symbols."""
    if isinstance(term, Number):
        return np.float64(term.value)
    if isinstance(term, Symbol):
        x = values[term.name]
        return np.float64(x) if isinstance(x, (int, float)) else x
    found = [evaluate(child, values) for child in children(term)]
    if isinstance(term, Call):
        if isinstance(term.primitive.lowering, Reduce):
            return term.primitive(np.stack(found), axes=(0,))
        return term.primitive(*found)
    found = [np.float64(x) if isinstance(x, np.bool_) else x for x in found]
    if isinstance(term, Sum):
        return sum(found[1:], start=found[0])
    return prod(found[1:], start=found[0])


def exchanged(term: Term, new: Mapping[Term, Term]) -> Term:
    """The term, tidied, with some parts exchanged for others, all at once: what is put in stays as it is."""
    if term in new:
        return new[term]
    inside = tuple(exchanged(child, new) for child in children(term))
    if inside == children(term):
        return term
    if isinstance(term, Sum):
        return add(*inside)
    if isinstance(term, Product):
        return multiply(*inside)
    assert isinstance(term, Call)
    return Call(term.primitive, inside, term.mark)
