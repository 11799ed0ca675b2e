"""Formulas on paper: as text, as LaTeX, as MathML.

In: the trees of ``notation``. Out: strings. Text is arithmetic that one can type into a calculator.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

from deltarule.explain.notation import (
    Fence,
    Figure,
    Fraction,
    Math,
    Name,
    Power,
    Root,
    Row,
    Sign,
    Word,
)

GREEK = {
    "lr": "η",
    "delta": "δ",
    "sigma": "σ",
    "eta": "η",
    "beta": "β",
    "gamma": "γ",
    "xhat": "x\u0302",
    "theta": "θ",
    "epsilon": "ε",
}


# --- text ---


def text(tree: Math) -> str:
    """One line of plain text."""
    if isinstance(tree, Row):
        return _row(tree)
    if isinstance(tree, Fraction):
        return f"{_text_atom(tree.above, True)}/{_text_atom(tree.below, True)}"
    if isinstance(tree, Power):
        return f"{_text_atom(tree.base)}^{_text_atom(tree.exponent)}"
    if isinstance(tree, Root):
        return f"√({text(tree.inside)})"
    if isinstance(tree, Fence):
        return f"{tree.left}{text(tree.inside)}{tree.right}"
    assert isinstance(tree, Word | Name | Figure | Sign)
    return tree.text


def _row(tree: Row) -> str:
    """Parts of a row; spaces around signs, and between things that stand side by side."""
    out = ""
    before: Math = Sign("", prefix=True)
    for part in tree.parts:
        if isinstance(part, Sign):
            tight = {"*": "*", ",": ", "}
            out += part.text if part.prefix else tight.get(part.text, f" {part.text} ")
        else:
            called = isinstance(part, Fence) and (isinstance(before, Word) or part.left == "[")
            out += "" if isinstance(before, Sign) or called else " "
            out += text(part)
        before = part
    return out


def _text_atom(tree: Math, power: bool = False) -> str:
    """In parentheses where it is more than one thing; ``power``: a power is one thing, too."""
    found = text(tree)
    kinds = (Word, Name, Fence, Root, Power) if power else (Word, Name, Fence, Root)
    simple = isinstance(tree, kinds) or (isinstance(tree, Figure) and not found.startswith("-"))
    called = isinstance(tree, Row) and [type(p) for p in tree.parts] == [Word, Fence]
    return found if simple or called else f"({found})"


# --- the parts of a name ---

_DERIVATIVE = re.compile(r"d([^/]+)/d([^/]+)")


def spelled(name: str, words: Words) -> str:
    """A quantity's name typeset: derivatives as fractions, what follows _ as an index, ``_new`` as +."""
    base = name.partition("@")[0]
    if found := _DERIVATIVE.fullmatch(base):
        above, below = (words.row(words.sign("∂"), spelled(part, words)) for part in found.groups())
        return words.fraction(above, below)
    row = re.fullmatch(r"(.*)\((\d+)\)", base)
    base = row[1] if row else base
    raised = [words.word(f"({row[2]})")] if row else []
    if base.endswith("_new"):
        base, raised = base.removesuffix("_new"), [*raised, words.sign("+")]
    base, _, places = base.removesuffix("]").partition("[")
    head, *indices = base.split("_")
    indices += [place for place in places.split(",") if place]
    if not places and (split := re.fullmatch(r"([A-Za-z]+)(\d[\d.]*)", head)):
        head, indices = split[1], [split[2], *indices]
    inside = [words.word(GREEK.get(part, part)) for part in indices if part]
    return words.indexed(words.word(GREEK.get(head, head)), inside, raised)


class Words:
    """How the parts of a name are written."""

    row: Callable[..., str]
    fraction: Callable[[str, str], str]
    word: Callable[[str], str]
    sign: Callable[[str], str]
    indexed: Callable[[str, list[str], list[str]], str]


# --- LaTeX ---

_LATEX = {
    "*": r"\cdot ",
    "⊙": r"\odot ",
    "≠": r"\ne ",
    "≤": r"\le ",
    "≥": r"\ge ",
    "∧": r"\land ",
    "∨": r"\lor ",
    "¬": r"\lnot ",
    "≫": r"\gg ",
    "mod": r"\bmod ",
    "←": r"\leftarrow ",
    "Σ": r"\sum ",
    "∂": r"\partial ",
    "⌊": r"\lfloor ",
    "⌋": r"\rfloor ",
    "δ": r"\delta",
    "σ": r"\sigma",
    "η": r"\eta",
    "β": r"\beta",
    "γ": r"\gamma",
    "x\u0302": r"\hat{x}",
    "θ": r"\theta",
    "ε": r"\varepsilon",
    "…": r"\dots",
}
_FUNCTIONS = ("tanh", "sin", "cos", "ln", "max", "min", "arctan", "arcsin", "arccos")


class LatexWords(Words):
    """Names in LaTeX."""

    @staticmethod
    def row(*parts: str) -> str:  # noqa: D102
        return "".join(parts)

    @staticmethod
    def fraction(above: str, below: str) -> str:  # noqa: D102
        return rf"\frac{{{above}}}{{{below}}}"

    @staticmethod
    def word(text: str) -> str:  # noqa: D102
        if text in _LATEX:
            return _LATEX[text]
        if text in _FUNCTIONS:
            return rf"\{text}"
        plain = text.translate({ord(c): rf"\{c}" for c in "#$%&_{}"})
        return plain if len(text) == 1 or not text[0].isalpha() else rf"\mathrm{{{plain}}}"

    @staticmethod
    def sign(text: str) -> str:  # noqa: D102
        return _LATEX.get(text, text)

    @staticmethod
    def indexed(base: str, indices: list[str], raised: list[str]) -> str:  # noqa: D102
        below = f"_{{{','.join(indices)}}}" if indices else ""
        return f"{base}{below}" + (f"^{{{''.join(raised)}}}" if raised else "")


def latex(tree: Math) -> str:
    """A formula for math mode."""
    if isinstance(tree, Row):
        return "".join(latex(part) for part in tree.parts)
    if isinstance(tree, Fraction):
        return rf"\frac{{{latex(tree.above)}}}{{{latex(tree.below)}}}"
    if isinstance(tree, Power):
        base = latex(tree.base).strip()
        return f"{base if len(base) == 1 else f'{{{base}}}'}^{{{latex(tree.exponent)}}}"
    if isinstance(tree, Root):
        return rf"\sqrt{{{latex(tree.inside)}}}"
    if isinstance(tree, Fence):
        left, right = (LatexWords.sign(side).strip() for side in (tree.left, tree.right))
        return rf"\left{left}{latex(tree.inside)}\right{right}"
    if isinstance(tree, Name):
        return spelled(tree.text, LatexWords())
    if isinstance(tree, Figure):
        return _latex_figure(tree.text)
    assert isinstance(tree, Word | Sign)
    if isinstance(tree, Sign):
        spaced = tree.text not in (",",) and not tree.prefix
        found = LatexWords.sign(tree.text)
        return f" {found.strip()} " if spaced else found
    return LatexWords.word(tree.text) + " "


def _latex_figure(shown: str) -> str:
    mantissa, _, exponent = shown.partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else shown


# --- MathML ---


class MathmlWords(Words):
    """Names in MathML."""

    @staticmethod
    def row(*parts: str) -> str:  # noqa: D102
        return f"<mrow>{''.join(parts)}</mrow>"

    @staticmethod
    def fraction(above: str, below: str) -> str:  # noqa: D102
        return f"<mfrac>{above}{below}</mfrac>"

    @staticmethod
    def word(text: str) -> str:  # noqa: D102
        alone = len(text) == 1 and (not text.isalpha() or text == "Σ")
        upright = ' mathvariant="normal"' if alone else ""
        return f"<mi{upright}>{escape(text)}</mi>"

    @staticmethod
    def sign(text: str) -> str:  # noqa: D102
        return f"<mo>{escape(text)}</mo>" if text != "∂" else "<mo rspace='0' lspace='0'>∂</mo>"

    @staticmethod
    def indexed(base: str, indices: list[str], raised: list[str]) -> str:  # noqa: D102
        below = f"<mrow>{'<mo>,</mo>'.join(indices)}</mrow>"
        above = f"<mrow>{''.join(raised)}</mrow>"
        if indices and raised:
            return f"<msubsup>{base}{below}{above}</msubsup>"
        if indices:
            return f"<msub>{base}{below}</msub>"
        return f"<msup>{base}{above}</msup>" if raised else base


def mathml(tree: Math) -> str:
    """The inside of a math element."""
    if isinstance(tree, Row):
        return f"<mrow>{_side_by_side(tree)}</mrow>"
    if isinstance(tree, Fraction):
        return f"<mfrac>{mathml(tree.above)}{mathml(tree.below)}</mfrac>"
    if isinstance(tree, Power):
        return f"<msup>{mathml(tree.base)}{mathml(tree.exponent)}</msup>"
    if isinstance(tree, Root):
        return f"<msqrt>{mathml(tree.inside)}</msqrt>"
    if isinstance(tree, Fence):
        tall = any(_tall(part) for part in _parts(tree.inside))
        stretch = "" if tall else ' stretchy="false"'
        left, right = (f"<mo{stretch}>{escape(s)}</mo>" for s in (tree.left, tree.right))
        return f"<mrow>{left}{mathml(tree.inside)}{right}</mrow>"
    if isinstance(tree, Name):
        return spelled(tree.text, MathmlWords())
    if isinstance(tree, Figure):
        return _mathml_figure(tree.text)
    assert isinstance(tree, Word | Sign)
    if isinstance(tree, Sign):
        shown = {"*": "·", "-": "−"}.get(tree.text, tree.text)
        form = "prefix" if tree.prefix else "infix"
        return f'<mo form="{form}">{escape(shown)}</mo>'
    return MathmlWords.word(tree.text)


def _side_by_side(tree: Row) -> str:
    """Parts of a row, with a thin space between those that no sign separates."""
    out = ""
    before: Math = Sign("", prefix=True)
    for part in tree.parts:
        apart = not isinstance(before, Sign) and not isinstance(part, Sign | Fence)
        out += ('<mspace width="0.22em"/>' if apart else "") + mathml(part)
        before = part
    return out


def _tall(part: Math) -> bool:
    """Whether something needs tall parentheses around it."""
    named = isinstance(part, Name) and _DERIVATIVE.fullmatch(part.text) is not None
    return named or isinstance(part, Fraction)


def _parts(tree: Math) -> tuple[Math, ...]:
    return tree.parts if isinstance(tree, Row) else (tree,)


def _mathml_figure(shown: str) -> str:
    """A number; powers of ten as such."""
    mantissa, _, exponent = shown.replace("-", "−").partition("e")
    if not exponent:
        return f"<mn>{escape(mantissa)}</mn>"
    return f"<mrow><mn>{mantissa}</mn><mo>·</mo><msup><mn>10</mn><mn>{exponent}</mn></msup></mrow>"
