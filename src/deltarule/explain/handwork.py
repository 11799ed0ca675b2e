"""Calculations as people write them down: lines of plain text read as chains of equalities.

In: ``n1 = 1*.5 + 2*.1 + .2 = 1.3``, ``Neuron 1: (1 × 0.5) + … = 1.3``, ``∂E/∂w₅ ≈ 0,082``. Out: for
each statement its label and the segments between the signs of equality, parsed where they are formulas.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from deltarule.explain.handwork_characters import plain
from deltarule.explain.handwork_numbers import Commas, how_commas_are_used
from deltarule.explain.handwork_terms import (
    Literal,
    NotAFormula,
    Tree,
    Written,
    formula,
    named,
)

_BULLET = re.compile(r"^\s*(?:[-*•>◦▪]+\s+|\(?\d{1,2}[.)]\s+(?=\D|\d+\s*[*])|\(?[a-h]\)\s+|#+\s+)")
_STEP = re.compile(r"^\s*(?:step|line)\s+\d+\s*[.:)-]\s*", re.IGNORECASE)
_FILLER = re.compile(
    r"^\s*(?:(?:is|are|about|approximately|approx\.?|roughly|circa|ca\.?|equals?|exactly)\b|[~$€£])\s*",
    re.IGNORECASE,
)
_NEXT = re.compile(
    r"[,;]\s*(?:and\s+)?(?=[^,;=]*[A-Za-z][^,;=]*=)|;\s*|\s+and\s+(?=[^\s=]+\s*=)"
    r"|(?<=[\w)\]%])\.\s+(?=[A-Z]|\w+\s*=)|(?<=[\d%])\s+(?=[A-Za-z]\w*\s*=\s*[-\w.])"
    r"|,?\s+(?:since|because|where|with|for)\s+(?=[^,;=]*[A-Za-z]\w*\s*=)"
)
_NUMBER = r"-?(?:\d+(?:[.,]\d+)?|[.,]\d+)"
_DECIMALS = re.compile(r"[\s*_~$-]*\d*[.,]\d+%?(?:[\s*_.;!]*$|,\s|\s+[a-z]{3,})")
_VERB = re.compile(r"(.*\w)\s+(?:is|gives|becomes|equals|yields)\s+(?=.*[\d(])")
_WRITTEN_ANOTHER_WAY = [
    (rf"(=.*\S)\s+(?:#|//)\s*(?:=\s*)?({_NUMBER})\s*$", r"\1 = \2"),  # y = 2*a  # 0.3
    (r"(=.*\S)\s+(?:#|//)\s*(.*)$", r"\1 (\2)"),
    (rf"^([A-Za-z][\w{{}}^]*)\s*[:=]\s*{_NUMBER}\s*→\s*({_NUMBER})$", r"\1_new = \2"),  # w: 1 → 2
]


@dataclass(frozen=True, slots=True)
class Segment:
    """What stands between two signs of equality: its text, and the formula where it is one."""

    text: str
    tree: Tree | None

    @property
    def numeric(self) -> bool:
        """Whether it can be computed as it stands."""
        return self.tree is not None and not named(self.tree)

    @property
    def bare(self) -> bool:
        """Whether it is a number and nothing else."""
        tree = self.tree
        while isinstance(tree, Written) and tree.op == "neg":
            (tree,) = tree.args
        return isinstance(tree, Literal)


@dataclass(frozen=True, slots=True)
class Line:
    """One statement of a text.

    Attributes
    ----------
    number : int
        The line of the text where it stands, from 1.
    text : str
        As written.
    label : str
        What it is about, in plain characters: ``net_h1``, ``Weight 1``, ``dE/dw5``; may be empty.
    segments : tuple of Segment
        What follows; none for a heading or for prose.
    """

    number: int
    text: str
    label: str
    segments: tuple[Segment, ...] = ()

    @property
    def numeric(self) -> tuple[Segment, ...]:
        """The segments that can be computed as they stand."""
        return tuple(segment for segment in self.segments if segment.numeric)

    @property
    def says_a_number(self) -> bool:
        """Whether its last segment has decimals, as results have and counts have not."""
        return bool(self.segments and _DECIMALS.match(self.segments[-1].text))


def read_lines(text: str, commas: Commas | None = None) -> list[Line]:
    """Return the statements of a text, in order.

    Raises ``AmbiguousComma`` where a comma in a number may mean two things.

    >>> [line] = read_lines("n1 = 1*.5 + 2*.1 + .2 = 1.3")
    >>> line.label, [segment.text for segment in line.segments]
    ('n1', ['1*.5 + 2*.1 + .2', '1.3'])
    >>> [line.label for line in read_lines("h1: net = 0.3775, out = 0.5933")]
    ['h1: net', 'h1: out']
    """
    commas = commas or how_commas_are_used(text)
    return [
        line for n, raw in enumerate(text.splitlines(), 1) for line in _statements(n, raw, commas)
    ]


def _statements(number: int, raw: str, commas: Commas) -> Iterator[Line]:
    text = _bare_text(raw)
    if not text:
        return
    owner = ""
    for statement in _apart(text):
        found = _statement(number, raw.strip(), statement, commas)
        if owner and found.segments and ":" not in found.label:
            found = Line(found.number, found.text, f"{owner}: {found.label}", found.segments)
        owner = found.label.rpartition(":")[0].strip() or owner
        yield found


def _bare_text(raw: str) -> str:
    """Plain characters, without bullets, numbering, table bars and marks of emphasis."""
    if raw.strip().startswith("|"):
        cells = [cell.strip() for cell in raw.strip().strip("|").split("|")]
        raw = " = ".join(cell for cell in cells if cell and not re.fullmatch(r":?-+:?", cell))
    raw = re.sub(r"`|(?<!\w)(\*\*|__)(?=\S)|(?<=\S)(\*\*|__)(?!\w|\s*[\d(-])", "", raw)
    text = _STEP.sub("", _BULLET.sub("", plain(_BULLET.sub("", raw))))
    for pattern, usual in _WRITTEN_ANOTHER_WAY:
        text = re.sub(pattern, usual, text)
    return text


def _apart(text: str) -> list[str]:
    """Split where the next statement begins, outside brackets."""
    depth, cuts = 0, [(0, 0)]
    depths = []
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        depths.append(depth)
    for found in _NEXT.finditer(text):
        before = text[cuts[-1][1] : found.start()]
        if depths[found.start()] == 0 and ("=" in before or found[0][0] == "."):
            cuts.append((found.start(), found.end()))
    cuts.append((len(text), len(text)))
    return [text[a[1] : b[0]] for a, b in pairwise(cuts) if text[a[1] : b[0]].strip()]


def _statement(number: int, raw: str, text: str, commas: Commas) -> Line:
    """One statement: a label, and the segments after it."""
    pieces = [piece.strip() for piece in _equalities(text)]
    label, first = _label(pieces[0], commas)
    chain = [first, *pieces[1:]] if first else pieces[1:]
    if not chain and ":" not in pieces[0]:
        return Line(number, raw, label)
    segments = tuple(_segment(piece, commas) for piece in chain if piece)
    if not label and len(segments) < 2:
        return Line(number, raw, text.strip())
    return Line(number, raw, label, segments)


def _equalities(text: str) -> list[str]:
    """Split at the signs of equality, not at <= and !=; ``w ← 0.3`` gives w a number."""
    return re.split(r"(?<![<>!])=(?!=)|←", text)


def _label(piece: str, commas: Commas) -> tuple[str, str]:
    """What comes before the first sign of equality, as label and the formula after its colon."""
    before, colon, after = piece.rpartition(":")
    if colon and after.strip():
        try:
            tree, _ = formula(after.strip(), commas)
        except NotAFormula:
            return piece, ""
        if isinstance(tree, Literal | Written):
            return before.strip(), after.strip()
        return piece, ""
    try:
        tree, rest = formula(piece, commas)
    except NotAFormula:
        return piece.rstrip(": "), ""
    if rest and (verb := _VERB.match(piece)):  # the output is sigmoid(0.3)
        try:
            tree, rest = formula(piece[verb.end() :], commas)
        except NotAFormula:
            return piece.rstrip(": "), ""
        if rest == "" and isinstance(tree, Written):
            return verb[1], piece[verb.end() :]
        return piece.rstrip(": "), ""
    if rest == "" and isinstance(tree, Literal | Written) and not _is_derivative(piece):
        return "", piece
    return piece.rstrip(": "), ""


def _is_derivative(text: str) -> bool:
    return bool(
        re.match(r"\s*(?:d|delta|Delta)\s*\(?[A-Za-z][\w{}^.]*\)?\s*/\s*(?:d|delta|Delta)", text)
    )


def _segment(text: str, commas: Commas) -> Segment:
    kept = text
    while (shorter := _FILLER.sub("", kept)) != kept:
        kept = shorter
    kept = re.sub(r"^-\s*[$€£]", "-", kept)
    kept = re.sub(
        r"\s*[(\[][^()\[\]]*(?:→|\bto\b)[^()\[\]]*[)\]]|\s+from \w+ to \w+|\s*,?\s*\w+\s*→\s*\w+$",
        "",
        kept,
    )
    try:
        tree, rest = formula(kept, commas)
    except NotAFormula:
        return Segment(text, None)
    if rest and (not re.match(r"[.,;:!?]?(?:\s|$)|[(\[A-Za-z]", rest) or re.search(r"[*^/]", rest)):
        return Segment(text, None)
    return Segment(text, tree)
