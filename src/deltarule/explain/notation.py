"""From formulas to how they are written, before it is known on what.

In: terms, and the ``notation`` of their primitives (a small part of LaTeX). Out: a tree of rows,
fractions, powers, roots, fences, names and numbers, which ``write`` turns into text, LaTeX or
MathML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from deltarule.explain.term import Call, Number, Product, Sum, Symbol, Term
from deltarule.program import ops
from deltarule.program.lowering import Map, Reduce


@dataclass(frozen=True, slots=True)
class Word:
    """A function's name or a Greek letter."""

    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """The name of a quantity."""

    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as it is shown, and whose value it is."""

    text: str
    of: str = ""


@dataclass(frozen=True, slots=True)
class Sign:
    """An operator between operands, or before one (``prefix``)."""

    text: str
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Parts side by side."""

    parts: tuple[Math, ...]


@dataclass(frozen=True, slots=True)
class Fraction:
    """Above and below the line."""

    above: Math
    below: Math


@dataclass(frozen=True, slots=True)
class Power:
    """A base with something raised."""

    base: Math
    exponent: Math


@dataclass(frozen=True, slots=True)
class Root:
    """A square root."""

    inside: Math


@dataclass(frozen=True, slots=True)
class Fence:
    """Something between parentheses, bars or brackets."""

    left: str
    inside: Math
    right: str


@dataclass(frozen=True, slots=True)
class Hole:
    """The place of an argument in a notation, and how strongly what stands there must hold together."""

    index: int
    least: int = 0


Math = Word | Name | Figure | Sign | Row | Fraction | Power | Root | Fence | Hole
RELATION, SUM, PRODUCT, PREFIX, POWER, ATOM = range(6)
SIGNS = {
    r"\cdot": "*",
    r"\ne": "≠",
    r"\le": "≤",
    r"\ge": "≥",
    r"\land": "∧",
    r"\lor": "∨",
    r"\lnot": "¬",
    r"\gg": "≫",
    r"\bmod": "mod",
    r"\leftarrow": "←",
    r"\sum": "Σ",
    r"\sigma": "σ",
}
FENCES = {"(": ")", "[": "]", r"\left|": r"\right|", r"\lfloor": r"\rfloor"}
BRACKETS = {r"\left|": "|", r"\right|": "|", r"\lfloor": "⌊", r"\rfloor": "⌋"}
ARITHMETIC = ("+", "-", "*", "/", "mod")
STRENGTH = {
    "+": SUM,
    "-": SUM,
    "*": PRODUCT,
    "/": PRODUCT,
    "⊙": PRODUCT,
    "mod": PRODUCT,
    **dict.fromkeys("=≠<≤>≥∧∨≫", RELATION),
}
TOKEN = re.compile(
    r"\{\{|\}\}|\{\d+\}|\\left\||\\right\||\\[a-zA-Z]+|\.\.\.|\\[,;]|[A-Za-z]\w*|\d+|\S|\s+"
)


@cache
def parsed(notation: str) -> tuple[Math, int]:
    """A notation as a tree with holes, and how strongly its parts hold together."""
    tokens = [t for t in TOKEN.findall(notation) if t.strip() and t not in (r"\,", r"\;")]
    return _row(tokens, "")


def _row(tokens: list[str], end: str) -> tuple[Math, int]:
    """Parts up to a closing token, which is taken away; holes know how strong they must be."""
    parts: list[Math] = []
    while tokens and tokens[0] != end:
        parts.append(_part(tokens, parts))
    if tokens:
        tokens.pop(0)
    if len(parts) == 1:
        return parts[0], POWER if isinstance(parts[0], Power) else PRODUCT if isinstance(
            parts[0], Fraction
        ) else ATOM
    signs = [p for p in parts if isinstance(p, Sign) and p.text != ","]
    strength = min(
        (PREFIX if s.prefix else STRENGTH.get(s.text, RELATION) for s in signs), default=PREFIX
    )
    side_by_side = POWER if all(isinstance(p, Hole) for p in parts) else ATOM
    least = PRODUCT if strength == PREFIX and signs else strength + 1 if signs else side_by_side
    if not signs and any(p == Sign(",") for p in parts):
        least = 0
    filled = tuple(Hole(p.index, least) if isinstance(p, Hole) else p for p in parts)
    if len(parts) == 2 and isinstance(parts[0], Word) and isinstance(parts[1], Fence):
        strength = ATOM  # a function and its argument in parentheses
    return Row(filled), strength


def _group(tokens: list[str]) -> Math:
    """What stands in braces, or the next part."""
    if tokens[0] != "{{":
        return _part(tokens, [])
    tokens.pop(0)
    return _row(tokens, "}}")[0]


def _part(tokens: list[str], before: list[Math]) -> Math:
    token = tokens.pop(0)
    if token == r"\frac":
        return Fraction(_group(tokens), _group(tokens))
    if token == r"\sqrt":
        return Root(_group(tokens))
    if token in (r"\mathrm", r"\mathrel"):
        inside = _group(tokens)
        if isinstance(inside, Sign) and tokens[:1] == ["="]:
            return Sign(inside.text + tokens.pop(0))
        return inside if isinstance(inside, Word | Sign) else Word("".join(_letters(inside)))
    if token == "^":
        return Power(before.pop(), _group(tokens))
    if token == "{{":
        return _row(tokens, "}}")[0]
    if token in FENCES:
        inside = _row(tokens, FENCES[token])[0]
        right = FENCES[token]
        return Fence(BRACKETS.get(token, token), inside, BRACKETS.get(right, right))
    if re.fullmatch(r"\{\d+\}", token):
        return Hole(int(token[1:-1]))
    first = not before or isinstance(before[-1], Sign)
    return _leaf(SIGNS.get(token, token.removeprefix("\\")), first)


def _leaf(text: str, first: bool) -> Math:
    if text == "...":
        return Word("…")
    if text.isdigit():
        return Figure(text)
    if text.isidentifier() and text != "mod":
        return Word(text)
    return Sign(text, prefix=first and text in "-¬")


def _letters(tree: Math) -> Iterator[str]:
    for part in tree.parts if isinstance(tree, Row) else (tree,):
        if isinstance(part, Word | Figure | Sign):
            yield part.text


class Notation:
    """Formulas with symbols or with their numbers put in.

    Attributes
    ----------
    figure : callable
        Text of a constant.
    symbol : callable
        What stands for a quantity: its name, or its value.
    array : callable
        Whether a formula gives an array: between two of these, element by element, stands a sign of its own.
    """

    def __init__(
        self,
        figure: Callable[[float], str],
        symbol: Callable[[str], Math] = Name,
        array: Callable[[Term], bool] = lambda term: False,
        most: int = 10,
    ) -> None:
        self.figure, self.symbol, self.array, self.most = figure, symbol, array, most

    def __call__(self, term: Term) -> Math:
        """The formula of a term."""
        return self._formula(term)[0]

    def _formula(self, term: Term) -> tuple[Math, int]:
        if isinstance(term, Symbol):
            found = self.symbol(term.name)
            return found, _strength(found)
        if isinstance(term, Number):
            return self._number(term.value)
        if isinstance(term, Sum):
            return self._sum(term), SUM
        if isinstance(term, Product):
            return self._product(term)
        return self._call(term)

    def _inside(self, term: Term, least: int) -> Math:
        """A formula, in parentheses where it holds together less than ``least``."""
        found, strength = self._formula(term)
        return found if strength >= least else Fence("(", found, ")")

    def _number(self, value: float) -> tuple[Math, int]:
        """A constant; a simple fraction that has no short decimals as a fraction."""
        if 0 < abs(value) < 1 and (value == 0.5 or len(repr(value)) > 6):
            for below in range(2, 101):
                above = round(value * below)
                if above and above / below == value:
                    return Fraction(Figure(str(above)), Figure(str(below))), PRODUCT
        found = Figure(self.figure(value))
        return found, _strength(found)

    def _sum(self, term: Sum) -> Math:
        parts: list[Math] = []
        for i, one in enumerate(term.terms):
            minus, rest = _signed(one)
            if i == self.most - 2 and len(term.terms) > self.most:
                return Row((*parts, Sign("+"), Word("…")))
            if i:
                parts.append(Sign("-" if minus else "+"))
            elif minus:
                parts.append(Sign("-", prefix=True))
            found = self._inside(rest, PRODUCT)
            parts.append(guarded(found) if i or minus else found)
        return Row(tuple(parts))

    def _product(self, term: Product) -> tuple[Math, int]:
        minus, rest = _signed(term)
        if minus:
            found = guarded(self._inside(rest, PRODUCT))
            return Row((Sign("-", prefix=True), found)), PREFIX
        powers: dict[Term, int] = {}
        for factor in term.factors:
            powers[factor] = powers.get(factor, 0) + 1
        parts: list[Math] = []
        before = False
        for i, (factor, n) in enumerate(powers.items()):
            now = self.array(factor)
            if i:
                parts.append(Sign("⊙" if before and now else "*"))
            before = before or now
            if n > 1:
                parts.append(Power(self._inside(factor, ATOM), Figure(str(n))))
            else:
                parts.append(self._inside(factor, POWER if i else PRODUCT))
        if len(parts) == 1:
            return parts[0], POWER
        return Row(tuple(parts)), PRODUCT

    def _call(self, term: Call) -> tuple[Math, int]:
        tree, strength = parsed(term.primitive.notation)
        if isinstance(term.primitive.lowering, Reduce):
            return self._reduction(term, tree)
        filled = self._fill(_marked(tree, term), term.args)
        if strength == RELATION and isinstance(term.primitive.lowering, Map):
            filled = _unfenced(filled)
            return Fence("[", filled, "]"), ATOM  # Iverson's bracket: 1 where it holds, else 0
        return filled, strength

    def _reduction(self, term: Call, tree: Math) -> tuple[Math, int]:
        row: list[Math] = []
        for arg in term.args:
            row += [Sign(","), self._formula(arg)[0]]
        word = tree.parts[0] if isinstance(tree, Row) else Word(term.primitive.name)
        return Row((word, Fence("(", Row(tuple(row[1:])), ")"))), ATOM

    def _fill(self, tree: Math, args: tuple[Term, ...]) -> Math:
        if isinstance(tree, Hole):
            return self._inside(args[tree.index], tree.least)
        if isinstance(tree, Row):
            parts = [self._fill(part, args) for part in tree.parts]
            for i in range(1, len(parts)):
                before = parts[i - 1]
                if isinstance(before, Sign) and before.text in ARITHMETIC:
                    parts[i] = guarded(parts[i])
            return Row(tuple(parts))
        if isinstance(tree, Fraction):
            return Fraction(self._fill(tree.above, args), self._fill(tree.below, args))
        if isinstance(tree, Power):
            base = tree.base
            raised = self._fill(tree.exponent, args)
            if isinstance(base, Hole):
                return Power(self._inside(args[base.index], ATOM), raised)
            return Power(self._fill(base, args), raised)
        if isinstance(tree, Root):
            return Root(self._fill(tree.inside, args))
        if isinstance(tree, Fence):
            return Fence(tree.left, self._fill(tree.inside, args), tree.right)
        return tree


def _marked(tree: Math, term: Call) -> Math:
    """A notation with dots for the places of a slice: these."""
    if term.primitive is not ops.slice or not term.mark:
        return tree
    if isinstance(tree, Row):
        return Row(tuple(_marked(part, term) for part in tree.parts))
    if isinstance(tree, Fence):
        return Fence(tree.left, _marked(tree.inside, term), tree.right)
    return Word(term.mark) if tree == Word("…") else tree


def cut(tree: Math) -> list[Math]:
    """A sum, cut before its signs, for what is too long for a line."""
    if not isinstance(tree, Row):
        return [tree]
    pieces: list[list[Math]] = [[]]
    for part in tree.parts:
        if isinstance(part, Sign) and not part.prefix and part.text in "+-":
            pieces.append([])
        pieces[-1].append(part)
    return [Row(tuple(piece)) for piece in pieces]


def _unfenced(found: Math) -> Math:
    """Conditions inside a condition, without brackets of their own."""
    if not isinstance(found, Row):
        return found
    inner = (p.inside if isinstance(p, Fence) and p.left == "[" else p for p in found.parts)
    return Row(tuple(inner))


def guarded(found: Math) -> Math:
    """A formula after a sign: what begins with a minus, or its first number, in parentheses."""
    if isinstance(found, Figure):
        return Fence("(", found, ")") if found.text.startswith("-") else found
    if isinstance(found, Row):
        first = found.parts[0]
        if isinstance(first, Sign) and first.prefix:
            return Fence("(", found, ")")
        return Row((guarded(first), *found.parts[1:]))
    return found


def _strength(found: Math) -> int:
    if isinstance(found, Figure) and found.text.startswith("-"):
        return PREFIX
    return ATOM


def _signed(term: Term) -> tuple[bool, Term]:
    """Whether a term has a minus in front, and the term without it."""
    if isinstance(term, Number) and term.value < 0:
        return True, Number(-term.value)
    if isinstance(term, Product) and isinstance(term.factors[0], Number):
        value, rest = term.factors[0].value, term.factors[1:]
        if value == -1:
            return True, rest[0] if len(rest) == 1 else Product(rest)
        if value < 0:
            return True, Product((Number(-value), *rest))
    return False, term
