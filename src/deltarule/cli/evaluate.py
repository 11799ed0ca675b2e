"""``deltarule evaluate MODEL TABLE``: the error on a table, beside that of the best constant answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deltarule.cli import show


def evaluate(
    model: Annotated[Path, typer.Argument(help="File that `deltarule train` saved.")],
    table: Annotated[Path, typer.Argument(help="Table with the input columns and the target.")],
    header: Annotated[bool, typer.Option(help="The first line names the columns.")] = True,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No remarks about the table.")
    ] = False,
) -> None:
    """Score a network on a table, in the target's unit."""
    import deltarule as dr
    from deltarule.train.table import evaluate_table

    network = dr.load(model)
    result = evaluate_table(network, table, header=header)
    if not quiet:
        show.remarks(result.notes)
    show.score(result.target, result.rows, result.score, result.baseline, of=str(table))
