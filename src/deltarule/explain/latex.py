"""A worked calculation in LaTeX: a document that compiles, and the equations of it for Markdown.

In: a ``Document``. Out: text; equations are aligned at the first equals sign.
"""

from __future__ import annotations

from collections.abc import Iterator

from deltarule.explain.document import Document, Line, Section
from deltarule.explain.notation import cut
from deltarule.explain.write import latex, text

FITS = 88  # characters of plain text that fit in one row
HEAD = r"""\documentclass[11pt]{article}
\usepackage[utf8]{inputenc}
\usepackage{amsmath}
\usepackage[a4paper,margin=22mm]{geometry}
\allowdisplaybreaks
\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt}
"""
ESCAPES = {
    "\\": r"\textbackslash{}",
    **{c: rf"\{c}" for c in "#$%&_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "≥": r"$\ge$",
    "≤": r"$\le$",
    "≠": r"$\ne$",
    "≈": r"$\approx$",
    "∞": r"$\infty$",
    "−": r"$-$",
    "×": r"$\times$",
    "√": r"$\surd$",
    "⊙": r"$\odot$",
    "…": r"\dots{}",
    "·": r"$\cdot$",
    "→": r"$\to$",
    "Σ": r"$\Sigma$",
    "σ": r"$\sigma$",
    "δ": r"$\delta$",
    "η": r"$\eta$",
    "∂": r"$\partial$",
}
COLUMNS = 3


def words(plain: str) -> str:
    """Plain text for LaTeX."""
    return "".join(ESCAPES.get(c, c) for c in plain)


def source(document: Document) -> str:
    """The whole document."""
    rows = [HEAD, rf"\title{{{words(document.title or 'A worked training step')}}}"]
    rows += [r"\author{}", r"\date{}", r"\begin{document}", r"\maketitle"]
    for name, fact in document.facts.items():
        rows.append(rf"\textit{{{words(name)}}}: {words(fact)}\\")
    for section in document.sections:
        rows += ["", rf"\section*{{{words(section.title)}}}"]
        if section.intro:
            rows.append(words(section.intro))
        rows.append(r"\begin{align*}")
        rows.append(" \\\\\n".join(equations(section)))
        rows.append(r"\end{align*}")
    rows += ["", *(words(remark) for remark in document.remarks), r"\end{document}"]
    return "\n".join(rows) + "\n"


def equations(section: Section) -> Iterator[str]:
    """The rows of an aligned display."""
    if section.compact:
        yield from _compact(section)
        return
    for line in section.lines:
        yield from _equation(line)


def _compact(section: Section) -> Iterator[str]:
    """Several short equations in a row."""
    cells = [f"{latex(line.parts[0])} &= {latex(line.parts[-1])}" for line in section.lines]
    for start in range(0, len(cells), COLUMNS):
        yield " & ".join(cells[start : start + COLUMNS])


def _equation(line: Line) -> Iterator[str]:
    """The parts of an equation, in one row where they fit, else in rows of their own."""
    signs = [r"\approx" if line.relation(i) == "≈" else "=" for i in range(len(line.parts))]
    row, length = latex(line.parts[0]), len(text(line.parts[0]))
    note = rf"\quad\text{{({words(line.note)})}}" if line.note else ""
    for i, part in enumerate(line.parts[1:], 1):
        pieces = cut(part) if len(text(part)) > FITS else [part]
        for k, piece in enumerate(pieces):
            size = len(text(piece)) + 3
            if length + size > FITS and (i > 1 or k):
                yield row
                row, length = "", 4
            sign = "" if k else signs[i]
            mark = "&" if (i == 1 and not k) or not row else ""
            row += f" {mark}{sign} {latex(piece)}"
            length += size
    yield row + note
