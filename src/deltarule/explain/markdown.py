"""A worked calculation in Markdown, with formulas between dollar signs as GitHub and Jupyter read them.

In: a ``Document``. Out: text.
"""

from __future__ import annotations

from collections.abc import Iterator

from deltarule.explain.document import Document, Section
from deltarule.explain.latex import equations
from deltarule.explain.write import latex


def source(document: Document) -> str:
    """The whole document."""
    return "\n".join(_rows(document)) + "\n"


def _rows(document: Document) -> Iterator[str]:
    yield f"# {document.title or 'A worked training step'}"
    if document.facts:
        yield ""
        yield from (f"- {name}: {fact}" for name, fact in document.facts.items())
    for section in document.sections:
        yield ""
        yield f"## {section.title}"
        yield ""
        if section.intro:
            yield section.intro
            yield ""
        yield from _given(section) if section.compact else _aligned(section)
    for remark in document.remarks:
        yield ""
        yield remark


def _given(section: Section) -> Iterator[str]:
    """Names and numbers side by side."""
    pairs = (f"${latex(line.parts[0])} = {latex(line.parts[-1])}$" for line in section.lines)
    yield ", ".join(pairs)


def _aligned(section: Section) -> Iterator[str]:
    yield "$$"
    yield r"\begin{aligned}"
    yield " \\\\\n".join(equations(section))
    yield r"\end{aligned}"
    yield "$$"
