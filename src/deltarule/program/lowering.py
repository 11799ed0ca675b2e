"""Lowering is data: how each primitive is computed, said in a few kinds that every backend implements.

In: nothing. Out: one of ``Map | Reduce | Contract | Index | Random | Loop | Alias |
Expand | Lapack | Opaque``, stored in a primitive's record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Map:
    """One scalar expression per element, over ``x0, x1, ...`` (the arguments, broadcast).

    The expression is Python syntax: ``+ - * /``, comparisons, ``select(c, a, b)`` and the functions that
    backends know: exp expm1 log log1p sqrt tanh sigmoid erf sin cos arcsin arccos arctan arctan2 pow abs
    floor rint maximum minimum floor_divide remainder zeta, and those of ``scipy.special``, say
    ``special.gammaln``. ``cast(x)`` converts to the result's dtype. An attr of the node may be named like a
    variable.
    """

    expression: str


@dataclass(frozen=True, slots=True)
class Reduce:
    """Combine the elements along ``attrs["axes"]``: sum, mean, max, min, argmax."""

    op: str


@dataclass(frozen=True, slots=True)
class Contract:
    """Products summed over shared labels; ``spec(types, attrs)`` gives the einsum, say ``ij,jk->ik``."""

    spec: Callable[..., str]


@dataclass(frozen=True, slots=True)
class Index:
    """Values moved, not computed: each result element is read from (or written to) a place found from its
    index."""

    kind: str


@dataclass(frozen=True, slots=True)
class Random:
    """Bits of a counter-based generator: a function of key, step, site and position only."""


@dataclass(frozen=True, slots=True)
class Loop:
    """A subgraph run repeatedly, ``attrs["body"]``."""


@dataclass(frozen=True, slots=True)
class Alias:
    """No work: the result is an argument's buffer, an input, or a literal."""


@dataclass(frozen=True, slots=True)
class Expand:
    """Steps in other primitives, ``rule(*args, **attrs)``, which a compiler puts in its place."""

    rule: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Lapack:
    """A step of linear algebra on each matrix over the last two axes, by LAPACK called from machine code;
    the NumPy evaluation where LAPACK is not at hand or reports that it failed."""

    step: str


@dataclass(frozen=True, slots=True)
class Opaque:
    """Call the NumPy evaluation; no machine code."""

    reason: str


Lowering = Map | Reduce | Contract | Index | Random | Loop | Alias | Expand | Lapack | Opaque
Rule = Callable[..., Any]
