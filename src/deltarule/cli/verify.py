"""``deltarule verify EXAMPLE``: a calculation done by hand, checked line by line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deltarule.cli import options, records, show

EXAMPLES = """\
deltarule verify examples/worked/mazur.toml
deltarule verify examples/worked/mazur-slips.toml --quiet
"""


def verify(
    example: Annotated[
        Path,
        typer.Argument(
            metavar="EXAMPLE",
            help="Example file with claims (TOML), or a text that states a network and calculates.",
        ),
    ],
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="The first wrong line only.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Find the first wrong line of a calculation done by hand.

    Each line is compared with the exact value at its own printed precision; the kind of the mistake is named,
    and what follows from it. Exit code 0: all right. 1:
    something is wrong. 2: it cannot be checked.
    """
    from deltarule.explain.verify import verify as verdict_on
    from deltarule.explain.verify_report import report

    verdict = verdict_on(example)
    if json:
        records.print_json(records.of_verdict(verdict))
        raise typer.Exit(verdict.code)
    text = report(verdict)
    if quiet and verdict.findings:
        text = "\n\n".join(text.split("\n\n")[: 2 if verdict.wrong else 1])
    show.output().print(text.rstrip(), soft_wrap=True)
    raise typer.Exit(verdict.code)
