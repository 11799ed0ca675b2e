"""Partial derivatives of a formula, by the rules that train.

In: a term. Out: its derivative with respect to each name in it, as terms again. The formula is
traced as scalars; the vjp rules of its primitives do the rest.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from deltarule.derive.backward import pull_back
from deltarule.derive.trace import tracing
from deltarule.explain.expand import Expansion, Terms
from deltarule.explain.term import ZERO, Symbol, Term, evaluate, symbols
from deltarule.program.types import ArrayType

SCALAR = ArrayType((), np.dtype(np.float64))


def partials(term: Term, name: str, values: Mapping[str, float]) -> dict[str, Term]:
    """d term / d symbol, for each symbol; ``name`` stands for the value of the term itself."""
    given = symbols(term)
    if not given:
        return {}
    with tracing(known=True) as outer:
        xs = {s: outer.input(SCALAR, np.float64(values[s]), scalar=True) for s in given}
        with tracing(known=True) as inner:
            leaves = {s: inner.input(SCALAR, x, active=True, scalar=True) for s, x in xs.items()}
            y = evaluate(term, leaves)
        cts = pull_back(inner, [y.node], [np.float64(1)], [x.node for x in leaves.values()])
        named = {x.node: _one(s) for s, x in xs.items()}
        whole = inner.values[y.node]
        named.setdefault(whole.node, _one(name))
        expansion = Expansion(outer.values, named)
        found: dict[str, Term] = {}
        for symbol, ct in zip(given, cts, strict=True):
            if ct is None:
                found[symbol] = ZERO
            else:
                node = ct.node if hasattr(ct, "node") else outer.capture(ct)
                found[symbol] = expansion.terms(node)[()]
    return found


def _one(name: str) -> Terms:
    """A symbol as an array of one element."""
    out = np.empty((), object)
    out[()] = Symbol(name)
    return out
