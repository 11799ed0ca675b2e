"""From the nodes of a graph to the formula of each element.

In: nodes with their values, and names for some of their elements. Out: one term per element. What a
primitive does to elements is read from its lowering: a scalar expression, a reduction, a
contraction, a move.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from deltarule.explain.order import parts_first
from deltarule.explain.term import (
    ZERO,
    Call,
    Number,
    Product,
    Sum,
    Symbol,
    Term,
    add,
    multiply,
    negative,
)
from deltarule.program import Node, ops
from deltarule.program.lowering import Contract, Index, Map, Reduce
from deltarule.program.ops.contract import labels

Terms = Any  # arrays of terms, or of names: NumPy cannot say what an array of objects holds
LARGEST = 4096


class Expansion:
    """The elements of nodes as terms over named quantities.

    Attributes
    ----------
    values : mapping
        Node -> number or array.
    names : dict
        Node -> array of symbols: a named node stands for itself wherever it is used.
    rank : callable
        Order of names in the products of a contraction: derivatives before weights before values.
    """

    def __init__(
        self,
        values: Mapping[Node, Any],
        names: dict[Node, Terms],
        rank: Callable[[str], int] = lambda name: 0,
    ) -> None:
        self.values, self.names, self.rank = values, names, rank
        self.known: dict[Node, Terms] = {}

    def terms(self, node: Node) -> Terms:
        """Symbols of a named node, the formulas of any other; without recursion over the graph."""
        for part in parts_first((node,), self._parts, ChainMap(self.names, self.known)):
            self.known[part] = self.formula(part)
        return self.names[node] if node in self.names else self.known[node]

    def formula(self, node: Node) -> Terms:
        """The formula of each element of a node, whose own name is not used."""
        if not self._parts(node):
            return self._numbers(node)
        args = [self.terms(arg) for arg in node.args]
        if isinstance(node.primitive.lowering, Contract):
            order = sorted(range(len(args)), key=lambda i: self._rank(args[i]))
            spec = node.primitive.lowering.spec(*(a.type for a in node.args), **node.attrs)
            return contracted(spec, args, order)
        return applied(node, args, self.values)

    def _rank(self, terms: Terms) -> int:
        """The rank of an array of symbols."""
        names = (t.name for t in terms.flat if isinstance(t, Symbol))
        return min((self.rank(name) for name in names), default=9)

    def _parts(self, node: Node) -> tuple[Node, ...]:
        """The arguments through which a formula can be read."""
        readable = (
            node.args
            and not isinstance(node.type, tuple)
            and node.type.dtype.kind in "fb"
            and node.type.size <= LARGEST
            and not any(isinstance(arg.type, tuple) for arg in node.args)
            and all(arg.type.size <= LARGEST for arg in node.args)
            and _readable(node)
        )
        return tuple(arg for arg in node.args) if readable else ()

    def _numbers(self, node: Node) -> Terms:
        x = (
            np.asarray(self.values[node])
            if node in self.values
            else np.asarray(node.attrs["value"])
        )
        return _each(lambda v: Number(float(v)), x) if x.dtype.kind in "biuf" else _empty(x.shape)


def _readable(node: Node) -> bool:
    lowering = node.primitive.lowering
    if isinstance(lowering, Reduce):
        return "axes" in node.attrs and lowering.op != "argmax"
    return isinstance(lowering, Map | Contract | Index) or _passes(node)


def _passes(node: Node) -> bool:
    """Whether the primitive hands its one argument on."""
    if node.primitive.notation != "{0}" or isinstance(node.args[0].type, tuple):
        return False
    return node.type.shape == node.args[0].type.shape


def applied(node: Node, args: list[Terms], values: Mapping[Node, Any]) -> Terms:
    """The elements of a node in terms of those of its arguments."""
    lowering = node.primitive.lowering
    if _passes(node):
        return args[0]
    if isinstance(lowering, Map):
        return _mapped(node, args)
    if isinstance(lowering, Reduce):
        return _reduced(node, lowering.op, args[0])
    moved = [
        a if arg.type.is_float else np.asarray(values[arg])
        for a, arg in zip(args, node.args, strict=True)
    ]
    out = node.primitive.evaluate(*moved, **node.attrs)
    return _each(lambda v: v if isinstance(v, Term) else Number(float(v)), _objects(out))


def _mapped(node: Node, args: list[Terms]) -> Terms:
    rule = ARITHMETIC.get(node.primitive.name) or _call(node)
    out = _empty(node.type.shape)
    wide = [np.broadcast_to(a, out.shape) for a in args]
    for place in np.ndindex(out.shape):
        out[place] = rule(*(a[place] for a in wide))
    return out


def _call(node: Node) -> Callable[..., Term]:
    """A term of the primitive; a number where all arguments are numbers."""

    def call(*args: Term) -> Term:
        if all(isinstance(a, Number) for a in args):
            with np.errstate(all="ignore"):
                y = node.primitive.evaluate(*(np.float64(a.value) for a in args), **node.attrs)  # type: ignore[union-attr]
            return Number(float(y))
        return Call(node.primitive, args)

    return call


def _quotient(a: Term, b: Term) -> Term:
    """a / b, with the constant of a in front; (c / s) / s is c / s^2."""
    if isinstance(b, Number) and b.value:
        return multiply(Number(1 / b.value), a)
    if a == ZERO:
        return ZERO
    factors = a.factors if isinstance(a, Product) else (a,)
    for i, f in enumerate(factors):
        if isinstance(f, Call) and f.primitive is ops.div and _share(f.args[1], b):
            above = multiply(*factors[:i], f.args[0], *factors[i + 1 :])
            return _quotient(above, multiply(f.args[1], b))
    if isinstance(a, Product) and isinstance(a.factors[0], Number):
        return multiply(a.factors[0], Call(ops.div, (multiply(*a.factors[1:]), b)))
    return Call(ops.div, (a, b))


def _share(a: Term, b: Term) -> bool:
    """Whether two products have a factor in common."""
    first, second = (set(t.factors if isinstance(t, Product) else (t,)) for t in (a, b))
    return bool(first & second)


def _times(a: Term, b: Term) -> Term:
    """The product; quotients of a common root are one, and the first quotient of a number takes the
    other factors as its numerator."""
    whole = multiply(a, b)
    factors = list(whole.factors) if isinstance(whole, Product) else []
    quotients = [f for f in factors if isinstance(f, Call) and f.primitive is ops.div]
    for first, second in combinations(quotients, 2):
        if _share(first.args[1], second.args[1]):
            above, below = (multiply(*pair) for pair in zip(first.args, second.args, strict=True))
            rest = [f for f in factors if f is not first and f is not second]
            return _times(multiply(*rest), _quotient(above, below))
    for quotient in quotients:
        if isinstance(quotient.args[0], Number):
            rest = [f for f in factors if f is not quotient]
            constants = [quotient.args[0], *(f for f in rest if isinstance(f, Number))]
            others = [f for f in rest if not isinstance(f, Number)]
            return multiply(*constants, _quotient(multiply(*others), quotient.args[1]))
    return whole


def _power(x: Term, n: Term) -> Term:
    """x^n; 1 and 2 as products."""
    if isinstance(n, Number) and n.value in (0, 1, 2):
        return multiply(*[x] * int(n.value))
    if isinstance(x, Number) and isinstance(n, Number):
        return Number(float(np.power(np.float64(x.value), n.value)))
    return Call(ops.power, (x, n))


ARITHMETIC: dict[str, Callable[..., Term]] = {
    "add": add,
    "sub": lambda a, b: add(a, negative(b)),
    "mul": _times,
    "zmul": _times,
    "neg": negative,
    "div": _quotient,
    "power": _power,
    "square": lambda x: _times(x, x),
}


def contracted(spec: str, args: list[Terms], order: list[int]) -> Terms:
    """Sums of products over the labels that are not in the result; factors in an order of arguments."""
    operands, result = labels(spec)
    sizes = label_sizes(operands, [a.shape for a in args])
    summed = [label for label in sizes if label not in result]
    out = _empty(tuple(sizes[label] for label in result))
    for place in np.ndindex(out.shape):
        at = dict(zip(result, place, strict=True))
        products = []
        for inner in np.ndindex(tuple(sizes[label] for label in summed)):
            at.update(zip(summed, inner, strict=True))
            factors = [_at(args[i], [at[label] for label in operands[i]]) for i in order]
            products.append(multiply(*factors))
        out[place] = add(*products)
    return out


def label_sizes(operands: list[str], shapes: list[tuple[int, ...]]) -> dict[str, int]:
    """Sizes of the labels of a contraction; an axis of size 1 may be broadcast."""
    sizes: dict[str, int] = {}
    for letters, shape in zip(operands, shapes, strict=True):
        for letter, n in zip(letters, shape, strict=True):
            sizes[letter] = max(n, sizes.get(letter, 1))
    return sizes


def _at(a: Terms, place: list[int]) -> Term:
    found: Term = a[tuple(0 if n == 1 else i for i, n in zip(place, a.shape, strict=True))]
    return found


def _reduced(node: Node, op: str, x: Terms) -> Terms:
    axes = node.attrs["axes"]
    kept = tuple(i for i in range(x.ndim) if i not in axes)
    rows = np.transpose(x, (*kept, *axes)).reshape((*node.type.shape, -1))
    out = _empty(node.type.shape)
    for place in np.ndindex(out.shape):
        out[place] = reduction(node, op, tuple(rows[place]))
    return out


def reduction(node: Node, op: str, row: tuple[Term, ...]) -> Term:
    """The elements that are reduced to one."""
    if op == "sum":
        return add(*row)
    if op == "mean":
        return share(add(*row), 1 / len(row))
    return row[0] if len(row) == 1 else Call(node.primitive, row)


def share(term: Term, factor: float) -> Term:
    """A constant times a term, put into each term of a sum that has constants itself."""
    if isinstance(term, Sum) and any(_numbered(t) for t in term.terms):
        return add(*(multiply(Number(factor), t) for t in term.terms))
    return multiply(Number(factor), term)


def _numbered(term: Term) -> bool:
    """Whether a term begins with a constant."""
    return isinstance(term, Product) and isinstance(term.factors[0], Number)


def _empty(shape: tuple[int, ...]) -> Terms:
    return np.empty(shape, object)


def _objects(x: Any) -> Terms:
    if isinstance(x, np.ndarray):
        return x.astype(object)
    out = _empty(())
    out[()] = x
    return out


def _each(f: Callable[[Any], Term], x: Terms) -> Terms:
    out = _empty(np.shape(x))
    for place in np.ndindex(out.shape):
        out[place] = f(x[place])
    return out


__all__ = ["Expansion", "Product", "Terms", "applied", "share"]
