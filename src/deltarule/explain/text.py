"""A worked calculation as plain text, for a terminal or a file.

In: a ``Document``. Out: lines; equations that are too long for one go on below, aligned at the
equals signs.
"""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import TYPE_CHECKING

from deltarule.explain.document import Document, Line, Section
from deltarule.explain.write import text

if TYPE_CHECKING:
    from rich.text import Text

WIDTH = 100


def plain(document: Document, width: int = WIDTH) -> str:
    """The whole, without colours."""
    return "\n".join(line for line, _ in laid_out(document, width)) + "\n"


def coloured(document: Document, width: int = WIDTH) -> Text:
    """The whole as rich text."""
    from rich.text import Text

    out = Text()
    for line, style in laid_out(document, width):
        if style == "equation":
            head, sign, tail = line.rpartition(" = " if " = " in line else " ≈ ")
            out.append(head + sign).append(tail + "\n", "bold")
        else:
            out.append(line + "\n", style)
    return out


def laid_out(document: Document, width: int) -> Iterator[tuple[str, str]]:
    """Lines with their styles."""
    if document.title:
        yield document.title, "bold"
    for name, fact in document.facts.items():
        yield f"{name}: {fact}", ""
    for section in document.sections:
        yield "", ""
        yield section.title, "bold"
        if section.intro:
            yield section.intro, ""
        yield from _section(section, width)
    for remark in document.remarks:
        yield "", ""
        yield remark, ""


def _section(section: Section, width: int) -> Iterator[tuple[str, str]]:
    if section.compact:
        yield from _compact(section, width)
        return
    longest = max(len(text(line.parts[0])) for line in section.lines)
    indent = min(longest, 18)
    for line in section.lines:
        for row in _equation(line, indent, width):
            for one in _wrapped(row, indent, width):
                yield one, "equation"


def _compact(section: Section, width: int) -> Iterator[tuple[str, str]]:
    """Short equations side by side."""
    row = ""
    for line in section.lines:
        one = " = ".join(text(part) for part in line.parts)
        if row and len(row) + len(one) + 5 > width:
            yield row, ""
            row = ""
        row += ("    " if row else "  ") + one
    yield row, ""


def _wrapped(row: str, indent: int, width: int) -> list[str]:
    """A row that is too long even so, broken at spaces."""
    if len(row) <= width:
        return [row]
    start = len(row) - len(row.lstrip())
    later = " " * (indent + 7)
    return wrap(
        row.strip(),
        width,
        initial_indent=" " * start,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _equation(line: Line, indent: int, width: int) -> list[str]:
    """One line if it fits, else one for each equals sign."""
    name, *rest = (text(part) for part in line.parts)
    signs = [line.relation(i) for i in range(1, len(line.parts))]
    head = f"  {name:<{indent}}"
    whole = head + "".join(f" {s} {part}" for s, part in zip(signs, rest, strict=True))
    note = f"   {line.note}" if line.note else ""
    if len(whole) + len(note) <= width:
        return [whole + note]
    if not rest:
        return [head.rstrip() + note]
    rows = [f"{head} {signs[0]} {rest[0]}"]
    for sign, part in zip(signs[1:], rest[1:], strict=True):
        if len(rows[-1]) + len(part) + 3 <= width and sign == signs[-1] and part == rest[-1]:
            rows[-1] += f" {sign} {part}"
        else:
            rows.append(f"{'':<{len(head)}} {sign} {part}")
    if len(rows[-1]) + len(note) > width:
        rows.append(f"{'':<{len(head)}}  {note}")
    else:
        rows[-1] += note
    return rows
