"""The right-hand sides of written lines: parsed into a tree that remembers every printed number.

In: ``1*.5 + 2*.1 + .2``, ``1/(1+e^(-0.3775))``, ``w1*i1 + b``. Out: a tree; its value, also with some
of the printed numbers moved, which is how rounding is followed through a line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from deltarule.explain.handwork_numbers import NUMBER, AmbiguousComma, Commas, Printed, printed


@dataclass(frozen=True, slots=True)
class Literal:
    """A printed number."""

    number: Printed


@dataclass(frozen=True, slots=True)
class Name:
    """Something the writer gave a name."""

    text: str


@dataclass(frozen=True, slots=True)
class Written:
    """An operation: ``+ * ^ neg inv`` or the name of a function."""

    op: str
    args: tuple[Tree, ...]


Tree = Literal | Name | Written


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


FUNCTIONS: dict[str, Callable[..., float]] = {
    "exp": math.exp,
    "ln": math.log,
    "log": math.log,
    "sqrt": math.sqrt,
    "abs": abs,
    "tanh": math.tanh,
    "sin": math.sin,
    "cos": math.cos,
    "max": max,
    "min": min,
    "relu": lambda x: max(0.0, x),
    "sigmoid": _sigmoid,
    "softplus": lambda x: math.log1p(math.exp(x)),
}
SPELLINGS = {
    "sigma": "sigmoid", "sig": "sigmoid", "sigm": "sigmoid", "logistic": "sigmoid", "s": "sigmoid",
    "logsig": "sigmoid", "rectifier": "relu", "sgm": "sigmoid",
}  # fmt: skip
_OPS: dict[str, Callable[..., float]] = {
    "+": lambda *terms: math.fsum(terms),
    "*": lambda *factors: math.prod(factors),
    "neg": lambda x: -x,
    "inv": lambda x: 1 / x,
    "^": lambda base, exponent: float(base**exponent),
}
DERIVATIVE = re.compile(
    r"(?:d|delta|Delta)\s*\(?[A-Za-z][\w{}^.]*\)?'?\s*/\s*(?:d|delta|Delta)\s*\(?[A-Za-z][\w{}^.']*\)?"
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\{[\w, ]*\}|_[\w]+)*(?:\^\{?\(\w+\)\}?|\[\w+\])?'*")
_DEEPEST = 60


class NotAFormula(ValueError):
    """The text is not a formula."""


class _Parser:
    """Recursive descent over one text; what follows the formula is left over."""

    def __init__(self, text: str, commas: Commas) -> None:
        self.text, self.commas, self.at, self.depth = text, commas, 0, 0

    def peek(self) -> str:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at] if self.at < len(self.text) else ""

    def take(self, wanted: str) -> bool:
        if self.peek() and self.peek() in wanted:
            self.at += 1
            return True
        return False

    def sum(self) -> Tree:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise NotAFormula("brackets are nested too deeply")
        terms = [self.product()]
        while sign := self.peek():
            if sign not in "+-" or self._ends():
                break
            self.at += 1
            term = self.product()
            terms.append(term if sign == "+" else Written("neg", (term,)))
        self.depth -= 1
        return terms[0] if len(terms) == 1 else Written("+", tuple(terms))

    def _ends(self) -> bool:
        """Whether a sign is followed by nothing: ``w5+``, or a dash before words."""
        return not re.match(r"[+-]\s*[-+\d.,(\[{|A-Za-z]", self.text[self.at :])

    def product(self) -> Tree:
        factors = [self.signed()]
        while True:
            if self.peek() == "*" and re.match(r"\*\s*[-+\d.,(\[{|A-Za-z]", self.text[self.at :]):
                self.at += 1
                factors.append(self.signed())
            elif self.take("/"):
                factors.append(Written("inv", (self.signed(),)))
            elif (self.peek() and self.peek() in "([{") or self._touches():
                factors.append(self.power())
            else:
                break
        return factors[0] if len(factors) == 1 else Written("*", tuple(factors))

    def _touches(self) -> bool:
        """A name right after a bracket or number: ``2h``, ``(1-y)h``, ``0.5 exp(...)``."""
        before = self.text[: self.at].rstrip()[-1:]
        rest = self.text[self.at :]
        spelled = re.match(r"([A-Za-z]+)\s*\(", rest)
        known = bool(spelled and _function(spelled[1]))
        near = self.at > 0 and not self.text[self.at - 1].isspace()
        return before.isalnum() | (before in ")]}") and (
            known
            or bool(near and before and before in ")]}0123456789" and re.match(r"[A-Za-z]", rest))
        )

    def signed(self) -> Tree:
        if self.take("-"):
            return Written("neg", (self.signed(),))
        if self.take("+"):
            return self.signed()
        return self.power()

    def power(self) -> Tree:
        base = self.atom()
        if self.peek() == "^":
            self.at += 1
            exponent = self.signed()
            if base == Name("e"):
                return Written("exp", (exponent,))
            return Written("^", (base, exponent))
        return base

    def atom(self) -> Tree:
        start = self.peek()
        if start and start in "([{":
            self.at += 1
            inside = self.sum()
            if not self.take(")]}"):
                raise NotAFormula(f"a bracket is not closed in {self.text!r}")
            return inside
        if start == "|":
            self.at += 1
            inside = self.sum()
            if not self.take("|"):
                raise NotAFormula(f"a bar is not closed in {self.text!r}")
            return Written("abs", (inside,))
        if found := NUMBER.match(self.text, self.at):
            return self._number(found[0])
        if found := DERIVATIVE.match(self.text, self.at):
            self.at = found.end()
            return Name(found[0])
        if found := _NAME.match(self.text, self.at):
            self.at = found.end()
            return self._named(found[0])
        raise NotAFormula(f"no formula at {self.text[self.at :]!r}")

    def _number(self, text: str) -> Tree:
        stop = len(text)
        if text[-1] in ".,":  # the end of a sentence
            stop -= 1
        if "," in text and self.commas != "decimal" and not _one_number(text, self.commas):
            stop = text.index(",")
        self.at += stop
        try:
            return Literal(printed(text[:stop], self.commas))
        except AmbiguousComma:
            raise
        except ValueError as error:
            raise NotAFormula(str(error)) from None

    def _named(self, name: str) -> Tree:
        function = _function(name)
        if function and (found := re.match(r"\^\s*(\d)\s*(?=\()", self.text[self.at :])):
            self.at += found.end()  # tanh^2(x)
            squared = Literal(printed(found[1]))
            return Written("^", (self._named(name), squared))
        if function and self.peek() and self.peek() in "([{":
            self.at += 1
            args = [self.sum()]
            while self.take(",;"):
                args.append(self.sum())
            if not self.take(")]}"):
                raise NotAFormula(f"the bracket of {name} is not closed")
            return Written(function, tuple(args))
        if function and name.lower() not in ("s",) and NUMBER.match(self.text, self.at + 1):
            return Written(function, (self.power(),))  # ln 0.5, sqrt 2
        if self.peek() == "(" and re.match(r"\(\s*[A-Za-z][\w ]*\)", self.text[self.at :]):
            close = self.text.index(")", self.at)
            name, self.at = name + self.text[self.at : close + 1], close + 1  # net(h1)
        return Name(name)


def _function(name: str) -> str | None:
    low = name.lower()
    return SPELLINGS.get(low, low if low in FUNCTIONS else None)


def _one_number(text: str, commas: Commas) -> bool:
    return bool(re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?(?:[eE][+-]?\d+)?%?", text)) or (
        commas == "unknown" and text.count(",") == 1 and "." not in text
    )


def formula(text: str, commas: Commas = "unknown") -> tuple[Tree, str]:
    """Return the formula at the beginning of a text, and what is left over.

    Raises ``NotAFormula``.

    >>> tree, rest = formula("1*.5 + 2*.1 + .2 (rounded)")
    >>> value(tree), rest
    (0.9, '(rounded)')
    >>> round(value(formula("1/(1+e^-0.3775)")[0]), 9)
    0.593269992
    """
    parser = _Parser(text, commas)
    if remark := re.search(r"\s\([^()]*[A-Za-z]{4,}[^()*/^=\d]*\)\s*[.;,]?$", text):
        kept = text[: remark.start()]
        if kept.strip():  # words in brackets at the end: a remark
            tree, rest = formula(kept, commas)
            return tree, (rest + remark[0]).strip()
    tree = parser.sum()
    return tree, text[parser.at :].strip()


def value(
    tree: Tree,
    names: Mapping[str, float] | None = None,
    moved: Mapping[str, float] | None = None,
) -> float:
    """Return what a formula comes to; NaN where it has no value.

    ``names`` gives the values of names, ``moved`` other values for printed numbers, by their text.
    """
    if isinstance(tree, Literal):
        return (moved or {}).get(tree.number.text, tree.number.value)
    if isinstance(tree, Name):
        return (names or {}).get(tree.text, {"e": math.e, "pi": math.pi}.get(tree.text, math.nan))
    args = [value(arg, names, moved) for arg in tree.args]
    try:
        found = (_OPS.get(tree.op) or FUNCTIONS[tree.op])(*args)
    except (ArithmeticError, ValueError, TypeError):
        return math.nan
    return found if isinstance(found, float | int) else math.nan  # a root of a negative is complex


def parts(tree: Tree) -> Iterator[Tree]:
    """A tree and all trees inside, from the left."""
    stack = [tree]
    while stack:
        yield (now := stack.pop())
        if isinstance(now, Written):
            stack.extend(reversed(now.args))


def literals(tree: Tree) -> list[Printed]:
    """The printed numbers of a tree, in order."""
    return [part.number for part in parts(tree) if isinstance(part, Literal)]


def named(tree: Tree) -> list[str]:
    """The names in a tree, in order; not e and pi."""
    found = [part.text for part in parts(tree) if isinstance(part, Name)]
    return [name for name in found if name not in ("e", "pi")]
