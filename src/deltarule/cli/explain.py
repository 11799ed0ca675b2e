"""``deltarule explain EXAMPLE.toml``: every number of a training step with its formula."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deltarule.cli import options, records, show
from deltarule.cli.place import check_place

EXAMPLES = """\
deltarule explain examples/worked/mazur.toml --digits 9
deltarule explain examples/worked/rgu.toml --out page.html
"""

if TYPE_CHECKING:
    from deltarule.explain import Example


class Format(StrEnum):
    """What is written."""

    text = "text"
    markdown = "markdown"
    latex = "latex"
    html = "html"


SUFFIXES = {".md": Format.markdown, ".tex": Format.latex, ".html": Format.html, ".htm": Format.html}


def explain(
    example: Annotated[
        Path, typer.Argument(metavar="EXAMPLE", help="Example file: network, weights, inputs.")
    ],
    format: Annotated[
        Format | None, typer.Option(help="What to write. [default: by FILE's ending, else text]")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="File to write to.")] = None,
    digits: Annotated[
        int | None,
        typer.Option(min=1, max=17, metavar="N", help="Significant digits shown. [default: 6]"),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Steps. [default: as the example says]")
    ] = None,
    json: options.Json = False,
) -> None:
    """Show a training step as a textbook does, every number of it.

    Forward, error, backward, update, and the error after, each number with its formula.
    """
    from deltarule.explain import read, work
    from deltarule.explain.record import DIGITS

    if out is not None:
        check_place(out, "--out")
    given = _asked(read(example))
    worked = work(given, steps)
    shown = digits or given.digits or DIGITS
    kind = format or (SUFFIXES.get(out.suffix.lower(), Format.text) if out else Format.text)
    if json:
        records.print_json(records.of_worked(worked))
        return
    if out is None and kind is Format.text:
        from deltarule.explain.text import coloured

        console = show.output()
        width = console.width if console.is_terminal else 100
        console.print(coloured(worked.document(shown), width), soft_wrap=True)
        return
    written = getattr(worked, kind.value)(shown)
    if out is None:
        print(written, end="")
        return
    from deltarule.data.write import write_whole

    write_whole(out, written.encode())
    show.saved(out)


def _asked(example: Example) -> Example:
    """The example with the numbers that are missing, asked for where someone is there to answer."""
    if not example.missing or not sys.stdin.isatty():
        return example
    show.remarks([f"{len(example.missing)} numbers are missing; type them in"])
    return example.filled({name: typer.prompt(name, type=float) for name in example.missing})
